"""The REST half: open a session (POST), join it again (GET), usage; strict as published (Voice reference §3-§6)."""

import json
import secrets
from collections import deque

from satellite.emulator.deepl.desk import SessionDesk, refusal
from satellite.emulator.deepl.schema import Refusal, SessionConfig, check_request
from satellite.emulator.deepl.service import Service
from satellite.emulator.http import HttpAnswer, HttpRequest, RequestResetError
from satellite.emulator.trouble import strike_request

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
        self._desk = SessionDesk(service)

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
            return refusal(404, "Not found")
        if request.method == "POST":
            return self._deliver(request, self._open(request))
        if request.method == "GET":
            return self._deliver(request, await self._desk.join(request))
        return refusal(405, "Method not allowed")

    async def _faulted(self, request: HttpRequest) -> HttpAnswer | None:
        fault = await strike_request(self._service.faults, request.method)
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
            return refusal(403, "Forbidden")
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme != "DeepL-Auth-Key":
            self._record("bad_authorization", "the Authorization header is not `DeepL-Auth-Key <key>`")
            return refusal(401, "Unauthorized")
        if key.endswith(":fx"):
            self._record("free_key", "a Free key was sent to Voice")
            return refusal(403, "Forbidden")
        if not secrets.compare_digest(key.encode(), self._service.settings.api_key.encode()):
            return refusal(401, "Unauthorized")
        return None

    def _open(self, request: HttpRequest) -> HttpAnswer:
        fault = self._check_headers(request)
        if fault is None:
            try:
                checked = check_request(json.loads(request.body))
            except (ValueError, RecursionError):
                checked = Refusal("body_not_json", "the request body is not JSON")
            if isinstance(checked, SessionConfig):
                return self._desk.open(checked)
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

    def _usage(self) -> HttpAnswer:
        billed_ms = sum(session.audio_ms for session in self._service.book.sessions)
        minutes = -(-round(billed_ms) // 60_000)
        usage = {"speech_to_text_minutes_count": minutes, "speech_to_text_minutes_limit": 10_000}
        usage |= {"speech_to_speech_minutes_count": 0, "speech_to_speech_minutes_limit": 10_000}
        return HttpAnswer.json(200, usage)


def _is_reporting_tag(tag: str) -> bool:
    return tag.isascii() and tag.isprintable() and " " not in tag and 0 < len(tag) <= TAG_LIMIT
