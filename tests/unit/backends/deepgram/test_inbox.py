"""What the service says beside turns: errors, warnings, and what is of no use."""

import pytest

from satellite.backends.base import CloseSocket, SessionState
from satellite.backends.deepgram.actions import CONFIGURE, FORCE_END_TURN, Configure, ForceEndTurn
from satellite.backends.flood import FLOOD_MESSAGES
from satellite.core.events import ActionAnswered, SessionEnded, SessionFailed, SessionOpened
from satellite.core.section import Section
from satellite.errors import ErrorCategory
from tests.fakes.playbook import Like
from tests.unit.backends.deepgram.stage import (
    REQUEST_ID,
    asks,
    concluded,
    connected,
    connecting,
    error,
    message,
    said,
    streaming,
    turn,
    warning,
)


def test_connected_opens_the_session() -> None:
    book = connecting().says(connected()).expect(SessionOpened(resumed=False, trace_id=REQUEST_ID))
    assert book.session.state is SessionState.STREAMING
    book.says(connected()).expect()
    assert book.session.counters.ignored_messages == 1


@pytest.mark.parametrize(
    ("code", "category"),
    [
        ("INTERNAL_SERVER_ERROR", ErrorCategory.SERVER),
        ("INVALID_PARAMETER", ErrorCategory.INVALID_REQUEST),
        ("UNPARSABLE_CLIENT_MESSAGE", ErrorCategory.INVALID_REQUEST),
        (None, ErrorCategory.SERVER),
    ],
)
@pytest.mark.parametrize("kind", ["Error", "FatalError"])
def test_an_error_is_the_end(kind: str, code: str | None, category: ErrorCategory) -> None:
    members = {} if code is None else {"code": code}
    book = streaming().says(message(kind, **members)).expect(CloseSocket(), Like(SessionFailed, category=category))
    book.says(connected()).closes(1005).expect()


def test_an_error_says_why() -> None:
    book = streaming().says(error("BOOM", description="out of memory"))
    assert [failure.detail for failure in book.all(SessionFailed)] == [
        "the service reported an error: BOOM: out of memory"
    ]


def test_the_text_of_a_turn_outlasts_an_error() -> None:
    book = said(streaming(), "Turn off").says(error("INTERNAL_SERVER_ERROR"))
    assert [segment.text for segment in concluded(book)] == [" Turn off"]


@pytest.mark.parametrize(
    "text", [warning("SOMETHING_ELSE"), message("Surprise"), "{}", turn("Update", "Late", index=0)]
)
def test_what_is_of_no_use_is_counted_and_changes_nothing(text: str) -> None:
    book = said(streaming()).says(turn("EndOfTurn", "Hello there.")).skip().says(text).expect()
    assert book.session.counters.ignored_messages == 1


def test_nothing_is_heard_before_the_service_is_ready() -> None:
    book = connecting().says(turn("StartOfTurn", "Ghost")).expect()
    assert book.session.counters.ignored_messages == 1


@pytest.mark.parametrize("data", ["{not json", '["TurnInfo"]', b"{}"])
def test_what_is_no_message_is_the_end(data: str | bytes) -> None:
    book = streaming().says(data)
    (failure,) = book.all(SessionFailed)
    assert failure.category is ErrorCategory.SERVER
    assert failure.detail.startswith("the service sent a ")
    assert book.session.counters.ignored_messages == 1


def test_a_flood_of_messages_of_no_use_is_the_end() -> None:
    book = streaming()
    for _ in range(FLOOD_MESSAGES + 1):
        book.says("{}")
    (failure,) = book.all(SessionFailed)
    assert "of no use" in failure.detail


def test_answers_reach_whoever_asked() -> None:
    book = asks(said(streaming()), CONFIGURE, Configure(numerals=True)).says(message("ConfigureSuccess"))
    asks(book, CONFIGURE, Configure(numerals=False)).says(message("ConfigureFailure"))
    asks(book, FORCE_END_TURN, ForceEndTurn()).says(warning())
    asks(book, FORCE_END_TURN, ForceEndTurn()).says(turn("EndOfTurn", "Hello there."))
    reasons = [answer.reason for answer in book.all(ActionAnswered)]
    assert reasons == [None, "the service refused it", "the service knows of no turn to end", None]
    assert book.session.counters.ignored_messages == 0


@pytest.mark.parametrize(
    ("action", "arguments", "reason"),
    [
        (FORCE_END_TURN, ForceEndTurn(), "the service cannot be asked to end a turn"),
        (CONFIGURE, Configure(numerals=True), "the service takes no settings while it listens"),
    ],
)
@pytest.mark.parametrize("members", [{"code": "UNPARSABLE_CLIENT_MESSAGE"}, {}])
def test_a_message_that_the_deployment_does_not_know_ends_the_session_in_order(
    action: str, arguments: Section, reason: str, members: dict[str, str]
) -> None:
    book = asks(said(streaming()), action, arguments).says(message("Error", **members))
    assert book.all(SessionEnded) == [SessionEnded(reason, expected=True)]
    assert [segment.text for segment in concluded(book)] == [" Hello there."]
