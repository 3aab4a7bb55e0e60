"""Messages of no use: counted, and too many of them are the end."""

from satellite.backends.base import SessionCounters
from satellite.backends.flood import FLOOD_MESSAGES, FLOOD_S, Flood
from satellite.errors import ErrorCategory


def test_a_few_now_and_then_are_borne_for_ever() -> None:
    counters = SessionCounters()
    flood, now = Flood(counters), 0.0
    for _ in range(3):
        assert all(flood.ignored(now) is None for _ in range(FLOOD_MESSAGES))
        now += FLOOD_S + 0.1
    assert counters.ignored_messages == 3 * FLOOD_MESSAGES


def test_a_flood_is_a_failure_of_the_service() -> None:
    flood = Flood(SessionCounters())
    failures = [flood.ignored(1.0) for _ in range(FLOOD_MESSAGES + 1)]
    assert failures[:-1] == [None] * FLOOD_MESSAGES
    last = failures[-1]
    assert last is not None
    assert last.category is ErrorCategory.SERVER
