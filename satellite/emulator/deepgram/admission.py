"""Who may open the socket, and with which query (Flux reference §2)."""

import json
import uuid
from collections import deque
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from satellite.emulator.deepgram.query import QueryError, StreamConfig, literal_keyterms, parse_query
from satellite.emulator.deepgram.service import Service, Session
from satellite.emulator.trouble import strike_handshake

LISTEN_PATH = "/v2/listen"
MAX_REFUSALS = 2
"""A refusal, and another one because a temporary token may have expired on the way."""


class Admission:
    """Judges handshakes; an admitted connection's session is fetched once by `session_of`."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._admitted: dict[ServerConnection, Session] = {}
        self._refusals: deque[float] = deque()

    def session_of(self, connection: ServerConnection) -> Session:
        """The session of an admitted connection."""
        return self._admitted.pop(connection)

    async def judge(self, connection: ServerConnection, request: Request) -> Response | None:
        """None lets the handshake go on; else it is answered with a status."""
        fault = await strike_handshake(self._service.faults, connection)
        if fault is not None:
            return _refusal(fault, "INJECTED", "injected fault")
        refused = self._check_key(request) or self._check_query(connection, request)
        if refused is not None and refused.status_code in (400, 401, 402, 403):
            self._check_patience()
        return refused

    def _check_key(self, request: Request) -> Response | None:
        """A key by `Token`, a temporary token by `Bearer`."""
        settings = self._service.settings
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        if scheme == "Token" and value == settings.api_key:
            return None
        if scheme == "Bearer" and self._service.tokens.get(value, float("-inf")) >= self._service.clock():
            return None
        if scheme == "Bearer" and value == settings.api_key:
            self._record("bearer_with_key", "an API key was sent by Bearer")
        elif scheme == "Token" and value in self._service.tokens:
            self._record("token_with_jwt", "a temporary token was sent by Token")
        elif not value:
            self._record("no_credentials", "a handshake without credentials")
        return _refusal(401, "INVALID_AUTH", "invalid credentials")

    def _check_query(self, connection: ServerConnection, request: Request) -> Response | None:
        url = urlsplit(request.path)
        if url.path != LISTEN_PATH:
            if url.path == "/v1/listen":
                self._record("older_interface", "Flux is at /v2/listen")
            return _refusal(404, "NOT_FOUND", "no such resource")
        try:
            config = parse_query(parse_qsl(url.query, keep_blank_values=True))
        except QueryError as fault:
            if fault.rule:
                self._record(fault.rule, str(fault))
            return _refusal(fault.status, fault.code, str(fault))
        limit = self._service.settings.limits.sessions
        if limit is not None and len(self._service.live) >= limit:
            return _refusal(429, "TOO_MANY_REQUESTS", "too many concurrent connections")
        self._admit(connection, config)
        return None

    def _admit(self, connection: ServerConnection, config: StreamConfig) -> None:
        for term in literal_keyterms(config.tuning.keyterms):
            self._record("literal_keyterm", f"{term!r:.40} is taken as one literal term")
        self._service.faults.connections += 1
        self._admitted[connection] = self._service.open(config)

    def _check_patience(self) -> None:
        """What is wrong does not get right by asking again at once."""
        now, window_s = self._service.clock(), self._service.settings.limits.no_retry_s
        while self._refusals and self._refusals[0] < now - window_s:
            self._refusals.popleft()
        self._refusals.append(now)
        if len(self._refusals) > MAX_REFUSALS:
            self._record("retry_loop", f"{len(self._refusals)} refused handshakes within {window_s:g} s")

    def _record(self, rule: str, detail: str) -> None:
        self._service.ledger.record(rule, detail)


def _refusal(status: int, code: str, description: str) -> Response:
    body = json.dumps({"code": code, "description": description}).encode()
    headers = Headers(
        {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Connection": "close",
            "dg-error": description,
            "dg-request-id": str(uuid.uuid4()),
        }
    )
    return Response(status, HTTPStatus(status).phrase, headers, body)
