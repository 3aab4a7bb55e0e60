"""Hundreds of seeded faults against the whole daemon, side by side: is anything lost, and does it always come back?

    python -m bench.faults --minutes 30 --faults 500 --seed 1 [--rigs 5] [--out DIR] [--kinds reset,stall]

Each rig is a satellite with its own broker, voice service, card and names; faults strike one after the other, the next
once the satellite has published words that were spoken after the one before. So one satellite takes about four faults
a minute, and several run side by side. The first rig keeps one process all the time, for the trend of its memory.
Exit code 1 when a promise is broken; every complaint names the seed and the fault.
"""

import argparse
import asyncio
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from satellite.emulator.registry import names
from tests.fakes.faults.campaign import Campaign, as_json, plan
from tests.fakes.faults.injectors import possible
from tests.fakes.faults.report import lines
from tests.fakes.faults.rig import RigOptions, can_mount, libfaketime, rig
from tests.fakes.faults.samples import Sample, look, slope_per_hour

GAPS_S = (0.0, 3.0)
SECONDS_EACH = 20.0
SETTLED_S = 300.0
SAMPLE_S = 5.0
PATIENCE = 2.0
"""This many times the minutes, when the number of faults takes longer."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--faults", type=int, default=500, help="go on until so many were struck")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rigs", type=int, default=0, help="satellites side by side (default: as many as it takes)")
    parser.add_argument("--backend", choices=names(), default="deepl", help="the voice service")
    parser.add_argument("--kinds", default="", help="only these, by commas")
    parser.add_argument("--out", type=Path, help="where to leave logs and figures")
    parser.add_argument("--rig", type=int, default=None, help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.rigs = args.rigs or max(1, round(args.faults * SECONDS_EACH / (args.minutes * 60)))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if args.rig is not None:
        asyncio.run(_one(args))
        return 0
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        args.out = args.out or Path(name)
        args.out.mkdir(parents=True, exist_ok=True)
        return _all(args)


def _all(args: argparse.Namespace) -> int:
    """Run the rigs as processes of their own and put their outcomes together."""
    print(f"seed {args.seed}, {args.rigs} satellites, {args.minutes:g} minutes, {args.faults} faults", flush=True)
    children = [
        subprocess.Popen([sys.executable, "-m", "bench.faults", *sys.argv[1:], *_share(args, number)])
        for number in range(args.rigs)
    ]
    try:
        codes = [child.wait() for child in children]
    finally:
        for child in children:
            child.terminate()  # nothing to those that have ended; the others put away their mounts
            child.wait()
    files = [args.out / f"rig{number}.json" for number in range(args.rigs)]
    outcomes: list[dict[str, Any]] = [json.loads(file.read_text()) for file in files if file.exists()]
    if not outcomes:
        print("no satellite got as far as an outcome: see above")
        return 1
    print("\n".join(lines(outcomes)))
    for outcome in outcomes:
        if outcome["trend"] is not None:
            print(f"RSS slope of seed {outcome['seed']}          {outcome['trend']}")
    is_whole = not any(codes) and len(outcomes) == args.rigs
    return 0 if is_whole and not any(outcome["complaints"] for outcome in outcomes) else 1


def _share(args: argparse.Namespace, number: int) -> list[str]:
    return ["--rig", str(number), "--rigs", str(args.rigs), "--out", str(args.out)]


async def _one(args: argparse.Namespace) -> None:
    """One rig's campaign; its outcome goes into a file."""
    seed = args.seed * 1000 + args.rig
    keeps_process = args.rig == 0 and args.rigs > 1
    has_clock = libfaketime() is not None and not keeps_process
    kinds = possible(has_mounts=can_mount(), has_clock=has_clock)
    if args.kinds:
        kinds = [kind for kind in args.kinds.split(",") if kind in kinds]
    if keeps_process:
        kinds = [kind for kind in kinds if not kind.startswith(("daemon_killed", "daemon_restarted"))]
    options = RigOptions(backend=args.backend, seed=seed, has_clock=has_clock)
    samples: list[Sample] = []
    async with rig(args.out / f"rig{args.rig}", options) as satellite:
        campaign = Campaign(satellite, seed)
        await campaign.begin()
        began_s = time.monotonic()
        sampling = asyncio.ensure_future(_sample(satellite.pid, samples))
        faults = plan(seed, kinds, GAPS_S)
        share = -(-args.faults // args.rigs)
        await campaign.run(faults, began_s + args.minutes * 60)
        if missing := share - len(campaign.struck):
            rest = faults[len(campaign.struck) :]
            await campaign.run(rest, began_s + args.minutes * 60 * PATIENCE, max(0, missing))
        sampling.cancel()
        outcome = as_json(await campaign.finish())
    outcome["trend"] = _trend(samples) if keeps_process else None
    (args.out / f"rig{args.rig}.json").write_text(json.dumps(outcome, indent=1))


async def _sample(pid: Callable[[], int], samples: list[Sample]) -> None:
    began_s = time.monotonic()
    while True:
        sample = look(pid(), time.monotonic() - began_s)
        if sample is not None:
            samples.append(sample)
        await asyncio.sleep(SAMPLE_S)


def _trend(samples: list[Sample]) -> str:
    settled = [sample for sample in samples if sample.at_s >= SETTLED_S] or samples
    if not settled:
        return "no samples"
    minutes = (settled[-1].at_s - settled[0].at_s) / 60
    return (
        f"{slope_per_hour(settled):+.2f} MB/h over {minutes:.0f} minutes after the first {SETTLED_S / 60:.0f}, "
        f"{settled[0].rss_mb:.1f} to {settled[-1].rss_mb:.1f} MB, "
        f"descriptors {settled[0].fds} to {settled[-1].fds}, threads {settled[0].threads} to {settled[-1].threads}"
    )


if __name__ == "__main__":
    sys.exit(main())
