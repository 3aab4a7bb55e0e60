import logging
import threading

import pytest

from satellite.adapters.worker import Worker

WAIT_S = 10.0


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "work"]


def test_there_is_a_thread_only_while_there_is_work() -> None:
    go, began = threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        assert go.wait(WAIT_S)

    worker = Worker("work", work)
    assert threads() == []
    worker.wake()
    assert began.wait(WAIT_S)
    assert threads() == ["work"]
    assert not worker.settle(0.01)
    go.set()
    assert worker.settle(WAIT_S)


def test_what_comes_meanwhile_is_done_too_and_never_by_two_at_a_time() -> None:
    lock, calls, go = threading.Lock(), [], threading.Event()

    def work() -> None:
        assert lock.acquire(blocking=False)
        calls.append(1)
        assert go.wait(WAIT_S)
        lock.release()

    worker = Worker("work", work)
    for _ in range(5):
        worker.wake()
    go.set()
    assert worker.settle(WAIT_S)
    assert 1 <= len(calls) <= 5
    before = len(calls)
    worker.wake()
    assert worker.settle(WAIT_S)
    assert len(calls) == before + 1


def test_a_retry_is_waited_for_and_not_hastened_by_more_work() -> None:
    pauses: list[float | None] = [0.2, None]
    called = threading.Semaphore(0)

    def work() -> float | None:
        called.release()
        return pauses.pop(0)

    worker = Worker("work", work)
    worker.wake()
    assert called.acquire(timeout=WAIT_S)
    worker.wake()
    assert worker.settle(WAIT_S)
    assert pauses == []


def test_finish_tries_once_more_and_waits_for_no_retry() -> None:
    calls = []
    called = threading.Event()

    def work() -> float:
        calls.append(1)
        called.set()
        return 1000.0

    worker = Worker("work", work)
    worker.wake()
    assert called.wait(WAIT_S)
    assert not worker.settle(0.05)
    assert worker.finish(WAIT_S)
    assert len(calls) == 2
    worker.wake()  # even later nobody waits a thousand seconds
    assert worker.settle(WAIT_S)


def test_finish_does_not_wait_for_ever() -> None:
    go = threading.Event()

    def work() -> None:
        assert go.wait(WAIT_S)

    worker = Worker("work", work)
    worker.wake()
    assert not worker.finish(0.05)
    go.set()
    assert worker.settle(WAIT_S)


def test_a_bug_is_told_and_does_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    results = [ZeroDivisionError("a bug"), None]

    def work() -> None:
        result = results.pop(0)
        if result is not None:
            raise result

    worker = Worker("work", work)
    with caplog.at_level(logging.ERROR):
        worker.wake()
        assert worker.settle(WAIT_S)
    assert "work failed" in caplog.text
    worker.wake()
    assert worker.settle(WAIT_S)
    assert results == []
