from satellite.backends.base import SessionCounters, SessionState
from satellite.backends.lifecycle import Lifecycle
from satellite.backends.nonsense import FLOOD_MESSAGES, FLOOD_S, Nonsense
from satellite.core.events import SessionFailed
from satellite.errors import ErrorCategory


def started() -> tuple[Lifecycle, SessionCounters, Nonsense]:
    life, counters = Lifecycle(), SessionCounters()
    life.move(SessionState.REQUESTING)
    return life, counters, Nonsense(life, counters)


def test_a_few_now_and_then_are_only_counted() -> None:
    life, counters, nonsense = started()
    for now in (0.0, FLOOD_S + 1, 2 * (FLOOD_S + 1)):
        for _ in range(FLOOD_MESSAGES):
            nonsense.ignore(now)
    assert (life.is_final, counters.ignored_messages) == (False, 3 * FLOOD_MESSAGES)


def test_a_flood_is_the_end() -> None:
    life, counters, nonsense = started()
    for _ in range(FLOOD_MESSAGES + 1):
        nonsense.ignore(1.0)
    detail = f"the service sent {FLOOD_MESSAGES + 1} messages of no use within 10 s"
    assert life.take_events() == [SessionFailed(ErrorCategory.SERVER, detail)]
    assert counters.ignored_messages == FLOOD_MESSAGES + 1


def test_what_is_no_message_is_the_end_at_once() -> None:
    life, counters, nonsense = started()
    nonsense.broken("no JSON")
    assert life.take_events() == [SessionFailed(ErrorCategory.SERVER, "the service sent no JSON")]
    assert counters.ignored_messages == 1
