"""The REST half: tickets (Vurbo reference §1.3)."""

import secrets

from satellite.emulator.http import HttpAnswer, HttpRequest, RequestResetError
from satellite.emulator.trouble import strike_request
from satellite.emulator.vurbo.service import Service
from satellite.emulator.vurbo.texts import error_body

API_PATH = "/api/v1"
TICKET_PATH = f"{API_PATH}/auth/ticket"
STORM = (6, 2.0)
"""This many failed requests within so many seconds are a retry without a growing delay."""


class Rest:
    """Answers HTTP requests; every broken rule is recorded and refused as published."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._failures: list[float] = []
        self._refused: dict[str, float] = {}
        self._not_before_s = 0.0

    async def handle(self, request: HttpRequest) -> HttpAnswer:
        """One request; RequestResetError when a fault wants it cut."""
        now = self._service.clock()
        key = request.headers.get("x-api-key", "")
        limits = self._service.settings.limits
        if now - self._refused.get(key, float("-inf")) < limits.no_retry_s:
            self._record("retry_after_401", "a key that was refused a moment ago")
        if now < self._not_before_s - 0.05:
            self._record("retry_after_ignored", "asked before Retry-After was over")
        answer = await self._answer(request, key)
        if answer.status == 401:
            self._refused[key] = now
        elif answer.status >= 429:
            self._failed(answer, now)
        return answer

    def _failed(self, answer: HttpAnswer, now: float) -> None:
        wait = answer.headers.get("Retry-After", "")
        self._not_before_s = now + int(wait) if wait.isdigit() else 0.0
        self._failures = [*self._failures, now][-STORM[0] :]
        if len(self._failures) == STORM[0] and now - self._failures[0] < STORM[1]:
            self._failures.clear()
            self._record("retry_storm", f"{STORM[0]} failed requests within {STORM[1]:.0f} s")

    async def _answer(self, request: HttpRequest, key: str) -> HttpAnswer:
        faulted = await self._faulted(request)
        if faulted is not None:
            return faulted
        if request.path != TICKET_PATH:
            return self._refusal(404, "not_found", f"no {request.path}")
        if request.method != "POST":
            return self._refusal(405, "method_not_allowed", "POST only")
        if request.query:
            self._record("key_in_url" if "api_key" in dict(request.query) else "unexpected_query", "no parameters")
        code = self._key_fault(key)
        if code is not None:
            return self._refusal(401, code, "this key is not let in", "fatal")
        ticket = self._service.ticket()
        answer = HttpAnswer.json(200, {"ticket": ticket.value, "expires_in": 60})
        if self._service.faults.take("lose_answer", "POST") is not None:
            raise RequestResetError
        return answer

    def _key_fault(self, key: str) -> str | None:
        if not key:
            return "auth_missing_api_key"
        if secrets.compare_digest(key.encode(), self._service.settings.api_key.encode()):
            return None
        is_formed = len(key) == 36 and key.startswith("vas_")
        return "auth_invalid_api_key" if is_formed else "auth_invalid_key_format"

    async def _faulted(self, request: HttpRequest) -> HttpAnswer | None:
        fault = await strike_request(self._service.faults, request.method)
        if fault is None:
            return None
        answer = self._refusal(fault.status, "injected_fault", "injected fault")
        if fault.body == "none":
            answer = HttpAnswer(fault.status)
        elif fault.body == "text":
            answer = HttpAnswer(fault.status, b"<html>injected fault</html>", "text/html")
        if fault.retry_after_s is not None:
            answer.headers["Retry-After"] = str(fault.retry_after_s)
        return answer

    def _refusal(self, status: int, code: str, message: str, severity: str = "error") -> HttpAnswer:
        body = error_body(code, message, severity)
        is_flat = self._service.settings.variants.flat_errors
        return HttpAnswer.json(status, body if is_flat else {"type": "error", "data": body})

    def _record(self, rule: str, detail: str) -> None:
        self._service.ledger.record(rule, detail)
