"""Hours of one satellite in real time, with faults at random moments: does its memory stay flat, and is nothing lost?

    python -m bench.soak --minutes 120 --seed 1 --out DIR

The daemon is a process of its own, hears endless human speech from a virtual card, speaks to a strict emulator through
a relay and publishes to a real mosquitto. Every ten seconds its memory, file descriptors, threads and CPU time go to
DIR/samples.csv. Exit code 1 when memory grows by 1 MB an hour or more, when descriptors or threads do, or when a
promise about text or speech was broken.
"""

import argparse
import asyncio
import json
import signal
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.fakes.faults.campaign import Campaign, Outcome, Planned, as_json, plan
from tests.fakes.faults.injectors import KINDS
from tests.fakes.faults.report import lines
from tests.fakes.faults.rig import Rig, RigOptions, rig
from tests.fakes.faults.samples import Sample, look, slope_per_hour, write_csv

SAMPLE_S = 10.0
SETTLED_S = 600.0
GAPS_S = (15.0, 45.0)
WARM_UP_S = 60.0
SLOPE_MB_PER_HOUR = 1.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--speech", default=None, metavar="LANG", help="speak translations too")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # puts away what was mounted
    print(f"seed {args.seed}, {args.minutes:g} minutes, output in {args.out}", flush=True)
    outcome, samples = asyncio.run(_soak(args))
    write_csv(args.out / "samples.csv", samples)
    figures = as_json(outcome)
    (args.out / "outcome.json").write_text(json.dumps(figures, indent=1))
    is_flat = _tell_trend(samples)
    print("\n".join(lines([figures])))
    _plot(args.out / "samples.png", samples)
    return 0 if is_flat and not outcome.complaints else 1


async def _soak(args: argparse.Namespace) -> tuple[Outcome, list[Sample]]:
    kinds = [name for name, kind in KINDS.items() if kind.in_soak]
    samples: list[Sample] = []
    async with rig(args.out / "rig", RigOptions(seed=args.seed, speech_language=args.speech)) as satellite:
        campaign = Campaign(satellite, args.seed)
        await campaign.begin()
        until_s = time.monotonic() + args.minutes * 60
        sampling = asyncio.ensure_future(_sample(satellite, samples, args.out / "samples.csv"))
        # the ring is filled once before memory is judged: its highest water is no leak
        await campaign.run([Planned(-1, "long_outage", WARM_UP_S), *plan(args.seed, kinds, GAPS_S)], until_s)
        await asyncio.sleep(max(0.0, until_s - time.monotonic()))
        sampling.cancel()
        return await campaign.finish(), samples


async def _sample(satellite: Rig, samples: list[Sample], path: Path) -> None:
    """Look at the process every ten seconds; the file can be read meanwhile."""
    began_s = time.monotonic()
    while True:
        if satellite.daemon is not None:
            sample = look(satellite.daemon.process.pid, time.monotonic() - began_s)
            if sample is not None:
                samples.append(sample)
                write_csv(path, samples)
        await asyncio.sleep(SAMPLE_S)


def _tell_trend(samples: Sequence[Sample]) -> bool:
    """Print what the process cost; True when it is flat."""
    settled = [sample for sample in samples if sample.at_s >= SETTLED_S] or list(samples)
    slope = slope_per_hour(settled)
    hours = (settled[-1].at_s - settled[0].at_s) / 3600
    print(
        f"samples                   {len(samples)}, {len(settled)} of them after the first ten minutes ({hours:.2f} h)"
    )
    for name in ("rss_mb", "pss_mb"):
        values = [getattr(sample, name) for sample in settled]
        print(f"{name:<26}first {values[0]:.1f}, last {values[-1]:.1f}, most {max(values):.1f}")
    print(f"RSS slope                 {slope:+.3f} MB/h (allowed: below {SLOPE_MB_PER_HOUR:g})")
    print(f"PSS slope with helpers    {slope_per_hour(settled, 'pss_mb'):+.3f} MB/h")
    constants = [_is_constant(settled, name) for name in ("fds", "threads", "helpers")]
    minutes = (samples[-1].at_s - samples[0].at_s) / 60
    print(f"CPU s per minute          {(samples[-1].cpu_s - samples[0].cpu_s) / max(minutes, 1e-9):.3f}")
    return slope < SLOPE_MB_PER_HOUR and all(constants)


def _is_constant(samples: Sequence[Sample], name: str) -> bool:
    """In the last tenth as many as in the first: faults come and go in between."""
    values = [int(getattr(sample, name)) for sample in samples]
    tenth = max(1, len(values) // 10)
    first, last = statistics.median(values[:tenth]), statistics.median(values[-tenth:])
    print(
        f"{name:<26}min {min(values)}, max {max(values)}, first {values[0]}, last {values[-1]}, "
        f"median of the first and last tenth {first:g} and {last:g}"
    )
    return last <= first


def _plot(path: Path, samples: Sequence[Sample]) -> None:
    """A picture of it, where matplotlib is there."""
    try:
        import matplotlib as mpl  # noqa: PLC0415 - optional

        mpl.use("Agg")
        from matplotlib import pyplot as plt  # noqa: PLC0415 - optional
    except ImportError:
        return
    figure, (memory, counts) = plt.subplots(2, 1, sharex=True, figsize=(10, 6))
    minutes = [sample.at_s / 60 for sample in samples]
    memory.plot(minutes, [sample.rss_mb for sample in samples], label="RSS")
    memory.plot(minutes, [sample.pss_mb for sample in samples], label="PSS")
    memory.set_ylabel("MB")
    counts.plot(minutes, [sample.fds for sample in samples], label="file descriptors")
    counts.plot(minutes, [sample.threads for sample in samples], label="threads")
    counts.set_xlabel("minutes")
    for axes in (memory, counts):
        axes.legend()
        axes.grid(visible=True, alpha=0.3)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    sys.exit(main())
