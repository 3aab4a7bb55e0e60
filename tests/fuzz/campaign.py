"""A campaign: many inputs to one target in a process of its own, counted, with every failure kept."""

import logging
import multiprocessing
import multiprocessing.connection
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fuzz import files
from tests.fuzz.all import target_of
from tests.fuzz.watch import watching

WARM_UP = 0.1
"""Of a campaign, before its memory is looked at for the first time: imports, caches and arenas come with it."""
FAILURES_MAX = 20
"""After so many of one target the rest would only say the same."""
PATIENCE_S = 120.0
"""A process that has said nothing for so long is stuck where no alarm reaches it."""
TELL_EVERY_S = 1.0


@dataclass
class Report:
    """What came of a campaign."""

    name: str
    inputs: int = 0
    messages: int = 0
    seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[int, bytes, str]] = field(default_factory=list)
    """Number, input and trace of each."""
    rss_growth_mb: float = 0.0
    """Peak after the warm-up, less what it was then."""


def run(name: str, seed: int, messages: int, seconds: float | None = None) -> Report:
    """Corpus and seeds as they are, then mutated inputs up to that many messages, or for that long."""
    target, report = target_of(name), Report(name)
    begun_s = time.monotonic()
    rss_mb: float | None = None
    with watching() as watch:
        for index in range(-len(target.seeds), 1 << 62):
            data = target.seeds[index + len(target.seeds)] if index < 0 else target.mutated(seed, index)
            outcome, failure = watch.failure_of(target.run, data)
            report.inputs += 1
            if failure is not None:
                report.failures.append((index, data, failure))
            if outcome is not None:
                report.messages += outcome.messages
                report.outcomes[outcome.label] += 1
            report.seconds = time.monotonic() - begun_s
            done = report.messages / messages if seconds is None else report.seconds / seconds
            if rss_mb is None and done > WARM_UP:
                rss_mb = memory_mb("VmRSS")
                _forget_peak()
            if done >= 1 or len(report.failures) >= FAILURES_MAX:
                break
            if index % 256 == 0:
                _tell(index)
    files.tidy()
    report.rss_growth_mb = max(0.0, memory_mb("VmHWM") - rss_mb) if rss_mb is not None else 0.0
    return report


def run_apart(name: str, seed: int, messages: int, seconds: float | None = None) -> Report:
    """The same in a process of its own, whose crash is a failure like any other."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(theirs, name, seed, messages, seconds), name=f"fuzz {name}")
    child.start()
    theirs.close()
    index = 0
    try:
        while ours.poll(PATIENCE_S):
            said = ours.recv()
            if isinstance(said, Report):
                child.join()
                return said
            index = said
        end = f"nothing heard for {PATIENCE_S:.0f} s"
    except EOFError:
        child.join()
        end = f"the process ended with {child.exitcode}"
    finally:
        child.kill()
        child.join()
    data = b"\n".join(target_of(name).mutated(seed, each) for each in range(index, index + 1))
    return Report(name, inputs=index, failures=[(index, data, f"{end}, somewhere in the 256 inputs from {index} on")])


_teller: Any = None


def _tell(index: int) -> None:
    if _teller is not None:
        _teller.send(index)


def _child(
    pipe: "multiprocessing.connection.Connection", name: str, seed: int, messages: int, seconds: float | None
) -> None:
    global _teller  # noqa: PLW0603 - the one line out of this process
    _teller = pipe
    logging.basicConfig(handlers=[logging.NullHandler()])
    pipe.send(run(name, seed, messages, seconds))


def memory_mb(entry: str) -> float:
    """A line of /proc/self/status."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(entry))


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
