from satellite.backends.base import SessionCounters
from satellite.backends.flood import FLOOD_MESSAGES, FLOOD_S, Flood
from satellite.core.events import SessionFailed
from satellite.errors import ErrorCategory


def test_a_few_now_and_then_are_only_counted() -> None:
    counters = SessionCounters()
    flood = Flood(counters)
    times = (0.0, FLOOD_S + 1, 2 * (FLOOD_S + 1))
    assert {flood.ignored(now) for now in times for _ in range(FLOOD_MESSAGES)} == {None}
    assert counters.ignored_messages == 3 * FLOOD_MESSAGES


def test_a_flood_is_the_end() -> None:
    counters = SessionCounters()
    flood = Flood(counters)
    outcomes = [flood.ignored(1.0) for _ in range(FLOOD_MESSAGES + 1)]
    detail = f"the service sent {FLOOD_MESSAGES + 1} messages of no use within 10 s"
    assert outcomes[-2:] == [None, SessionFailed(ErrorCategory.SERVER, detail)]
    assert counters.ignored_messages == FLOOD_MESSAGES + 1
