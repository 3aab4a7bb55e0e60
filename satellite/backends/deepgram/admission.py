"""Admission: how a Deepgram Flux session gets its connection (Flux reference §2, §12).

By the key itself, or by a temporary token that is asked for in the step before. There is no resuming: a lost connection
is the end of the session, and what was not sent yet goes to the next one.
"""

from collections.abc import Callable
from urllib.parse import quote

from satellite.backends.base import HttpFailed, HttpResponse, OpenSocket, SessionState, SocketClosed
from satellite.backends.deepgram.failures import SILENT_HINT, Source, failure_of_answer, verdict
from satellite.backends.deepgram.options import DeepgramOptions
from satellite.backends.deepgram.requests import grant_request, key_header, token_header, token_of
from satellite.backends.lifecycle import Lifecycle
from satellite.core.events import SessionFailed, SessionOpened
from satellite.errors import ErrorCategory

CONNECTED_WITHIN_S = 10.0
MAX_TOKENS = 2
"""A token that is refused may have expired on the way: one more is asked for."""

Dial = Callable[[dict[str, str]], OpenSocket]
"""The connection with this authorization."""


class Admission:
    """Asks, dials, and waits for `Connected`."""

    def __init__(self, options: DeepgramOptions, life: Lifecycle, dial: Dial) -> None:
        self._options = options
        self._life = life
        self._dial = dial
        self._tokens = 0
        self.deadline: float | None = None
        """When `Connected` should have come; None while it is not waited for."""
        life.keep_secret(options.api_key.get_secret_value())

    def request(self) -> None:
        """Ask for a connection."""
        self._life.move(SessionState.REQUESTING)
        if self._options.authentication == "token":
            self._tokens += 1
            self._life.act(grant_request(self._options))
        else:
            self._connect(key_header(self._options))

    def answered(self, response: HttpResponse) -> None:
        """Dial with the token, or give up."""
        if not 200 <= response.status < 300:
            self._life.fail(failure_of_answer(Source.GRANT, response.status, response.headers, response.body))
            return
        token = token_of(response.body)
        if isinstance(token, SessionFailed):
            self._life.fail(token)
            return
        self._life.keep_token(token, quote(token, safe=""))
        self._connect(token_header(token))

    def unanswered(self, failed: HttpFailed) -> None:
        """Give up; the uplink tries again."""
        detail = f"the request for a temporary token got no answer: {failed.detail}"
        self._life.fail(SessionFailed(failed.category, detail, failed.hint))

    def opened(self, now: float) -> None:
        """The dial succeeded. An open socket is not yet a connection."""
        self.deadline = now + CONNECTED_WITHIN_S

    def connected(self, request_id: str | None) -> None:
        """It is one now."""
        self.deadline = None
        self._life.report(SessionOpened(resumed=False, trace_id=request_id))
        self._life.move(SessionState.STREAMING)

    def dial_failed(self, closed: SocketClosed) -> None:
        """Try another token, or give up."""
        if closed.http_status is None:
            found = verdict(Source.HANDSHAKE, None)
            category = found.category or ErrorCategory.CONNECTIVITY
            detail = f"the connection could not be opened: {closed.reason}"
            self._life.fail(SessionFailed(category, detail, closed.hint or found.hint))
        elif closed.http_status == 401 and 0 < self._tokens < MAX_TOKENS:
            self.request()
        else:
            self._life.fail(failure_of_answer(Source.HANDSHAKE, closed.http_status, closed.headers, closed.body))

    def deadline_reached(self, now: float) -> None:
        """Wait no longer: a service that never says so would swallow the audio."""
        if self.deadline is not None and now >= self.deadline:
            detail = f"the connection opened, and the service was not ready within {CONNECTED_WITHIN_S:g} s"
            self._life.fail(SessionFailed(ErrorCategory.SERVER, detail, SILENT_HINT))

    def _connect(self, authorization: dict[str, str]) -> None:
        self._life.move(SessionState.CONNECTING)
        self._life.act(self._dial(authorization))
