"""The REST half: sessions made, listed and deleted (reference §3)."""

import json
import secrets
from typing import Any
from urllib.parse import unquote

from satellite.emulator.http import HttpAnswer, HttpRequest, RequestResetError
from satellite.emulator.palabra.book import Session
from satellite.emulator.palabra.room import Rooms
from satellite.emulator.palabra.service import HOST_PATH, STREAM_PATH, Service
from satellite.emulator.trouble import strike_request

CREATE_PATH = "/session-storage/session"
SESSIONS_PATH = "/session-storage/sessions"
INTENTS = frozenset({"api", "broadcaster", "desktop"})
KNOWN_FIELDS = {"subscriber_count", "intent", "publisher_count", "publisher_can_subscribe"}


def refusal(status: int, title: str, detail: str, path: str) -> HttpAnswer:
    """An answer in the published shape of an error."""
    error = {"type": "about:blank", "status": status, "title": title, "detail": detail, "instance": path}
    return HttpAnswer.json(status, {"ok": False, "errors": [{**error, "error_code": status * 10}]})


class Rest:
    """Answers HTTP requests; every broken rule is recorded and refused as published."""

    def __init__(self, service: Service, rooms: Rooms) -> None:
        self._service = service
        self._rooms = rooms

    async def handle(self, request: HttpRequest) -> HttpAnswer:
        """One request; RequestResetError when a fault wants it cut."""
        refused = await self._faulted(request) or self._authorise(request)
        if refused is not None:
            return refused
        if request.path == CREATE_PATH and request.method == "POST":
            return self._create(request)
        if request.path == SESSIONS_PATH and request.method == "GET":
            return HttpAnswer.json(200, {"ok": True, "data": {"sessions": self._listed()}})
        if request.path.startswith(f"{SESSIONS_PATH}/") and request.method in ("DELETE", "GET"):
            session_id = unquote(request.path.removeprefix(f"{SESSIONS_PATH}/"))
            return self._delete(request, session_id) if request.method == "DELETE" else self._one(request, session_id)
        return refusal(404, "Not Found", "There is no such address", request.path)

    async def _faulted(self, request: HttpRequest) -> HttpAnswer | None:
        fault = await strike_request(self._service.faults, request.method)
        if fault is None:
            return None
        extra = {} if fault.retry_after_s is None else {"Retry-After": str(fault.retry_after_s)}
        if fault.body == "text":
            return HttpAnswer(fault.status, b"<html>temporarily unavailable</html>", "text/html", extra)
        if fault.body == "none":
            return HttpAnswer(fault.status, b"", "text/plain", extra)
        answer = refusal(fault.status, "Injected", "injected fault", request.path)
        answer.headers.update(extra)
        return answer

    def _authorise(self, request: HttpRequest) -> HttpAnswer | None:
        settings, headers = self._service.settings, request.headers
        scheme, _, key = headers.get("authorization", "").partition(" ")
        pair = headers.get("clientid"), headers.get("clientsecret")
        if scheme and any(pair):
            self._record("two_credentials", "an API key beside client id and secret")
        if any(name in ("token", "api_key", "client_secret") for name, _ in request.query):
            self._record("key_in_query", "a credential in the query of the API")
        by_key = scheme == "Bearer" and secrets.compare_digest(key.encode(), settings.api_key.encode())
        if by_key or pair == (settings.client_id, settings.client_secret):
            return None
        return refusal(403, "Forbidden", "Credential not accepted", request.path)

    def _create(self, request: HttpRequest) -> HttpAnswer:
        fault = _objection(request)
        if fault is not None:
            self._record("bad_create", fault)
            return refusal(422, "Unprocessable", fault, request.path)
        service = self._service
        if sum(session.counts for session in service.book.sessions) >= service.settings.limits.sessions:
            return refusal(429, "Too Many Requests", "Limit of open sessions reached", request.path)
        session = service.book.make(service.clock())
        self._rooms.open(session)
        if service.faults.take("lose_answer", "POST") is not None:
            session.was_told = False
            raise RequestResetError
        return HttpAnswer.json(201, {"ok": True, "data": self._answer(session)})

    def _answer(self, session: Session) -> dict[str, Any]:
        variants = self._service.settings.variants
        ws_url = f"{self._service.socket_url}{HOST_PATH}/{session.hash}{STREAM_PATH}"
        names = ("room_name", "stream_url", "control_url") if variants.old_names else ()
        room_name, room_url, socket_url = names or ("webrtc_room_name", "webrtc_url", "ws_url")
        return {
            "publisher": [session.publisher] if variants.publisher_list else session.publisher,
            "subscriber": [],
            room_name: session.room,
            room_url: self._rooms.url,
            socket_url: ws_url,
            "intent": "api",
            "id": session.session_id,
            "organization": "emulated",
        }

    def _listed(self) -> list[dict[str, Any]] | None:
        """The service says null for none."""
        listed = [
            {"id": session.session_id, "created_at": "", "updated_at": "", "expires_at": ""}
            for session in self._service.book.sessions
            if session.counts
        ]
        return listed or None

    def _one(self, request: HttpRequest, session_id: str) -> HttpAnswer:
        if self._service.book.of_id(session_id) is None:
            return refusal(404, "Not Found", "There is no such session", request.path)
        return HttpAnswer.json(200, {"ok": True, "data": {"id": session_id}})

    def _delete(self, request: HttpRequest, session_id: str) -> HttpAnswer:
        session = self._service.book.of_id(session_id)
        if session is None or session.is_deleted:
            self._record("deleted_twice" if session else "deleted_unknown", "DELETE of a session that is not there")
            return refusal(404, "Not Found", "There is no such session", request.path)
        if not session.is_ours:
            self._record("deleted_foreign", "DELETE of a session that somebody else has made")
        session.is_deleted = True
        self._rooms.close(session)
        if self._service.faults.take("lose_answer", "DELETE") is not None:
            raise RequestResetError
        return HttpAnswer(204)

    def _record(self, rule: str, detail: str) -> None:
        self._service.ledger.record(rule, detail)


def _objection(request: HttpRequest) -> str | None:
    """What is wrong with the request for a session."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        return f"Content-Type is {content_type!r:.60}, not application/json"
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        return "the body is not JSON"
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, dict) or body.keys() != {"data"}:
        return "the body is an object with data"
    if data.keys() - KNOWN_FIELDS:
        return f"{min(data.keys() - KNOWN_FIELDS)[:60]!r} is no published field"
    count = data.get("subscriber_count", 0)
    if not isinstance(count, int) or not 0 <= count <= 10:
        return "subscriber_count is 0 to 10"
    return None if data.get("intent", "api") in INTENTS else "intent is api, broadcaster or desktop"
