"""ForceEndTurn, asked for by users: every question is answered once."""

import pytest

from satellite.backends.deepgram.actions import FORCE_END_TURN, ForceEndTurn
from satellite.backends.deepgram.force import ANSWER_S
from satellite.backends.deepgram.manners import Manners
from satellite.backends.deepgram.options import DeepgramOptions
from satellite.core.events import ActionAnswered, SessionEnded, SessionFailed
from tests.fakes.playbook import Playbook
from tests.unit.backends.deepgram.stage import FORCE, asks, concluded, error, options, said, streaming, turn, warning


def forced(book: Playbook) -> Playbook:
    return asks(book, FORCE_END_TURN, ForceEndTurn())


def answers(book: Playbook) -> list[str | None]:
    return [answer.reason for answer in book.all(ActionAnswered)]


def test_the_turn_is_ended() -> None:
    book = forced(said(streaming()).skip()).expect(FORCE)
    book.says(turn("EndOfTurn", "Hello there.", trigger="manual", end_of_turn_confidence=0.06))
    assert book.all(ActionAnswered) == [ActionAnswered(FORCE_END_TURN, {"ended": True})]
    assert [segment.text for segment in concluded(book)] == [" Hello there."]


def test_several_who_ask_get_one_answer_each_and_ask_once() -> None:
    book = forced(forced(said(streaming()).skip())).expect(FORCE)
    assert answers(book.says(turn("EndOfTurn", "Hello there."))) == [None, None]
    assert answers(book.says(turn("EndOfTurn", "Yes.", index=1))) == [None, None]


def test_without_a_turn_there_is_nothing_to_end() -> None:
    book = forced(streaming())
    book.expect(ActionAnswered(FORCE_END_TURN, reason="nobody speaks: there is no turn to end"))


def test_the_service_may_know_of_no_turn() -> None:
    book = forced(said(streaming()).skip()).says(warning())
    assert answers(book) == ["the service knows of no turn to end"]
    assert book.session.counters.ignored_messages == 0


def test_a_warning_that_nobody_asked_for_changes_nothing() -> None:
    book = streaming().says(warning()).expect()
    assert book.session.counters.ignored_messages == 0


def test_the_answer_is_waited_for_no_longer_than_a_while() -> None:
    book = forced(said(streaming()).skip()).after(ANSWER_S + 0.1)
    assert answers(book) == [f"the service did not answer within {ANSWER_S:g} s"]


@pytest.mark.parametrize(
    ("session_options", "manners"),
    [(options(force_end_turn=False), Manners()), (options(), Manners(forces_turns=False))],
)
def test_where_it_is_not_understood_it_is_not_sent(session_options: DeepgramOptions, manners: Manners) -> None:
    book = forced(said(streaming(session_options, manners)))
    assert answers(book) == ["this deployment of the service cannot be asked to end a turn"]
    assert FORCE not in [seen.what for seen in book.history]


def test_a_deployment_that_does_not_understand_it_is_not_asked_again() -> None:
    manners = Manners()
    book = forced(said(streaming(manners=manners))).says(error("UNPARSABLE_CLIENT_MESSAGE"))
    assert not manners.forces_turns
    assert answers(book) == ["this deployment of the service cannot be asked to end a turn"]
    assert [segment.text for segment in concluded(book)] == [" Hello there."]
    assert book.all(SessionEnded) == [SessionEnded("the service cannot be asked to end a turn", expected=True)]


def test_an_error_that_is_not_about_it_is_an_error() -> None:
    manners = Manners()
    book = said(streaming(manners=manners)).says(error("UNPARSABLE_CLIENT_MESSAGE"))
    assert manners.forces_turns
    assert len(book.all(SessionFailed)) == 1
