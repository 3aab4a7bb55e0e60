"""The harness sees what it is there to see: else a million inputs without a failure would mean nothing."""

import logging
import threading
import time
from collections.abc import Callable

import pytest

from tests.fuzz import campaign, watch
from tests.fuzz.all import targets
from tests.fuzz.mutation import Mutator
from tests.fuzz.target import BrokenPromiseError, Outcome, Shape, Target, hold
from tests.fuzz.watch import watching


def broken(run: Callable[[bytes], Outcome]) -> Target:
    return Target("broken", Shape.BYTES, run, lambda: [b"seed"], 1)


def raising(data: bytes) -> Outcome:
    if b"\xff" in data:
        raise ZeroDivisionError(f"at {len(data)}")
    return Outcome("fine")


def logging_a_trace(_data: bytes) -> Outcome:
    try:
        return raising(b"\xff")
    except ZeroDivisionError:
        logging.getLogger("satellite.somewhere").exception("dropped")
        return Outcome("fine")


def failing_in_a_thread(_data: bytes) -> Outcome:
    thread = threading.Thread(target=raising, args=(b"\xff",))
    thread.start()
    thread.join()
    return Outcome("fine")


def breaking_a_promise(_data: bytes) -> Outcome:
    hold(False, "kept")
    return Outcome("fine")


def without_end(_data: bytes) -> Outcome:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        pass
    return Outcome("fine")


@pytest.mark.parametrize(
    ("run", "trace"),
    [
        (raising, "ZeroDivisionError: at 1"),
        (logging_a_trace, "dropped"),
        (failing_in_a_thread, "ZeroDivisionError"),
        (breaking_a_promise, BrokenPromiseError.__name__),
        (without_end, "StuckError"),
    ],
)
def test_what_goes_wrong_is_seen(run: Callable[[bytes], Outcome], trace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "STUCK_CPU_S", 0.3)
    with watching() as watcher:
        _, failure = watcher.failure_of(run, b"\xff")
        assert trace in str(failure)
        outcome, failure = watcher.failure_of(lambda _: Outcome("fine"), b"")
    assert (outcome, failure) == (Outcome("fine"), None)


def test_a_campaign_counts_and_keeps_its_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "target_of", lambda _name: broken(raising))
    report = campaign.run("broken", 1, 10_000)
    assert len(report.failures) == campaign.FAILURES_MAX
    assert report.inputs == report.messages + campaign.FAILURES_MAX
    index, data, trace = report.failures[0]
    assert (broken(raising).mutated(1, index), b"\xff" in data) == (data, True)
    assert "ZeroDivisionError" in trace


@pytest.mark.parametrize("name", targets())
def test_the_same_seed_gives_the_same_inputs(name: str) -> None:
    target = targets()[name]
    first = [target.mutated(1, index) for index in range(20)]
    assert first == [target.mutated(1, index) for index in range(20)]
    assert len({*first, *(target.mutated(2, index) for index in range(20))}) > 20


def test_mutation_leaves_its_model_alone() -> None:
    model = {"a": [1, {"b": "c"}], "d": b"e"}
    for seed in range(200):
        Mutator(f"{seed}").tree(model, [model])
        Mutator(f"{seed}").tokens(b'{"a":1}', [b"x"])
    assert model == {"a": [1, {"b": "c"}], "d": b"e"}
