"""What the service says beside turns: errors, warnings, and what is of no use."""

import pytest

from satellite.backends.base import CloseSocket, SessionState
from satellite.backends.flood import FLOOD_MESSAGES
from satellite.core.events import SessionFailed, SessionOpened
from satellite.errors import ErrorCategory
from tests.fakes.playbook import Like
from tests.unit.backends.deepgram.stage import (
    REQUEST_ID,
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
