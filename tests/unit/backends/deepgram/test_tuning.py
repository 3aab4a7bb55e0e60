"""Settings changed while a connection is open: one message under way, one answer for each question, in their order."""

from typing import Any

import pytest

from satellite.backends.base import OpenSocket
from satellite.backends.deepgram.actions import CONFIGURE, Configure
from satellite.backends.deepgram.manners import Manners
from satellite.backends.deepgram.tuning import ANSWER_S
from satellite.core.events import ActionAnswered, SessionEnded, SessionFailed
from tests.fakes.playbook import Playbook
from tests.unit.backends.deepgram.stage import (
    CLOSE_STREAM,
    asks,
    connected,
    connecting,
    error,
    message,
    options,
    query,
    said,
    streaming,
    texts,
    turn,
)

NOW, LATER = {"applies": "now"}, {"applies": "with the next session"}
SUCCESS = message("ConfigureSuccess", thresholds={})


def configures(book: Playbook, **changes: Any) -> Playbook:
    return asks(book, CONFIGURE, Configure(**changes))


def answers(book: Playbook) -> list[dict[str, object] | str]:
    return [answer.reason or dict(answer.result) for answer in book.all(ActionAnswered)]


def sent(book: Playbook) -> list[dict[str, Any]]:
    """The `Configure`s without their type."""
    return [{name: value for name, value in each.items() if name != "type"} for each in texts(book, "Configure")]


def test_what_is_asked_for_is_sent_and_confirmed() -> None:
    book = configures(streaming(source_language="de"), keyterms=("zigbee",), language_hints=(), numerals=True)
    assert sent(book) == [{"keyterms": ["zigbee"], "language_hints": [], "numerals": True}]
    assert answers(book) == []
    assert answers(book.says(SUCCESS)) == [NOW]


def test_thresholds_are_nested_numbers() -> None:
    book = configures(streaming(), eot_timeout_ms=4000)
    assert sent(book) == [{"thresholds": {"eot_timeout_ms": 4000}}]


def test_two_thresholds_that_are_checked_against_each_other_go_together() -> None:
    book = configures(streaming(options(eager_eot_threshold=0.4)), eot_threshold=0.8).says(SUCCESS)
    configures(book, eager_eot_threshold=0.6)
    assert sent(book) == [
        {"thresholds": {"eot_threshold": 0.8, "eager_eot_threshold": 0.4}},
        {"thresholds": {"eot_threshold": 0.8, "eager_eot_threshold": 0.6}},
    ]


def test_one_is_under_way_at_a_time_and_the_rest_is_put_together() -> None:
    book = configures(configures(configures(streaming(), keyterms=("a",)), keyterms=("b",)), numerals=True)
    assert sent(book) == [{"keyterms": ["a"]}]
    book.says(SUCCESS)
    assert sent(book)[1:] == [{"keyterms": ["b"], "numerals": True}]
    assert answers(book) == [NOW]
    assert answers(book.says(SUCCESS)) == [NOW, NOW, NOW]


def test_what_is_asked_for_before_the_service_is_ready_waits() -> None:
    book = configures(connecting(), keyterms=("a",)).expect()
    book.says(connected())
    assert sent(book) == [{"keyterms": ["a"]}]


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (message("ConfigureFailure", code="INVALID_THRESHOLD", description="no"), ": INVALID_THRESHOLD: no"),
        (message("ConfigureFailure"), ""),
    ],
)
def test_a_refusal_is_told_and_changes_nothing(failure: str, reason: str) -> None:
    book = configures(streaming(), keyterms=("a",)).says(failure)
    assert answers(book) == [f"the service refused it{reason}"]
    assert book.all(SessionFailed) == []
    configures(book, numerals=True)
    assert sent(book)[1:] == [{"numerals": True}]


def test_an_answer_that_nobody_asked_for_is_of_no_use() -> None:
    book = streaming().says(SUCCESS).says(message("ConfigureFailure")).expect()
    assert book.session.counters.ignored_messages == 2


def test_what_the_service_would_refuse_is_refused_in_its_turn() -> None:
    book = configures(streaming(options(eager_eot_threshold=0.5)), keyterms=("a",))
    configures(configures(book, eot_threshold=0.5, eager_eot_threshold=0.6), language_hints=("de",))
    assert answers(book) == [], "answers come in the order of the questions"
    assert answers(book.says(SUCCESS)) == [
        NOW,
        "eager_eot_threshold, 0.6, would be above eot_threshold, 0.5",
        "flux-general-en takes no language hints",
    ]
    assert len(sent(book)) == 1


def test_guesses_are_switched_off_with_the_next_session() -> None:
    book = configures(streaming(options(eager_eot_threshold=0.5)).skip(), eager_eot_threshold=0.0)
    assert answers(book) == [LATER]
    assert sent(book) == []
    assert book.all(type(CLOSE_STREAM))[-1:] == [CLOSE_STREAM], "nobody speaks, so that room is made at once"
    assert book.closes(1005).all(SessionEnded) == [SessionEnded("renewed", expected=True)]


def test_guesses_that_are_off_are_switched_off_without_ado() -> None:
    book = configures(streaming(), eager_eot_threshold=0.0).says(SUCCESS)
    assert (answers(book), sent(book)) == ([NOW], [{}])


def test_a_session_makes_room_only_when_all_is_said() -> None:
    book = configures(said(streaming(options(eager_eot_threshold=0.5))), eager_eot_threshold=0.0)
    configures(book, numerals=True)
    assert answers(book) == [LATER, LATER]
    book.says(turn("EndOfTurn", "Hello there."))
    assert texts(book, "CloseStream") == []
    book.falls_silent("u1").after(2.0)
    assert len(texts(book, "CloseStream")) == 1


def test_the_answer_is_waited_for_no_longer_than_a_while() -> None:
    book = configures(configures(streaming(), keyterms=("a",)), numerals=True).after(ANSWER_S + 0.1)
    assert answers(book) == [LATER, LATER]
    assert len(texts(book, "CloseStream")) == 1


def test_a_deployment_that_does_not_understand_it_is_not_asked_again() -> None:
    manners = Manners()
    book = configures(said(streaming(manners=manners)), keyterms=("a",)).says(error("UNPARSABLE_CLIENT_MESSAGE"))
    assert not manners.configures
    assert answers(book) == [LATER]
    assert book.all(SessionEnded) == [SessionEnded("the service takes no settings while it listens", expected=True)]
    later = configures(streaming(manners=manners), keyterms=("a",))
    assert (answers(later), sent(later)) == ([LATER], [])


def test_at_the_end_of_a_session_settings_are_for_the_next() -> None:
    book = configures(said(streaming()).says(turn("EndOfTurn", "Hello there.")).finish(), numerals=True)
    assert answers(book) == [LATER]


def test_what_was_asked_for_is_what_the_next_session_begins_with() -> None:
    book = streaming(standing={CONFIGURE: Configure(keyterms=("b",), language_hints=("de", "en"))})
    (dial,) = book.all(OpenSocket)
    assert query(dial)["keyterm"] == ["b"]
    assert query(dial)["language_hint"] == ["de", "en"]
    assert query(dial)["model"] == ["flux-general-multi"]


def test_a_threshold_alone_needs_no_other_where_there_are_no_guesses() -> None:
    assert sent(configures(streaming(), eot_threshold=0.9)) == [{"thresholds": {"eot_threshold": 0.9}}]


def test_an_error_that_is_not_about_it_is_an_error() -> None:
    manners = Manners()
    book = streaming(manners=manners).says(error("UNPARSABLE_CLIENT_MESSAGE"))
    assert manners.configures
    assert len(book.all(SessionFailed)) == 1


def test_a_refusal_that_waits_for_its_turn_is_told_when_the_wait_is_over() -> None:
    book = configures(configures(streaming(), keyterms=("a",)), language_hints=("de",))
    configures(book, numerals=True).after(ANSWER_S + 0.1)
    assert answers(book) == [LATER, "flux-general-en takes no language hints", LATER]
