"""The HTTP requests of Palabra's session API, and what comes of them (reference §2, §3)."""

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from satellite.backends.addresses import is_same_domain, parse_address
from satellite.backends.base import HttpRequest, HttpResponse, OpenRoom, OpenSocket
from satellite.backends.palabra.failures import ADDRESS_HINT, PORTAL_HINT
from satellite.backends.palabra.options import PalabraOptions
from satellite.core.events import SessionFailed
from satellite.errors import ErrorCategory

CREATE_PATH = "/session-storage/session"
SESSIONS_PATH = "/session-storage/sessions"
STREAM_PATH = "/v1/speech-to-speech/stream"
CREATE_TIMEOUT_S = 10.0
DELETE_TIMEOUT_S = 5.0
DIAL_TIMEOUT_S = 15.0
JOIN_TIMEOUT_S = 20.0
"""For the room, and for the translator to come into it, which takes up to 10 s."""
PONG_TIMEOUT_S = 30.0
TRANSLATOR = "palabra_translator_"
_TOKEN = re.compile(r"[!-~]{1,8192}")
_SESSION_ID = re.compile(r"(?!\.{1,2}\Z)[!-~]{1,4096}")
"""A dot or two would make the address of the session that is deleted lead to another one."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a session that was made for us lets us do."""

    session_id: str | None
    token: str
    url: str


@dataclass(frozen=True, slots=True)
class Unusable:
    """An answer that leads nowhere, though there may be a session to delete."""

    session_id: str | None
    failure: SessionFailed


def create_request(options: PalabraOptions) -> HttpRequest:
    """POST: a session. An answer that comes too late has its session deleted."""
    body = json.dumps({"data": {"subscriber_count": 0, "intent": "api"}}, separators=(",", ":")).encode()
    headers = {**_authorization(options), "Content-Type": "application/json"}

    def disown(response: HttpResponse) -> HttpRequest | None:
        session_id = session_id_of(response.body)
        return None if session_id is None else delete_request(options, session_id)

    url = options.base_url + CREATE_PATH
    return HttpRequest("POST", url, headers, body, timeout_s=CREATE_TIMEOUT_S, disown=disown)


def delete_request(options: PalabraOptions, session_id: str) -> HttpRequest:
    """DELETE: our own session, which counts against the plan's limit while it is there."""
    url = f"{options.base_url}{SESSIONS_PATH}/{quote(session_id, safe='')}"
    return HttpRequest(
        "DELETE", url, _authorization(options), connect_timeout_s=DELETE_TIMEOUT_S, timeout_s=DELETE_TIMEOUT_S
    )


def session_id_of(body: bytes) -> str | None:
    """The id of the session that an answer brought, whatever else is wrong with it."""
    return _text(_data(body).get("id"), _SESSION_ID)


def ticket_of(body: bytes, options: PalabraOptions) -> Ticket | Unusable:
    """Address and token for a transport; a failure when the answer lacks one."""
    session_id = session_id_of(body)
    if body.lstrip().startswith(b"<"):
        return Unusable(None, SessionFailed(ErrorCategory.SERVER, "a web page came instead of an answer", PORTAL_HINT))
    data = _data(body)
    token = _token(data.get("publisher"))
    names = ("webrtc_url", "stream_url") if options.transport == "webrtc" else ("ws_url", "control_url")
    url = next((url for name in names if isinstance(url := data.get(name), str) and url), None)
    if token is None or url is None:
        missing = "publisher" if token is None else names[0]
        failed = SessionFailed(ErrorCategory.SERVER, f"the answer holds no {missing}", ADDRESS_HINT)
        return Unusable(session_id, failed)
    objection = _objection(url, options)
    if objection is not None:
        return Unusable(session_id, objection)
    return Ticket(session_id, token, url)


def session_dial(ticket: Ticket, options: PalabraOptions) -> OpenSocket | OpenRoom:
    """The stream of a session that was made for us."""
    if options.transport == "webrtc":
        return OpenRoom(_room_url(ticket.url), ticket.token, TRANSLATOR, join_timeout_s=JOIN_TIMEOUT_S)
    return _socket(_with_token(ticket.url, ticket.token), {})


def direct_dial(options: PalabraOptions, key: str, unique_id: str) -> OpenSocket:
    """The stream that a key opens by itself; the random part of its address spreads connections over servers (§2)."""
    url = f"{options.stream_url}/{unique_id}{STREAM_PATH}"
    if options.key_in_query:
        return _socket(_with_token(url, key), {})
    return _socket(url, {"Authorization": f"Bearer {key}"})


def _socket(url: str, headers: dict[str, str]) -> OpenSocket:
    return OpenSocket(url, headers, open_timeout_s=DIAL_TIMEOUT_S, ping_timeout_s=PONG_TIMEOUT_S)


def _with_token(url: str, token: str) -> str:
    separator = "&" if urlsplit(url).query else "?"
    return f"{url}{separator}token={quote(token, safe='')}"


def _room_url(url: str) -> str:
    """LiveKit's SDK wants the scheme of a WebSocket, the service may name that of its HTTP side."""
    parts = urlsplit(url)
    scheme = {"https": "wss", "http": "ws"}.get(parts.scheme, parts.scheme)
    return urlunsplit(parts._replace(scheme=scheme))


def _authorization(options: PalabraOptions) -> dict[str, str]:
    if options.api_key is not None:
        return {"Authorization": f"Bearer {options.api_key.get_secret_value()}"}
    client_id, client_secret = options.client_id, options.client_secret
    return {
        "ClientId": "" if client_id is None else client_id.get_secret_value(),
        "ClientSecret": "" if client_secret is None else client_secret.get_secret_value(),
    }


def _data(body: bytes) -> dict[str, Any]:
    """`data` of an answer, empty where there is none."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    data = content.get("data") if isinstance(content, dict) else None
    return data if isinstance(data, dict) else {}


def _token(publisher: Any) -> str | None:
    """A text, or a list that begins with one: the service's own pages disagree (§3.1)."""
    return _text(publisher[0] if isinstance(publisher, list) and publisher else publisher, _TOKEN)


def _text(value: Any, pattern: re.Pattern[str]) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


def _objection(url: str, options: PalabraOptions) -> SessionFailed | None:
    """Why the token must not go to this address."""
    address, base = parse_address(url), parse_address(options.base_url)
    secure, plain = (("wss", "https"), ("ws", "http")) if options.transport == "webrtc" else (("wss",), ("ws",))
    if address is None or base is None or address.scheme not in (*secure, *plain):
        return SessionFailed(ErrorCategory.SERVER, "the answer's stream address is none that can be used")
    if not is_same_domain(address.host, base.host):
        detail = f"the answer's stream address leads to another domain: {address.host}"
        return SessionFailed(ErrorCategory.INVALID_REQUEST, detail, ADDRESS_HINT)
    if address.scheme in plain and not address.is_loopback:
        return SessionFailed(
            ErrorCategory.INVALID_REQUEST, "the answer's stream address is not encrypted", ADDRESS_HINT
        )
    return None
