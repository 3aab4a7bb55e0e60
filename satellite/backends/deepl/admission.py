"""Admission: how a DeepL session gets its connections, and when it may have another one (voice reference §6).

POST opens the session; each answer's token is kept before it is used for exactly one dial, and dialled in the very
step in which it arrives, so that it is never stale. After a lost connection the newest token is presented by GET, one
request at a time, as long as the service can be expected to still know the session. What no GET may mend fails the
session with a category that lets the uplink open a new one; unsent audio is still in the backlog.
"""

from collections import deque
from urllib.parse import quote

from satellite.backends.answers import retry_after_s
from satellite.backends.base import (
    HttpFailed,
    HttpResponse,
    OpenSocket,
    SessionSetup,
    SessionState,
    SocketClosed,
)
from satellite.backends.deepl.failures import (
    Rejoin,
    Source,
    failure_of_answer,
    trace_id,
    verdict,
)
from satellite.backends.deepl.options import DeepLOptions
from satellite.backends.deepl.requests import REJOIN_TIMEOUT_S, Ticket, rejoin_request, session_request, ticket_of
from satellite.backends.lifecycle import Lifecycle
from satellite.core.events import SessionFailed
from satellite.errors import ErrorCategory, LocalMisuse

RESUME_BUDGET_S = 25.0
"""After the last data sent. The service ends a session after 30 s without any."""
MAX_REJOINS = 5
REJOIN_WINDOW_S = 60.0
QUICK_CLOSE_S = 2.0
"""A connection that lives no longer was not wanted by the service, whatever it said."""
FIRST_RETRY_S = 1.0


class Admission:
    """Asks, dials, and keeps the token."""

    def __init__(self, options: DeepLOptions, setup: SessionSetup, life: Lifecycle) -> None:
        self._options = options
        self._setup = setup
        self._life = life
        self._asked: Source | None = None
        self._token = ""
        self._with_formality = options.formality != "default"
        self._rejoins: deque[float] = deque()
        self._retry = _Retry()
        self._known_at = 0.0
        self._has_connected = False
        self._has_worked = False
        self._quick_closes = 0
        self._policy_closes = 0
        self._failed_dials = 0
        self.trace_id: str | None = None
        life.keep_secret(options.api_key.get_secret_value())

    @property
    def deadline(self) -> float | None:
        """When to ask again."""
        return self._retry.at

    def request(self) -> None:
        """Ask for a new session."""
        self._life.move(SessionState.REQUESTING)
        self._post()

    def answered(self, response: HttpResponse, now: float) -> None:
        """Dial, ask again, or give up."""
        source = self._take_asked()
        self.trace_id = trace_id(response.headers) or self.trace_id
        if 200 <= response.status < 300:
            self._dial(response, now)
        elif source is Source.OPEN and response.status == 400 and self._with_formality:
            # A target without formality may be answered so (§20): the translation matters more than its tone.
            self._with_formality = False
            self._post()
        else:
            self._refused(source, response, now)

    def unanswered(self, failure: HttpFailed, now: float) -> None:
        """Ask again, or give up."""
        source = self._take_asked()
        failed = SessionFailed(failure.category, f"{source.value} got no answer: {failure.detail}", failure.hint)
        if source is Source.OPEN:
            self._life.fail(failed)
        else:
            self._ask_later(failed, now, may_have_rotated=failure.was_sent)

    def opened(self, now: float) -> None:
        """The dial succeeded."""
        self._known_at = now
        self._has_connected = True
        self._failed_dials = 0

    def took_audio(self) -> None:
        """The service has read audio of this session."""
        self._has_worked = True

    def dial_failed(self, closed: SocketClosed, now: float, last_data_at: float | None) -> None:
        """The token is used up for dialling; GET is tried once where there is something to go back to."""
        self._failed_dials += 1
        found = verdict(Source.HANDSHAKE, closed.http_status)
        answer = closed.reason if closed.http_status is None else f"answered {closed.http_status}"
        detail = f"the stream could not be opened: {answer}"
        if found.rejoin is Rejoin.NEVER or self._failed_dials > 1 or not self._has_connected:
            self._life.fail(SessionFailed(found.category, detail, closed.hint or found.hint))
        else:
            self._rejoin(now, last_data_at, is_last_try=True)

    def lost(self, closed: SocketClosed, now: float, last_data_at: float | None) -> None:
        """The connection ended unasked: rejoin the session, or give it up.

        One quick close is forgiven where there is something to go back to; the next try is the back-off's business.
        """
        found = verdict(Source.CLOSE, closed.code)
        if now - self._known_at <= QUICK_CLOSE_S:
            self._quick_closes += 1
        else:
            self._quick_closes, self._has_worked = 0, True
        self._policy_closes += found.rejoin is Rejoin.ONCE
        if self._policy_closes > 1 or self._quick_closes > self._has_worked:
            self._life.fail(
                SessionFailed(ErrorCategory.SERVER, f"the service keeps closing the stream ({closed.code})")
            )
        else:
            self._rejoin(now, last_data_at, is_last_try=found.rejoin is Rejoin.ONCE)

    def deadline_reached(self, now: float) -> None:
        """Ask again when it is time."""
        if self._retry.at is not None and now >= self._retry.at:
            self._get(now)

    def _take_asked(self) -> Source:
        asked, self._asked = self._asked, None
        if asked is None:
            raise LocalMisuse("an HTTP answer without a request")
        return asked

    def _post(self) -> None:
        self._asked = Source.OPEN
        self._life.act(session_request(self._options, self._setup, with_formality=self._with_formality))

    def _get(self, now: float) -> None:
        self._asked = Source.REJOIN
        self._retry.at = None
        timeout_s = max(1.0, min(REJOIN_TIMEOUT_S, self._retry.until - now))
        self._life.act(rejoin_request(self._options, self._token, timeout_s))

    def _dial(self, response: HttpResponse, now: float) -> None:
        ticket = ticket_of(response.body, self._options.base_url)
        if not isinstance(ticket, Ticket):
            self._life.fail(ticket)
            return
        self._token = ticket.token
        self._life.keep_token(ticket.token, quote(ticket.token, safe=""))
        self._known_at = now
        self._life.move(SessionState.CONNECTING)
        self._life.act(OpenSocket(ticket.url))

    def _refused(self, source: Source, response: HttpResponse, now: float) -> None:
        wants_speech = self._setup.speech_language is not None
        failure = failure_of_answer(source, response.status, response.headers, response.body, wants_speech=wants_speech)
        if verdict(source, response.status).rejoin is Rejoin.NEVER:
            self._life.fail(failure)
        else:
            self._ask_later(failure, now, may_have_rotated=True, wait_s=retry_after_s(response.headers) or 0.0)

    def _rejoin(self, now: float, last_data_at: float | None, *, is_last_try: bool) -> None:
        """Present the newest token. Only after the socket is gone: asking would end it."""
        while self._rejoins and self._rejoins[0] <= now - REJOIN_WINDOW_S:
            self._rejoins.popleft()
        until = (self._known_at if last_data_at is None else last_data_at) + RESUME_BUDGET_S
        if now >= until:
            detail = "the connection was lost too long after the last audio to be resumed"
            self._life.fail(SessionFailed(ErrorCategory.CONNECTIVITY, detail))
        elif len(self._rejoins) >= MAX_REJOINS:
            detail = f"the connection was lost {MAX_REJOINS + 1} times within {REJOIN_WINDOW_S:.0f} s"
            # each of them lived for a while, so this is the network's weather
            self._life.fail(SessionFailed(ErrorCategory.CONNECTIVITY, detail))
        else:
            self._retry = _Retry(until=until, is_last_try=is_last_try)
            self._life.move(SessionState.REQUESTING)
            # the first time at once; a connection that keeps breaking is asked for less and less often
            at = now + (FIRST_RETRY_S * 2.0 ** (len(self._rejoins) - 1) if self._rejoins else 0.0)
            self._rejoins.append(now)
            self._retry.at = min(at, until)
            self.deadline_reached(now)

    def _ask_later(self, failure: SessionFailed, now: float, *, may_have_rotated: bool, wait_s: float = 0.0) -> None:
        """Present the same token again after a pause; once only when it may be outdated by now (§6.4)."""
        at = self._retry.next_at(now, wait_s, may_have_rotated=may_have_rotated)
        if at is None:
            self._life.fail(failure)
        self._retry.at = at


class _Retry:
    """The pauses between the GETs of one resumption."""

    def __init__(self, *, until: float = 0.0, is_last_try: bool = False) -> None:
        self.at: float | None = None
        self.until = until
        self._is_last_try = is_last_try
        self._pause_s = FIRST_RETRY_S

    def next_at(self, now: float, wait_s: float, *, may_have_rotated: bool) -> float | None:
        """When to ask once more, None for never."""
        at = now + max(self._pause_s, wait_s)
        if self._is_last_try or at >= self.until:
            return None
        self._pause_s *= 2
        self._is_last_try = may_have_rotated
        return at
