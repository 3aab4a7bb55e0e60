"""A campaign: many inputs to one target in a process of its own, counted, with every failure kept."""

import logging
import multiprocessing
import multiprocessing.connection
import time
import types
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
PATIENCE_S = 60.0
"""A process that has been at one input for so long is stuck where no alarm reaches it."""


_progress: Any = types.SimpleNamespace(value=0)
"""The number of the present input, for whoever watches this process."""


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
            _progress.value = index
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
    files.tidy()
    report.rss_growth_mb = max(0.0, memory_mb("VmHWM") - rss_mb) if rss_mb is not None else 0.0
    return report


def run_apart(name: str, seed: int, messages: int, seconds: float | None = None) -> Report:
    """The same in a process of its own, whose crash or endless loop is a failure like any other."""
    context = multiprocessing.get_context("spawn")
    progress = context.RawValue("q", 0)
    ours, theirs = context.Pipe(duplex=False)
    arguments = (theirs, progress, name, seed, messages, seconds)
    child = context.Process(target=_child, args=arguments, name=f"fuzz {name}")
    child.start()
    theirs.close()
    try:
        end = _awaited(ours, progress)
        if isinstance(end, Report):
            child.join()
            return end
    finally:
        child.kill()
        child.join()
    target, index = target_of(name), progress.value
    data = target.seeds[index + len(target.seeds)] if index < 0 else target.mutated(seed, index)
    return Report(name, inputs=index, failures=[(index, data, f"{end} ({child.exitcode})")])


def _awaited(pipe: "multiprocessing.connection.Connection", progress: Any) -> Report | str:
    """The report of a process, or how it came to its end without one."""
    before = None
    try:
        while not pipe.poll(PATIENCE_S):
            if progress.value == before:
                return f"one input took more than {PATIENCE_S:.0f} s"
            before = progress.value
        report: Report = pipe.recv()
    except EOFError:
        return "the process died"
    return report


def _child(
    pipe: "multiprocessing.connection.Connection",
    progress: Any,
    name: str,
    seed: int,
    messages: int,
    seconds: float | None,
) -> None:
    global _progress  # noqa: PLW0603 - the one line out of this process
    _progress = progress
    logging.basicConfig(handlers=[logging.NullHandler()])
    pipe.send(run(name, seed, messages, seconds))


def memory_mb(entry: str) -> float:
    """A line of /proc/self/status."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(entry))


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
