from urllib.parse import quote

import pytest

from satellite.backends.base import (
    CloseSocket,
    HttpFailed,
    HttpRequest,
    HttpResponse,
    OpenRoom,
    OpenSocket,
    SessionState,
    SocketClosed,
)
from satellite.backends.lifecycle import Lifecycle
from satellite.backends.palabra.admission import Admission
from satellite.backends.palabra.options import PalabraOptions
from satellite.backends.palabra.requests import create_request, delete_request
from satellite.core.events import SessionFailed, VoiceEvent
from satellite.errors import ErrorCategory
from tests.unit.backends.palabra.stage import KEY, PAIR, SESSION_ID, TOKEN, created, options, setup


def admission(given: PalabraOptions | None = None) -> tuple[Admission, Lifecycle]:
    life = Lifecycle()
    found = Admission(given or options(**PAIR), setup(), life)
    found.request()
    return found, life


def failed(events: list[VoiceEvent]) -> SessionFailed:
    (event,) = events
    assert isinstance(event, SessionFailed)
    return event


def test_a_key_dials_at_once() -> None:
    _, life = admission(options())
    (dial,) = life.take_actions()
    assert isinstance(dial, OpenSocket)
    assert life.state is SessionState.CONNECTING


def test_a_pair_asks_first_and_then_dials() -> None:
    found, life = admission()
    assert life.take_actions() == [create_request(options(**PAIR))]
    found.answered(HttpResponse(201, {}, created()))
    (dial,) = life.take_actions()
    assert isinstance(dial, OpenSocket)
    assert life.state is SessionState.CONNECTING
    life.end("over", expected=True)
    assert life.take_actions() == [CloseSocket(), delete_request(options(**PAIR), SESSION_ID)]


def test_a_key_asks_for_a_room() -> None:
    found, life = admission(options(transport="webrtc"))
    assert isinstance(life.take_actions()[0], HttpRequest)
    found.answered(HttpResponse(201, {}, created()))
    assert isinstance(life.take_actions()[0], OpenRoom)


def test_a_refusal_is_told_without_secrets() -> None:
    found, life = admission()
    life.take_actions()
    found.answered(HttpResponse(403, {}, b'{"errors": [{"detail": "no the-secret"}]}'))
    event = failed(life.take_events())
    assert event.category is ErrorCategory.AUTHENTICATION
    assert event.detail == "the request for a session was answered with 403: no ****"
    assert life.take_actions() == []


def test_secrets_are_none_in_an_address_either() -> None:
    found, life = admission(options(api_key="plbr_a/b", transport="webrtc"))
    found.answered(HttpResponse(201, {}, created()))
    life.take_actions()
    forms = " ".join(quote(secret, safe="") for secret in ("plbr_a/b", TOKEN, SESSION_ID))
    found.dial_failed(SocketClosed(was_open=False, reason=forms))
    assert failed(life.take_events()).detail == "the stream could not be opened: **** **** ****"


def test_a_session_that_cannot_be_used_is_deleted() -> None:
    found, life = admission()
    life.take_actions()
    found.answered(HttpResponse(201, {}, created(ws_url=None)))
    assert failed(life.take_events()).detail == "the answer holds no ws_url"
    assert life.take_actions() == [delete_request(options(**PAIR), SESSION_ID)]


def test_without_an_answer_it_fails() -> None:
    found, life = admission()
    found.unanswered(HttpFailed("host: no answer in time", was_sent=True, hint="h"))
    event = failed(life.take_events())
    assert (event.category, event.hint) == (ErrorCategory.CONNECTIVITY, "h")


@pytest.mark.parametrize(
    ("given", "status", "category", "said"),
    [
        (options(), 403, ErrorCategory.AUTHENTICATION, "answered 403"),
        (options(), None, ErrorCategory.CONNECTIVITY, "gone **** with it"),
        (options(**PAIR), 403, ErrorCategory.SERVER, "answered 403"),
        (options(**PAIR), None, ErrorCategory.CONNECTIVITY, "gone **** with it"),
    ],
)
def test_a_dial_that_fails(given: PalabraOptions, status: int | None, category: ErrorCategory, said: str) -> None:
    found, life = admission(given)
    if not given.dials_directly:
        found.answered(HttpResponse(201, {}, created()))
    secret = KEY if given.dials_directly else TOKEN
    found.dial_failed(SocketClosed(was_open=False, reason=f"gone {secret} with it", http_status=status))
    event = failed(life.take_events())
    assert (event.category, event.detail) == (category, f"the stream could not be opened: {said}")
