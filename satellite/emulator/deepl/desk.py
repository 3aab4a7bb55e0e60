"""Opens sessions (POST) and lets clients join them again (GET), by the token rules of DeepL Voice reference §6."""

from satellite.emulator.conversation import Conversation
from satellite.emulator.deepl.schema import DETECTABLE_LANGUAGES, SessionConfig
from satellite.emulator.deepl.script import Script
from satellite.emulator.deepl.service import Service
from satellite.emulator.deepl.tokens import Session, SessionState, Token
from satellite.emulator.encoders import make_encoder
from satellite.emulator.http import HttpAnswer, HttpRequest
from satellite.emulator.media import make_decoder
from satellite.errors import MediaError

CLOSING_GRACE_S = 0.15
"""A socket that the client is closing right now may be seen closed a moment after its GET."""


def refusal(status: int, message: str) -> HttpAnswer:
    """An answer in the published shape of an error."""
    return HttpAnswer.json(status, {"message": message})


class SessionDesk:
    """Grants sessions and tokens to authorised requests."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._joining: set[int] = set()

    def open(self, config: SessionConfig) -> HttpAnswer:
        """Answer a valid POST."""
        service = self._service
        limit = service.settings.limits.sessions
        if config.speech_language and not service.settings.speech_enabled:
            return refusal(403, "Speech output is not enabled for this key")
        if limit is not None and len(service.book.live()) >= limit:
            return refusal(429, "Too many sessions")
        if not config.source_language and service.truth.language not in DETECTABLE_LANGUAGES:
            self._record("undetectable_language", f"{service.truth.language} cannot be detected and must be named")
        try:
            exact = make_decoder(config.source_media).is_exact
            if config.speech_language:
                make_encoder(service.settings.target_media or config.target_media)
        except MediaError as fault:
            return refusal(400, f"the emulator cannot: {fault}")
        session = service.book.open(config, service.clock())
        recogniser = service.truth.recogniser(service.settings, exact=exact)
        script = service.scripts[session.number] = self._script(config)
        service.conversations[session.number] = Conversation(recogniser, script)
        return self._granted(session, "POST")

    def _script(self, config: SessionConfig) -> Script:
        settings = self._service.settings
        is_fixed = config.source_language_mode == "fixed" and bool(config.source_language)
        language = config.source_language if is_fixed else self._service.truth.language
        return Script(language, config, on_silence=settings.variants.conclude_on_silence, seed=settings.seed)

    def _granted(self, session: Session, method: str) -> HttpAnswer:
        answer = {"streaming_url": self._service.streaming_url, "token": session.newest.value}
        if not self._service.settings.variants.no_session_id:
            answer["session_id"] = session.session_id
        stale = self._service.faults.take("token", method) if self._is_stale_armed(method) else None
        if stale is not None:
            session.newest.made_s = float("-inf")
            session.newest.lost = True
        return HttpAnswer.json(200, answer)

    def _is_stale_armed(self, method: str) -> bool:
        return self._service.faults.peek("token", method, "stale")

    async def join(self, request: HttpRequest) -> HttpAnswer:
        """Answer a GET."""
        if request.body:
            self._record("unexpected_body", "GET takes no body")
        if [name for name, _ in request.query] != ["token"]:
            self._record("bad_query", "GET takes the one parameter token")
            return refusal(400, "token is required")
        value = request.query[0][1]
        found = self._service.book.find(value)
        if found is None:
            rule = "token_not_percent_encoded" if " " in value else "unknown_token"
            self._record(rule, "a GET with a token that was never given out")
            return refusal(400, "Invalid token")
        session, token = found
        if session.number in self._joining:
            self._record("concurrent_get", "two GETs in flight for one session", session.number)
        self._joining.add(session.number)
        try:
            return await self._rejoin(session, token)
        finally:
            self._joining.discard(session.number)

    async def _rejoin(self, session: Session, token: Token) -> HttpAnswer:
        refused = await self._refusal(session, token)
        if refused is not None:
            return refused
        await self._part(session)
        session.left_early_at_s = None
        session.rotate(self._service.clock())
        return self._granted(session, "GET")

    async def _refusal(self, session: Session, token: Token) -> HttpAnswer | None:
        service = self._service
        if session.state is not SessionState.OPEN:
            rules = {"error": "reconnect_after_error", "ended": "reconnect_after_end"}
            rule = rules.get("ended" if session.state is SessionState.ENDED else session.death)
            if rule is not None:
                self._record(rule, f"a GET for a session that is over ({session.death or 'ended'})", session.number)
            return refusal(400, "Session is no longer valid")
        if token is not session.newest:
            if not token.lost:
                self._record("outdated_token", "a GET with a token that is not the newest", session.number)
            await service.end_session(session, "outdated token")
            return refusal(400, "Token is outdated")
        if service.faults.peek("token", "GET", "lost") and service.faults.take("token", "GET") is not None:
            session.kill("lost")
            return refusal(400, "Session is no longer valid")
        if service.clock() - session.last_data_s > service.settings.limits.resume_window_s:
            session.kill("expired")
            return refusal(400, "Session has expired")
        return None

    async def _part(self, session: Session) -> None:
        """Close a socket that is still open; a stalled one cannot have been seen to close."""
        service = self._service
        await service.await_close(session, CLOSING_GRACE_S)
        if session.is_connected and not session.is_stalled:
            self._record("get_while_connected", "a GET while the socket was open", session.number)
        await service.disconnect(session, 1000, "reconnected")

    def _record(self, rule: str, detail: str, session: int | None = None) -> None:
        self._service.ledger.record(rule, detail, session)
