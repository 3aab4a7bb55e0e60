import random

import pytest

from satellite.emulator.faults import Fault, FaultBox, parse_fault


def parse(spec: str) -> Fault:
    return parse_fault(spec, random.Random(4))


def test_specs() -> None:
    assert parse("http:status=429,retry_after_s=3,on=POST,count=2") == Fault(
        "http", on="POST", count=2, status=429, retry_after_s=3
    )
    assert parse("cut:after_chunks=20,how=close,code=1012") == Fault("cut", after_chunks=20, how="close", code=1012)
    assert parse("slow:delay_s=0.5") == Fault("slow", delay_s=0.5)
    assert parse("http:count=-1").count == -1


def test_ranges_are_drawn_from_the_seed() -> None:
    drawn = {parse_fault("cut:after_chunks=10-50,at_s=1-2", random.Random(seed)) for seed in (1, 1, 2, 3)}
    assert len(drawn) == 3
    assert all(10 <= (fault.after_chunks or 0) <= 50 and 1 <= (fault.at_s or 0) <= 2 for fault in drawn)


@pytest.mark.parametrize("spec", ["nonsense", "http:colour=red", "http:status", "http:status=many", "cut:kind=cut"])
def test_what_cannot_be_understood_is_refused(spec: str) -> None:
    with pytest.raises(ValueError, match=r"unknown fault|not KEY=VALUE|invalid literal"):
        parse(spec)


def test_an_occasion_uses_a_fault_up() -> None:
    box = FaultBox()
    box.add(Fault("http", on="GET", count=2, skip=1))
    assert [box.take("http", on) is not None for on in ("POST", "GET", "GET", "GET", "GET")] == [
        False, False, True, True, False,
    ]  # fmt: skip
    box.add(Fault("http", count=-1))
    assert all(box.take("http", "POST") for _ in range(20))


def test_stream_faults_wait_for_their_moment_and_hit_a_connection_once() -> None:
    box = FaultBox()
    box.add(Fault("cut", after_chunks=3, count=2))
    assert box.due(1, 2, 0.0) is None
    assert box.due(1, 3, 0.0) is not None
    assert box.due(1, 4, 0.0) is None
    assert box.due(2, 3, 0.0) is not None
    assert box.due(3, 3, 0.0) is None


def test_skip_passes_over_coming_connections() -> None:
    box = FaultBox()
    box.connections = 1
    box.add(Fault("stall", at_s=1.0, skip=1))
    assert [box.due(connection, 9, 2.0) is not None for connection in (1, 2, 3)] == [False, False, True]


def test_without_a_moment_it_is_due_at_once() -> None:
    box = FaultBox()
    box.add(Fault("error"))
    assert box.due(1, 0, 0.0) is not None
