"""Who may open the stream: a key, or the token of a session that was made for it (reference §2, §4)."""

import re
import secrets
from urllib.parse import parse_qsl, urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from satellite.emulator.palabra.book import Session
from satellite.emulator.palabra.service import HOST_PATH, STREAM_PATH, Service
from satellite.emulator.trouble import strike_handshake

_PATH = re.compile(rf"{HOST_PATH}/([^/]*){STREAM_PATH}")
_HASH = re.compile(r"[A-Za-z0-9_-]{8,64}")


class Admission:
    """Judges handshakes; an admitted connection's session is fetched once by `session_of`."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._admitted: dict[ServerConnection, Session] = {}

    def session_of(self, connection: ServerConnection) -> Session:
        """The session that an admitted connection belongs to."""
        return self._admitted.pop(connection)

    async def judge(self, connection: ServerConnection, request: Request) -> Response | None:
        """None lets the handshake go on; else it is answered with a status."""
        fault = await strike_handshake(self._service.faults, connection)
        if fault is not None:
            return connection.respond(fault, "")
        url = urlsplit(request.path)
        path = _PATH.fullmatch(url.path)
        if path is None:
            return connection.respond(404, "")
        if "Sec-WebSocket-Protocol" in request.headers:
            self._record("subprotocol", "a sub-protocol was offered")
        session = self._session(path[1], self._credential(request, url.query))
        if session is None:
            return connection.respond(403, "")
        self._service.faults.connections += 1
        self._admitted[connection] = session
        return None

    def _credential(self, request: Request, query: str) -> str:
        parameters = dict(parse_qsl(query))
        given = [parameters["token"]] if "token" in parameters else []
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        given += [key] if scheme == "Bearer" else []
        if len(given) > 1:
            self._record("two_credentials", "a credential in the query and another in a header")
        if "ClientSecret" in request.headers:
            self._record("secret_on_socket", "the client secret was sent to the stream")
        return given[0] if given else ""

    def _session(self, part: str, credential: str) -> Session | None:
        book = self._service.book
        if secrets.compare_digest(credential.encode(), self._service.settings.api_key.encode()):
            if not _HASH.fullmatch(part):
                self._record("bad_hash", "the random part of the address is none")
            elif part in book.hashes:
                self._record("hash_reused", "the random part of the address was used before")
            book.hashes.add(part)
            return book.make(self._service.clock(), by_key=True)
        session = book.of_publisher(credential)
        if session is None:
            rule = "token_not_percent_encoded" if " " in credential else "unknown_token"
            if credential.startswith("eyJ"):
                self._record(rule, "a stream with a token that was never given out")
            return None
        if session.is_joined or session.is_deleted:
            self._record("session_reused", "a second stream with one session, or one after its end")
            return None
        return session if session.hash == part else None

    def _record(self, rule: str, detail: str) -> None:
        self._service.ledger.record(rule, detail)
