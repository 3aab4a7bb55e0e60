"""The REST half: open a session (POST), join it again (GET), usage; strict as published (deepl-voice.md §3-§6)."""

import asyncio
import json
import secrets
from collections import deque

from satellite.emulator.conversation import Conversation
from satellite.emulator.encoders import make_encoder
from satellite.emulator.http import HttpAnswer, HttpRequest, RequestResetError
from satellite.emulator.media import make_decoder
from satellite.emulator.schema import DETECTABLE_LANGUAGES, Refusal, SessionConfig, check_request
from satellite.emulator.service import Service
from satellite.emulator.tokens import Session, SessionState, Token
from satellite.errors import MediaError

REALTIME_PATH = "/v3/voice/realtime"
CLOSING_GRACE_S = 0.15
"""A socket that the client is closing right now may be seen closed a moment after its GET."""
STORM = (6, 2.0)
"""This many failed requests within so many seconds are a retry without a growing delay."""
TAG_LIMIT = 100


class RetryWatch:
    """Notices requests that should not have been repeated; one per emulator."""

    def __init__(self, no_retry_s: float) -> None:
        self._no_retry_s = no_retry_s
        self._refused: dict[bytes, tuple[int, float]] = {}
        self._retry_after_s = 0.0
        self._failures: deque[float] = deque(maxlen=STORM[0])

    def arriving(self, key: bytes, now: float) -> str | None:
        """The rule that this request breaks by coming now, if any."""
        status, at_s = self._refused.get(key, (0, 0.0))
        if status and now - at_s < self._no_retry_s:
            return f"retry_after_{status}"
        return "retry_after_ignored" if now < self._retry_after_s - 0.05 else None

    def answered(self, key: bytes, answer: HttpAnswer, now: float) -> str | None:
        """Remember an answer; names the rule broken when failures follow one another too fast."""
        if answer.status in (400, 401, 403, 456):
            self._refused[key] = (answer.status, now)
        elif answer.status == 429 or answer.status >= 500:
            self._failures.append(now)
            retry_after = answer.headers.get("Retry-After", "")
            self._retry_after_s = now + int(retry_after) if retry_after.isdigit() else 0.0
            if len(self._failures) == STORM[0] and now - self._failures[0] < STORM[1]:
                self._failures.clear()
                return "retry_storm"
        return None


class Rest:
    """Answers HTTP requests; every broken rule is recorded and refused as published."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._watch = RetryWatch(service.settings.limits.no_retry_s)
        self._joining: set[int] = set()

    async def handle(self, request: HttpRequest) -> HttpAnswer:
        """One request; RequestResetError when a fault wants it cut."""
        key = request.headers.get("authorization", "").encode() + request.method.encode() + request.body
        if request.query:
            key += repr(request.query).encode()
        early = self._watch.arriving(key, self._service.clock())
        if early is not None:
            self._record(early, f"{request.method} {request.path} was repeated too early")
        answer = await self._answer(request)
        storm = self._watch.answered(key, answer, self._service.clock())
        if storm is not None:
            self._record(storm, f"{STORM[0]} failed requests within {STORM[1]:.0f} s")
        answer.headers.setdefault("X-Trace-ID", secrets.token_hex(8))
        return answer

    def _record(self, rule: str, detail: str, session: int | None = None) -> None:
        self._service.ledger.record(rule, detail, session)

    async def _answer(self, request: HttpRequest) -> HttpAnswer:
        refused = await self._faulted(request) or self._authorise(request)
        if refused is not None:
            return refused
        if request.path == "/v2/usage" and request.method == "GET":
            return self._usage()
        if request.path != REALTIME_PATH:
            return _error(404, "Not found")
        if request.method == "POST":
            return self._deliver(request, self._open(request))
        if request.method == "GET":
            return self._deliver(request, await self._join(request))
        return _error(405, "Method not allowed")

    async def _faulted(self, request: HttpRequest) -> HttpAnswer | None:
        faults, method = self._service.faults, request.method
        slow = faults.take("slow", method)
        if slow is not None:
            await asyncio.sleep(slow.delay_s)
        if faults.take("reset", method) is not None:
            raise RequestResetError
        fault = faults.take("http", method)
        if fault is None:
            return None
        extra = {} if fault.retry_after_s is None else {"Retry-After": str(fault.retry_after_s)}
        bodies = {
            "message": (json.dumps({"message": "injected fault"}), "application/json"),
            "error": (json.dumps({"error": {"message": "Bad Gateway."}}), "application/json"),
            "text": ("<html>temporarily unavailable</html>", "text/html"),
            "none": ("", "text/plain"),
        }
        text, content_type = bodies[fault.body]
        return HttpAnswer(fault.status, text.encode(), content_type, extra)

    def _deliver(self, request: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
        if answer.status == 200 and self._service.faults.take("lose_answer", request.method) is not None:
            for session in self._service.book.sessions:
                if any(name == "token" and value in {t.value for t in session.tokens} for name, value in request.query):
                    session.tokens[-2].lost = True
            raise RequestResetError
        return answer

    def _authorise(self, request: HttpRequest) -> HttpAnswer | None:
        if any(name == "auth_key" for name, _ in request.query) or b'"auth_key"' in request.body:
            self._record("auth_in_query", "auth_key outside the Authorization header")
            return _error(403, "Forbidden")
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme != "DeepL-Auth-Key":
            self._record("bad_authorization", "the Authorization header is not `DeepL-Auth-Key <key>`")
            return _error(401, "Unauthorized")
        if key.endswith(":fx"):
            self._record("free_key", "a Free key was sent to Voice")
            return _error(403, "Forbidden")
        if not secrets.compare_digest(key.encode(), self._service.settings.api_key.encode()):
            return _error(401, "Unauthorized")
        return None

    def _open(self, request: HttpRequest) -> HttpAnswer:
        fault = self._check_headers(request)
        if fault is None:
            try:
                checked = check_request(json.loads(request.body))
            except ValueError:
                checked = Refusal("body_not_json", "the request body is not JSON")
            if isinstance(checked, SessionConfig):
                return self._open_session(checked)
            fault = checked
        self._record(fault.rule, fault.detail)
        return HttpAnswer.json(400, {"message": fault.detail, "code": "invalid_request"})

    @staticmethod
    def _check_headers(request: HttpRequest) -> Refusal | None:
        if request.query:
            return Refusal("unexpected_query", "POST takes no query parameters")
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type != "application/json":
            return Refusal("bad_content_type", f"Content-Type is {content_type!r:.60}, not application/json")
        tag = request.headers.get("x-deepl-reporting-tag")
        if tag is not None and not _is_reporting_tag(tag):
            detail = "X-DeepL-Reporting-Tag must be 1 to 100 printable ASCII characters without blanks"
            return Refusal("bad_reporting_tag", detail)
        return None

    def _open_session(self, config: SessionConfig) -> HttpAnswer:
        service = self._service
        limit = service.settings.limits.sessions
        if config.speech_language and not service.settings.speech_enabled:
            return _error(403, "Speech output is not enabled for this key")
        if limit is not None and len(service.book.live()) >= limit:
            return _error(429, "Too many sessions")
        if not config.source_language and service.truth.language not in DETECTABLE_LANGUAGES:
            self._record("undetectable_language", f"{service.truth.language} cannot be detected and must be named")
        try:
            exact = make_decoder(config.source_media).is_exact
            if config.speech_language:
                make_encoder(service.settings.target_media or config.target_media)
        except MediaError as fault:
            return _error(400, f"the emulator cannot: {fault}")
        session = service.book.open(config, service.clock())
        service.conversations[session.number] = Conversation(config, service.settings, service.truth, exact=exact)
        return self._granted(session, "POST")

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

    async def _join(self, request: HttpRequest) -> HttpAnswer:
        if request.body:
            self._record("unexpected_body", "GET takes no body")
        if [name for name, _ in request.query] != ["token"]:
            self._record("bad_query", "GET takes the one parameter token")
            return _error(400, "token is required")
        value = request.query[0][1]
        found = self._service.book.find(value)
        if found is None:
            rule = "token_not_percent_encoded" if " " in value else "unknown_token"
            self._record(rule, "a GET with a token that was never given out")
            return _error(400, "Invalid token")
        session, token = found
        if session.number in self._joining:
            self._record("concurrent_get", "two GETs in flight for one session", session.number)
        self._joining.add(session.number)
        try:
            return await self._rejoin(session, token)
        finally:
            self._joining.discard(session.number)

    async def _rejoin(self, session: Session, token: Token) -> HttpAnswer:
        refusal = await self._refusal(session, token)
        if refusal is not None:
            return refusal
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
            return _error(400, "Session is no longer valid")
        if token is not session.newest:
            if not token.lost:
                self._record("outdated_token", "a GET with a token that is not the newest", session.number)
            await service.end_session(session, "outdated token")
            return _error(400, "Token is outdated")
        if service.faults.peek("token", "GET", "lost") and service.faults.take("token", "GET") is not None:
            session.kill("lost")
            return _error(400, "Session is no longer valid")
        if service.clock() - session.last_data_s > service.settings.limits.resume_window_s:
            session.kill("expired")
            return _error(400, "Session has expired")
        return None

    async def _part(self, session: Session) -> None:
        """Close a socket that is still open; a stalled one cannot have been seen to close."""
        service = self._service
        await service.await_close(session, CLOSING_GRACE_S)
        if session.is_connected and not session.is_stalled:
            self._record("get_while_connected", "a GET while the socket was open", session.number)
        await service.disconnect(session, 1000, "reconnected")

    def _usage(self) -> HttpAnswer:
        billed_ms = sum(session.audio_ms for session in self._service.book.sessions)
        minutes = -(-round(billed_ms) // 60_000)
        usage = {"speech_to_text_minutes_count": minutes, "speech_to_text_minutes_limit": 10_000}
        usage |= {"speech_to_speech_minutes_count": 0, "speech_to_speech_minutes_limit": 10_000}
        return HttpAnswer.json(200, usage)


def _is_reporting_tag(tag: str) -> bool:
    return tag.isascii() and tag.isprintable() and " " not in tag and 0 < len(tag) <= TAG_LIMIT


def _error(status: int, message: str) -> HttpAnswer:
    return HttpAnswer.json(status, {"message": message})
