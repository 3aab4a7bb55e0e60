"""How a session gets its connection: one ticket, one dial."""

import json

import pytest

from satellite.backends.base import CloseSocket, HttpFailed, HttpRequest, OpenSocket
from satellite.core.events import SessionFailed
from satellite.errors import ErrorCategory
from tests.fakes.playbook import Like
from tests.unit.backends.vurbo.stage import DIAL, KEY, TICKET, Talking, new_play, options, ticket


def failure(book: Talking) -> SessionFailed:
    (failed,) = book.all(SessionFailed)
    return failed


def test_the_key_goes_to_the_ticket_desk_and_nowhere_else() -> None:
    book = new_play(options(rest_url="https://vas.example/api/v1", ws_url="wss://stream.example/ws"))
    request = HttpRequest("POST", "https://vas.example/api/v1/auth/ticket", {"X-API-Key": KEY}, timeout_s=10.0)
    dialled = Like(OpenSocket, url="wss://stream.example/ws", headers={}, subprotocols=(f"ticket.{TICKET}",))
    book.start().expect(request).answers(200, ticket()).expect(dialled)


def test_the_ticket_is_dialled_at_once() -> None:
    new_play().start().skip().answers(200, ticket()).expect(DIAL)
    new_play().start().skip().answers(200, json.dumps({"data": {"ticket": TICKET}}).encode()).expect(DIAL)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"ticket": ""}', b'{"ticket": "two words"}', b'{"ticket": 7}', b"[" * 100_000, b'{"data": 7}'],
)
def test_an_answer_without_a_ticket(body: bytes) -> None:
    failed = failure(new_play_answered(body))
    assert (failed.category, failed.detail) == (ErrorCategory.SERVER, "the answer holds no ticket")


def test_a_captive_portal_is_told_apart() -> None:
    failed = failure(new_play_answered(b"  <html>log in</html>"))
    assert failed.detail == "a web page came instead of a ticket"
    assert "captive portal" in str(failed.hint)


def new_play_answered(body: bytes) -> Talking:
    book = new_play()
    book.start().answers(200, body)
    return book


def test_a_refused_ticket() -> None:
    book = new_play()
    book.start().skip().answers(401, b'{"error_code": "auth_invalid_api_key"}')
    book.expect(Like(SessionFailed, category=ErrorCategory.AUTHENTICATION, hint="check voice.vurbo.api_key"))


def test_no_answer() -> None:
    book = new_play()
    book.start().skip().no_answer(HttpFailed("no route", was_sent=False, hint="check the network"))
    detail = "the request for a ticket got no answer: no route"
    book.expect(SessionFailed(ErrorCategory.CONNECTIVITY, detail, "check the network"))


@pytest.mark.parametrize(
    ("status", "category", "wait_s"),
    [
        (None, ErrorCategory.CONNECTIVITY, None),
        (401, ErrorCategory.SERVER, None),
        (503, ErrorCategory.SERVER, None),
        (429, ErrorCategory.RATE_LIMIT, 60.0),
    ],
)
def test_a_dial_that_fails_uses_the_ticket_up(
    status: int | None, category: ErrorCategory, wait_s: float | None
) -> None:
    book = new_play()
    book.start().answers(200, ticket()).dial_fails(status, f"refused with ticket.{TICKET}")
    failed = failure(book)
    assert (failed.category, failed.retry_after_s) == (category, wait_s)
    assert TICKET not in failed.detail
    assert book.all(CloseSocket) == []
