"""How a session gets its connection: by the key, by a temporary token, or not at all."""

from typing import Any

import pytest

from satellite.backends.base import HttpFailed, HttpRequest, OpenSocket, SessionState, SocketClosed
from satellite.backends.deepgram.admission import CONNECTED_WITHIN_S
from satellite.core.events import SessionFailed, SessionOpened
from satellite.errors import ErrorCategory
from tests.fakes.playbook import Like, Playbook
from tests.unit.backends.deepgram.stage import KEY, REQUEST_ID, connected, connecting, new_play, options

TOKEN = b'{"access_token": "eyJh.JWT.sig", "expires_in": 30}'
WITH_TOKEN = options(authentication="token")


def failure(book: Playbook) -> SessionFailed:
    (failed,) = book.all(SessionFailed)
    return failed


def refused(book: Playbook, status: int, body: bytes = b"", **headers: str) -> Playbook:
    """The handshake is answered with a status."""
    closed = SocketClosed(was_open=False, reason="no", http_status=status, headers=headers, body=body)
    book.session.socket_closed(closed, book.now)
    return book._drain()


def test_the_key_opens_a_connection_at_once() -> None:
    book = new_play().start().expect(Like(OpenSocket, headers={"Authorization": f"Token {KEY}"}))
    assert book.session.state is SessionState.CONNECTING


def test_a_temporary_token_is_asked_for_first() -> None:
    book = new_play(WITH_TOKEN).start().expect(Like(HttpRequest, method="POST"))
    book.answers(200, TOKEN).expect(Like(OpenSocket, headers={"Authorization": "Bearer eyJh.JWT.sig"}))


@pytest.mark.parametrize(
    ("status", "category"),
    [(401, ErrorCategory.AUTHENTICATION), (503, ErrorCategory.SERVER), (200, ErrorCategory.SERVER)],
)
def test_without_a_token_there_is_no_connection(status: int, category: ErrorCategory) -> None:
    book = new_play(WITH_TOKEN).start().answers(status, b"{}", {"retry-after": "3"})
    assert failure(book).category is category
    assert book.all(OpenSocket) == []


def test_a_request_that_nobody_answers_is_the_network_s_weather() -> None:
    book = new_play(WITH_TOKEN).start().no_answer(HttpFailed("no route", was_sent=False, hint="check the cable"))
    assert failure(book) == SessionFailed(
        ErrorCategory.CONNECTIVITY, "the request for a temporary token got no answer: no route", "check the cable"
    )


def test_a_token_that_expired_on_the_way_is_replaced_once() -> None:
    book = refused(new_play(WITH_TOKEN).start().answers(200, TOKEN), 401)
    assert len(book.all(HttpRequest)) == 2
    refused(book.answers(200, TOKEN), 401)
    assert len(book.all(HttpRequest)) == 2
    assert failure(book).category is ErrorCategory.AUTHENTICATION


def test_a_key_that_is_refused_is_not_sent_again() -> None:
    book = refused(new_play().start(), 401)
    assert failure(book).category is ErrorCategory.AUTHENTICATION
    assert len(book.all(OpenSocket)) == 1


def test_a_refusal_says_why_and_never_the_key() -> None:
    body = f'{{"code": "INVALID_PARAMETER", "description": "no {KEY}"}}'.encode()
    told = failure(refused(new_play().start(), 400, body, **{"dg-request-id": "r-7"}))
    assert told.detail == "the handshake was answered with 400: INVALID_PARAMETER: no ****"
    assert (told.category, told.trace_id) == (ErrorCategory.INVALID_REQUEST, "r-7")


def test_a_token_is_never_told() -> None:
    book = refused(new_play(WITH_TOKEN).start().answers(200, TOKEN), 400, b'{"code": "eyJh.JWT.sig"}')
    assert "JWT" not in failure(book).detail


@pytest.mark.parametrize("hint", [None, "trust the certificate"])
def test_a_dial_without_an_answer_is_the_network_s_weather(hint: str | None) -> None:
    book = new_play().start()
    book.session.socket_closed(SocketClosed(was_open=False, reason="refused", hint=hint), 0.0)
    told = failure(book._drain())
    assert told == SessionFailed(ErrorCategory.CONNECTIVITY, "the connection could not be opened: refused", hint)


def test_a_service_that_is_never_ready_is_left() -> None:
    book = connecting().at(CONNECTED_WITHIN_S - 0.1)
    assert book.all(SessionFailed) == []
    told = failure(book.at(CONNECTED_WITHIN_S))
    assert told.category is ErrorCategory.SERVER
    assert "options" in str(told.hint)


@pytest.mark.parametrize("code", [1006, 1011])
def test_a_service_that_closes_before_it_is_ready_has_failed(code: Any) -> None:
    assert f"closed with {code}" in failure(connecting().closes(code)).detail


def test_a_service_that_is_ready_is_waited_for_no_longer() -> None:
    book = connecting().after(1.0).says(connected()).expect(SessionOpened(resumed=False, trace_id=REQUEST_ID))
    book.session.deadline_reached(book.now)
    assert book.after(CONNECTED_WITHIN_S).all(SessionFailed) == []
