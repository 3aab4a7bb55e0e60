"""The grant of temporary tokens (Flux reference §2.1)."""

import json
import uuid

from satellite.emulator.deepgram.service import Service
from satellite.emulator.faults import Fault
from satellite.emulator.http import HttpAnswer, HttpRequest, RequestResetError
from satellite.emulator.trouble import strike_request

GRANT_PATH = "/v1/auth/grant"
DEFAULT_TTL_S = 30
TTL_S = (1, 3_600)


class Rest:
    """Answers HTTP."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def handle(self, request: HttpRequest) -> HttpAnswer:
        """Answer one request, or act out a fault."""
        faults, method = self._service.faults, request.method
        if (fault := await strike_request(faults, method)) is not None:
            return _injected(fault)
        answer = self._answer(request)
        if faults.take("lose_answer", method) is not None:
            raise RequestResetError
        return answer

    def _answer(self, request: HttpRequest) -> HttpAnswer:
        if request.path != GRANT_PATH:
            return refusal(404, "NOT_FOUND", "no such resource")
        if request.method != "POST":
            return refusal(405, "METHOD_NOT_ALLOWED", "POST only")
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme != "Token":
            self._service.ledger.record("grant_without_token", f"a grant is asked for by Token, not by {scheme!r}")
        if scheme != "Token" or key != self._service.settings.api_key:
            return refusal(401, "INVALID_AUTH", "invalid credentials")
        ttl_s = self._ttl_s(request.body)
        if ttl_s is None:
            self._service.ledger.record("bad_ttl", f"ttl_seconds is a number of {TTL_S[0]} to {TTL_S[1]}")
            return refusal(400, "INVALID_PARAMETER", "ttl_seconds is out of range")
        is_stale = self._service.faults.peek("token", "POST", "stale")
        is_stale = is_stale and self._service.faults.take("token", "POST") is not None
        return HttpAnswer.json(
            200, {"access_token": self._service.grant(-1.0 if is_stale else ttl_s), "expires_in": ttl_s}
        )

    @staticmethod
    def _ttl_s(body: bytes) -> int | None:
        if not body:
            return DEFAULT_TTL_S
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            return None
        ttl_s = value.get("ttl_seconds", DEFAULT_TTL_S) if isinstance(value, dict) else None
        is_number = isinstance(ttl_s, int) and not isinstance(ttl_s, bool) and TTL_S[0] <= ttl_s <= TTL_S[1]
        return ttl_s if is_number else None


def refusal(status: int, code: str, description: str) -> HttpAnswer:
    """An answer in the shape that most refusals have."""
    body = {"err_code": code, "err_msg": description, "request_id": str(uuid.uuid4())}
    return HttpAnswer.json(status, body)


def _injected(fault: Fault) -> HttpAnswer:
    answer = refusal(fault.status, "INJECTED", "injected fault")
    if fault.retry_after_s is not None:
        answer.headers["Retry-After"] = str(fault.retry_after_s)
    return answer
