"""Who may open the socket: one dial for each newest token, soon after it was given out (Voice reference §6.1, §7)."""

from urllib.parse import parse_qsl, urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from satellite.emulator.deepl.service import CONNECT_PATH, Service
from satellite.emulator.deepl.tokens import Session, SessionState, Token
from satellite.emulator.trouble import strike_handshake


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
            return connection.respond(fault, "injected fault\n")
        url = urlsplit(request.path)
        if url.path != CONNECT_PATH:
            return connection.respond(404, "not found\n")
        self._check_headers(request)
        session = await self._session(dict(parse_qsl(url.query)).get("token", ""))
        if session is None:
            return connection.respond(403, "forbidden\n")
        self._service.faults.connections += 1
        self._admitted[connection] = session
        return None

    def _check_headers(self, request: Request) -> None:
        """Documented are none besides the handshake's own."""
        if "Authorization" in request.headers:
            self._record("key_on_socket", "the socket was opened with an Authorization header")
        if "Sec-WebSocket-Protocol" in request.headers:
            self._record("subprotocol", "a sub-protocol was offered")

    async def _session(self, value: str) -> Session | None:
        found = self._service.book.find(value)
        if found is None:
            rule = "token_not_percent_encoded" if " " in value else "unknown_token"
            self._record(rule, "a socket with a token that was never given out")
            return None
        session, token = found
        refusal = self._refusal(session, token)
        token.is_dialled = True
        if refusal is None:
            return session
        rule, detail = refusal
        if rule and not token.lost:
            self._record(rule, detail, session)
        if rule in ("token_reused", "outdated_token"):
            await self._service.end_session(session, rule)
        return None

    def _refusal(self, session: Session, token: Token) -> tuple[str, str] | None:
        """The rule broken (empty: none) and why; None when the token is good."""
        if token.is_dialled:
            return "token_reused", "a second socket with one token"
        if session.state is not SessionState.OPEN:
            return "", "the session is over"
        if token is not session.newest:
            return "outdated_token", "a socket with a token that is not the newest"
        age_s = self._service.clock() - token.made_s
        if age_s > self._service.settings.limits.token_ttl_s:
            return "token_expired", f"a token {age_s:.0f} s old"
        return None

    def _record(self, rule: str, detail: str, session: Session | None = None) -> None:
        self._service.ledger.record(rule, detail, None if session is None else session.number)
