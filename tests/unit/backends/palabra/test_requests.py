import json
from typing import Any

import pytest

from satellite.backends.base import HttpRequest, HttpResponse, OpenRoom, OpenSocket
from satellite.backends.palabra.requests import (
    Ticket,
    Unusable,
    create_request,
    delete_request,
    direct_dial,
    session_dial,
    session_id_of,
    ticket_of,
)
from satellite.errors import ErrorCategory
from tests.unit.backends.palabra.stage import (
    DIRECT_URL,
    KEY,
    PAIR,
    ROOM_URL,
    SESSION_ID,
    TOKEN,
    UNIQUE_ID,
    WS_URL,
    created,
    options,
)

ROOM = {**PAIR, "transport": "webrtc"}


def test_a_session_is_asked_for_with_either_credentials() -> None:
    request = create_request(options(**PAIR))
    assert (request.method, request.url) == ("POST", "https://api.palabra.ai/session-storage/session")
    assert json.loads(request.body or b"") == {"data": {"subscriber_count": 0, "intent": "api"}}
    assert request.headers == {
        "ClientId": "the-client",
        "ClientSecret": "the-secret",
        "Content-Type": "application/json",
    }
    assert create_request(options()).headers["Authorization"] == f"Bearer {KEY}"


def test_our_session_is_deleted_by_its_escaped_id() -> None:
    request = delete_request(options(**PAIR), SESSION_ID)
    assert (request.method, request.timeout_s) == ("DELETE", 5.0)
    assert request.url == "https://api.palabra.ai/session-storage/sessions/sess%2F81%2Bx"


def test_an_answer_that_comes_too_late_has_its_session_deleted() -> None:
    request = create_request(options(**PAIR))
    assert request.disown is not None
    farewell = request.disown(HttpResponse(201, {}, created()))
    assert farewell == delete_request(options(**PAIR), SESSION_ID)
    assert isinstance(farewell, HttpRequest)
    assert request.disown(HttpResponse(500, {}, b"")) is None


@pytest.mark.parametrize("publisher", [TOKEN, [TOKEN], [TOKEN, 7]])
@pytest.mark.parametrize("names", [{}, {"ws_url": None, "control_url": WS_URL}])
def test_every_published_form_of_the_answer(publisher: Any, names: dict[str, Any]) -> None:
    assert ticket_of(created(publisher=publisher, **names), options(**PAIR)) == Ticket(SESSION_ID, TOKEN, WS_URL)


@pytest.mark.parametrize("names", [{}, {"webrtc_url": None, "stream_url": ROOM_URL}])
def test_a_room_has_its_own_address(names: dict[str, Any]) -> None:
    assert ticket_of(created(**names), options(**ROOM)) == Ticket(SESSION_ID, TOKEN, ROOM_URL)


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"publisher": None}, "the answer holds no publisher"),
        ({"publisher": []}, "the answer holds no publisher"),
        ({"publisher": [7]}, "the answer holds no publisher"),
        ({"publisher": {}}, "the answer holds no publisher"),
        ({"ws_url": None}, "the answer holds no ws_url"),
        ({"ws_url": ""}, "the answer holds no ws_url"),
        ({"ws_url": "nonsense"}, "the answer's stream address is none that can be used"),
        ({"ws_url": "https://streaming.palabra.ai/x"}, "the answer's stream address is none that can be used"),
        ({"ws_url": "ws://streaming.palabra.ai/x"}, "the answer's stream address is not encrypted"),
        ({"ws_url": "wss://evil.example/x"}, "the answer's stream address leads to another domain: evil.example"),
    ],
)
def test_an_answer_that_leads_nowhere_may_still_leave_a_session(changes: dict[str, Any], detail: str) -> None:
    found = ticket_of(created(**changes), options(**PAIR))
    assert isinstance(found, Unusable)
    assert (found.session_id, found.failure.detail) == (SESSION_ID, detail)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"data": 7}', b'{"data": {"id": 7}}', b'{"data": {"id": "a b"}}'])
def test_what_is_no_answer_leaves_none(body: bytes) -> None:
    assert session_id_of(body) is None
    assert isinstance(ticket_of(body, options(**PAIR)), Unusable)


@pytest.mark.parametrize(("session_id", "found"), [(".", None), ("..", None), ("...", "..."), (".a", ".a")])
def test_an_id_that_would_lead_to_another_path_is_none(session_id: str, found: str | None) -> None:
    assert session_id_of(created(id=session_id)) == found


def test_a_web_page_is_somebody_elses() -> None:
    found = ticket_of(b" <html>", options(**PAIR))
    assert isinstance(found, Unusable)
    assert found.failure.category is ErrorCategory.SERVER
    assert "captive portal" in (found.failure.hint or "")


def test_the_stream_of_a_session_takes_its_token() -> None:
    dial = session_dial(Ticket(SESSION_ID, TOKEN, WS_URL), options(**PAIR))
    assert isinstance(dial, OpenSocket)
    assert dial.url == f"{WS_URL}?token=eyJh.PUB%2Bs%2Fg%3D"
    assert (dial.headers, dial.ping_timeout_s) == ({}, 30.0)
    again = session_dial(Ticket(SESSION_ID, "t", f"{WS_URL}?a=b"), options(**PAIR))
    assert again.url == f"{WS_URL}?a=b&token=t"


@pytest.mark.parametrize(
    ("url", "dialled"),
    [
        (ROOM_URL, "wss://media.palabra.ai/livekit/"),
        ("http://127.0.0.1:7", "ws://127.0.0.1:7"),
        ("wss://a.b", "wss://a.b"),
    ],
)
def test_a_room_is_joined_by_its_socket(url: str, dialled: str) -> None:
    dial = session_dial(Ticket(SESSION_ID, TOKEN, url), options(**ROOM))
    assert dial == OpenRoom(dialled, TOKEN, "palabra_translator_")


def test_a_key_opens_the_stream_by_itself() -> None:
    dial = direct_dial(options(), KEY, UNIQUE_ID)
    assert (dial.url, dial.headers) == (DIRECT_URL, {"Authorization": f"Bearer {KEY}"})
    dial = direct_dial(options(key_in_query=True), KEY, UNIQUE_ID)
    assert (dial.url, dial.headers) == (f"{DIRECT_URL}?token={KEY}", {})
