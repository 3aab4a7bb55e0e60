"""Admission: how a Vurbo session gets its connection: one ticket by REST, for one dial at once (reference §1.3, §1.4).

There is no way back into a session whose connection is gone, so each has one connection, and each connection a ticket
of its own.
"""

import json
import re

from satellite.backends.base import HttpFailed, HttpRequest, HttpResponse, OpenSocket, SessionState, SocketClosed
from satellite.backends.lifecycle import Lifecycle
from satellite.backends.vurbo.failures import ADDRESS_HINT, PORTAL_HINT, RATE_LIMIT_S, failure_of_answer
from satellite.backends.vurbo.options import VurboOptions
from satellite.core.events import SessionFailed
from satellite.errors import ErrorCategory

TICKET_TIMEOUT_S = 10.0
DIAL_TIMEOUT_S = 10.0
_TICKET = re.compile(r"[A-Za-z0-9._~-]{1,1024}")


class Admission:
    """Asks for the ticket, and dials."""

    def __init__(self, options: VurboOptions, life: Lifecycle) -> None:
        self._options = options
        self._life = life
        life.keep_secret(options.api_key.get_secret_value())

    def request(self) -> None:
        """Ask for a ticket. The key goes nowhere else."""
        self._life.move(SessionState.REQUESTING)
        headers = {"X-API-Key": self._options.api_key.get_secret_value()}
        url = f"{self._options.rest_url}/auth/ticket"
        self._life.act(HttpRequest("POST", url, headers, timeout_s=TICKET_TIMEOUT_S))

    def answered(self, response: HttpResponse) -> None:
        """Dial with the ticket in the very step in which it came, or give up."""
        if not 200 <= response.status < 300:
            self._life.fail(failure_of_answer(response.status, response.headers, response.body))
            return
        ticket = _ticket_in(response.body)
        if ticket is None:
            is_page = response.body.lstrip().startswith(b"<")
            detail = "a web page came instead of a ticket" if is_page else "the answer holds no ticket"
            self._life.fail(SessionFailed(ErrorCategory.SERVER, detail, PORTAL_HINT if is_page else ADDRESS_HINT))
            return
        self._life.keep_token(ticket)
        self._life.move(SessionState.CONNECTING)
        protocols = (f"ticket.{ticket}",)
        self._life.act(OpenSocket(self._options.ws_url, subprotocols=protocols, open_timeout_s=DIAL_TIMEOUT_S))

    def unanswered(self, failure: HttpFailed) -> None:
        """No ticket."""
        detail = f"the request for a ticket got no answer: {failure.detail}"
        self._life.fail(SessionFailed(failure.category, detail, failure.hint))

    def dial_failed(self, closed: SocketClosed) -> None:
        """The ticket is used up, whatever became of it; the next session has another one."""
        answer = closed.reason if closed.http_status is None else f"answered {closed.http_status}"
        detail = f"the stream could not be opened: {answer}"
        if closed.http_status is None:
            self._life.fail(SessionFailed(ErrorCategory.CONNECTIVITY, detail, closed.hint))
        elif closed.http_status == 429:
            self._life.fail(SessionFailed(ErrorCategory.RATE_LIMIT, detail, closed.hint, RATE_LIMIT_S))
        else:
            self._life.fail(SessionFailed(ErrorCategory.SERVER, detail, closed.hint))


def _ticket_in(body: bytes) -> str | None:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    for part in (content, content.get("data")) if isinstance(content, dict) else ():
        ticket = part.get("ticket") if isinstance(part, dict) else None
        if isinstance(ticket, str) and _TICKET.fullmatch(ticket):
            return ticket
    return None
