"""The broker is away for ten minutes while text is concluded and the daemon is killed: does all of it arrive, once?

    python -m bench.broker_outage [--minutes 10] [--kills 2] [--seed 1] [--out DIR]

The real daemon hears endless human speech from a virtual card, speaks to a strict emulator through a relay that reads
what the service says, and publishes to a real mosquitto that is killed with kill -9 and, later, started again. Before,
in the middle and after, strace counts what the daemon writes to disk. Exit code 1 when a promise was broken: a
concluded segment lost, reordered or with two texts, fewer than 200 of them, or a write while the broker answers.
"""

import argparse
import asyncio
import contextlib
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes.faults.ledger import Verdict, judge
from tests.fakes.faults.rig import Rig, RigOptions, rig

SEGMENTS = 200
COUNTED_S = 30.0
WITHIN_S = 60.0
CALLS = "write,pwrite64,writev,pwritev,pwritev2,fsync,fdatasync,ftruncate,rename,renameat2,unlink,unlinkat,mkdir"
NOT_THE_DISK = re.compile(r"<(socket|pipe|anon_inode|/dev/|UNIX|TCP|.*\.log>|.*/card/)")


@dataclass
class Shown:
    """What the run showed."""

    writes_before: list[str] = field(default_factory=list)
    writes_during: list[str] = field(default_factory=list)
    writes_after: list[str] = field(default_factory=list)
    outage_s: float = 0.0
    sent_in_outage: int = 0
    spool_bytes: int = 0
    drained_s: float = 0.0
    peak_rss_mb: float = 0.0
    exit_code: int | None = None
    deaths: list[str] = field(default_factory=list)
    utterances: int = 0
    verdict: Verdict = field(default_factory=Verdict)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="keep logs there")
    args = parser.parse_args()
    print(f"seed {args.seed}: the broker away for {args.minutes:g} min, {args.kills} kills of the daemon", flush=True)
    with contextlib.ExitStack() as stack:
        place = args.out or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="broker-outage-")))
        shown = asyncio.run(_run(place, args))
    return 0 if _tell(shown, args.minutes) else 1


async def _run(place: Path, args: argparse.Namespace) -> Shown:
    shown = Shown()
    # no sentence may come twice: where it belongs is told by its words
    options = RigOptions(loop_minutes=args.minutes + 6, seed=args.seed)
    async with rig(place, options) as satellite:
        await _more(satellite, 4)
        shown.writes_before = await _written(satellite)
        await _outage(satellite, shown, args)
        shown.writes_after = await _written(satellite)
        assert satellite.daemon is not None
        shown.peak_rss_mb = satellite.daemon.peak_rss_mb()
        shown.exit_code = await satellite.stop_daemon()
        await asyncio.sleep(3)
        shown.deaths = satellite.deaths
        shown.verdict = judge(satellite.tap.sent, satellite.watcher.got, satellite.killed_at_s)
        texts = [message for message in satellite.watcher.got if message.topic == "utterance"]
        shown.utterances = len({str(message.body["id"]) for message in texts})
    return shown


async def _outage(satellite: Rig, shown: Shown, args: argparse.Namespace) -> None:
    """The broker is killed, and so is the daemon at even distances; then the broker comes back."""
    began_s, before = time.monotonic(), len(satellite.tap.sent)
    satellite.broker.kill()
    shown.writes_during = await _written(satellite)
    for number in range(1, args.kills + 1):
        await _until(began_s + number * args.minutes * 60 / (args.kills + 1))
        await satellite.kill_daemon()
        satellite.start_daemon()
        print(f"  daemon killed and started after {time.monotonic() - began_s:.0f} s", flush=True)
    await _until(began_s + args.minutes * 60)
    shown.spool_bytes = sum(path.stat().st_size for path in satellite.state.glob("spool.db*"))
    shown.sent_in_outage = len(satellite.tap.sent) - before
    await asyncio.to_thread(satellite.broker.start)
    back_s = time.monotonic()
    shown.outage_s = back_s - began_s
    async with asyncio.timeout(WITHIN_S):
        while list(satellite.state.glob("spool.db*")):
            await asyncio.sleep(0.05)
    shown.drained_s = time.monotonic() - back_s


async def _until(moment_s: float) -> None:
    await asyncio.sleep(max(0.0, moment_s - time.monotonic()))


async def _more(satellite: Rig, segments: int) -> None:
    """Wait until so many more were concluded."""
    enough = len(satellite.tap.sent) + segments
    async with asyncio.timeout(WITHIN_S):
        while len(satellite.tap.sent) < enough:
            await asyncio.sleep(0.1)


async def _written(satellite: Rig) -> list[str]:
    """The daemon's calls within COUNTED_S that touch a file, its log left out; text is concluded meanwhile."""
    await _more(satellite, 1)
    trace = satellite.directory / "strace.txt"
    before = len(satellite.tap.sent)
    process = subprocess.Popen(
        ["strace", "-f", "-y", "-e", f"trace={CALLS}", "-o", str(trace), "-p", str(satellite.pid())],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    await asyncio.sleep(COUNTED_S)
    process.send_signal(signal.SIGINT)
    await asyncio.to_thread(process.wait, 10)
    calls = [line for line in trace.read_text(errors="replace").splitlines() if re.search(r"\b[a-z0-9]+\(", line)]
    concluded = len(satellite.tap.sent) - before
    assert concluded, "nothing was said"
    print(f"  {concluded} segments in {COUNTED_S:.0f} s, {len(calls)} calls looked at", flush=True)
    return [line for line in calls if not NOT_THE_DISK.search(line)]


def _tell(shown: Shown, minutes: float) -> bool:
    """Print the figures; True when every promise was kept."""
    verdict = shown.verdict
    figures = {
        "broker away": f"{shown.outage_s:.0f} s",
        "segments concluded meanwhile": f"{shown.sent_in_outage}, in all {verdict.sent}",
        "segments published": f"{verdict.published} ids; utterances {shown.utterances} ids",
        "lost": len(verdict.lost),
        "sent within 0.5 s of a kill": f"{len(verdict.lost_with_process)} lost with the process",
        "out of order / two texts": f"{len(verdict.reordered)} / {len(verdict.two_texts)}",
        "published, never concluded": len(verdict.invented),
        "said again by the service": verdict.said_again,
        "repeated byte by byte": verdict.repeated,
        "spool at the end of the outage": f"{shown.spool_bytes / 1024:.0f} KB",
        "everything delivered": f"{shown.drained_s:.1f} s after the broker's return",
        "disk writes, broker up": f"{len(shown.writes_before)} before, {len(shown.writes_after)} after",
        "disk writes, broker away": f"{len(shown.writes_during)} in {COUNTED_S:.0f} s",
        "peak RSS of the last daemon": f"{shown.peak_rss_mb:.1f} MB",
        "exit code": shown.exit_code,
    }
    for name, value in figures.items():
        print(f"{name:31} {value}")
    for line in [*shown.writes_before[:5], *shown.writes_after[:5], *shown.deaths]:
        print(f"  {line[:200]}")
    is_enough = shown.sent_in_outage >= SEGMENTS * minutes / 10
    is_quiet = bool(shown.writes_during) and not shown.writes_before and not shown.writes_after
    is_kept = verdict.is_kept and is_quiet and is_enough and shown.exit_code == 0 and not shown.deaths
    print("every promise was kept" if is_kept else "A PROMISE WAS BROKEN")
    return is_kept


if __name__ == "__main__":
    sys.exit(main())
