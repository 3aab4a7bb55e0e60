"""DeepLSession: one conversation with the DeepL Voice API, over as many connections as it takes.

The parts: Admission gets connections, Sender says what goes out when and Outlet sends it, Inbox reads what comes in,
Ending waits for the last words, and Lifecycle holds the state with its table of moves. The driver's inputs are led to
them here.
"""

from satellite.backends.base import (
    HttpFailed,
    HttpResponse,
    SessionCounters,
    SessionSetup,
    SessionState,
    SocketClosed,
)
from satellite.backends.deepl.admission import Admission
from satellite.backends.deepl.conversation import Conversation
from satellite.backends.deepl.inbox import Inbox
from satellite.backends.deepl.messages import codec_for
from satellite.backends.deepl.options import DeepLOptions
from satellite.backends.deepl.pace import PACE
from satellite.backends.deepl.sender import Sender
from satellite.backends.deepl.timers import Timers
from satellite.backends.ending import Ending
from satellite.backends.inputs import UnaskedInputs
from satellite.backends.lifecycle import Lifecycle
from satellite.backends.outlet import Outlet
from satellite.backends.progress import Progress
from satellite.core.audio import RATE_HZ
from satellite.core.events import SessionOpened
from satellite.core.timeline import Timeline
from satellite.errors import LocalMisuse

DRAIN_TEXT_S = 10.0
"""Without a message for this long after the end of the stream, none comes any more (voice reference §11)."""
DRAIN_SPEECH_S = 20.0
"""The same where speech is still being made."""
DRAIN_RESUMED_S = 5.0
"""After a reconnect in this phase nobody knows whether anything comes at all (§6.3)."""
FINISH_MARGIN_S = 30.0
"""For connecting and for the last text, besides the time that the backlog takes."""


class DeepLSession(UnaskedInputs):
    """A BackendSession for the DeepL Voice API."""

    def __init__(self, options: DeepLOptions, setup: SessionSetup) -> None:
        super().__init__(Lifecycle())
        self.counters = SessionCounters()
        self._ending = Ending(DRAIN_TEXT_S if setup.speech_language is None else DRAIN_SPEECH_S, DRAIN_RESUMED_S)
        self._progress = Progress()
        self._timeline = Timeline()
        self._backlog = setup.backlog
        codec = codec_for(options.message_format)
        shared = Conversation(
            setup, self._life, self.counters, self._timeline, self._progress, codec.chunk, codec, self._ending
        )
        self._admission = Admission(options, setup, self._life)
        self._outlet = Outlet(shared, PACE)
        self._timers = Timers(setup.idle_close_s, self._ending.drain_s)
        self._sender = Sender(shared, self._outlet, self._timers)
        self._inbox = Inbox(shared, options.speech_media)
        self._life.before_failure = self._outlet.given_up
        self._finish_by: float | None = None

    def start(self, now: float) -> None:
        """Ask for a session, unless only ends of utterances wait, which need none. Legal in IDLE only."""
        if self._life.state is not SessionState.IDLE:
            raise LocalMisuse(f"start while {self._life.state.value}")
        if self._backlog.samples or self._backlog.is_empty:
            self._admission.request()
        else:
            self._sender.take_marks(now)
            self._inbox.conclude()
            self._life.end("nothing to send", expected=True)

    def audio_ready(self, now: float) -> None:
        """Send what may be sent by now. Legal in every state."""
        self._sender.pump(now)

    def finish(self, now: float) -> None:
        """Send what waits, end the stream, wait (bounded) for the last text. Legal in every state."""
        if self._life.is_final or self._finish_by is not None:
            return
        self._finish_by = now + self._backlog.samples / RATE_HZ / PACE.speed + FINISH_MARGIN_S
        self._sender.finish()
        has_result_to_come = self.counters.connections > 0 and (self._progress.is_pending or self._inbox.is_pending)
        if self._life.state in (SessionState.STREAMING, SessionState.ENDING) or has_result_to_come:
            self._sender.pump(now)
        elif not self._backlog.samples:
            self._sender.take_marks(now)
            self._inbox.conclude()
            self._life.end("finished", expected=True)
        elif self._life.state is SessionState.IDLE:
            self._admission.request()

    def close(self, now: float) -> None:  # noqa: ARG002 - the interface gives every input the time
        """End at once; nothing more is waited for. Legal in every state."""
        self._life.end("closed", expected=True)

    def http_response(self, response: HttpResponse, now: float) -> None:
        """The answer to POST or GET."""
        if self._life.require("http_response", SessionState.REQUESTING):
            self._admission.answered(response, now)

    def http_failed(self, failure: HttpFailed, now: float) -> None:
        """POST or GET got no answer."""
        if self._life.require("http_failed", SessionState.REQUESTING):
            self._admission.unanswered(failure, now)

    def socket_opened(self, now: float) -> None:
        """The handshake succeeded."""
        if not self._life.require("socket_opened", SessionState.CONNECTING):
            return
        resumed = self.counters.connections > 0
        self.counters.connections += 1
        self._life.report(SessionOpened(resumed, self._admission.trace_id))
        self._admission.opened(now)
        if resumed:
            self.counters.resumes += 1
            self._timers.resumed(now)
            self._outlet.resumed()
            self._timeline.reconnected()
            self._progress.resumed(now)
            self._inbox.reconnected()
        else:
            self._timers.opened(now)
        if self._ending.has_begun:
            self._life.move(SessionState.ENDING)
            self._ending.resumed(now)
        else:
            self._life.move(SessionState.STREAMING)
            self._sender.pump(now)

    def message(self, data: str | bytes, now: float) -> None:
        """A TEXT or BINARY message arrived."""
        if self._life.require("message", SessionState.STREAMING, SessionState.ENDING):
            self._ending.heard(now)
            self._outlet.heard(now)
            self._inbox.take(data, now)
            self._sender.pump(now)

    def pong(self, number: int, now: float) -> None:
        """The service has read all that was sent before this ping."""
        if self._life.require("pong", SessionState.STREAMING, SessionState.ENDING):
            self._admission.took_audio()
            self._outlet.arrived(number, now)
            self._sender.pump(now)

    def socket_closed(self, closed: SocketClosed, now: float) -> None:
        """The connection is gone or was never made."""
        self._life.has_socket = False
        if not self._life.require(
            "socket_closed", SessionState.CONNECTING, SessionState.STREAMING, SessionState.ENDING
        ):
            return
        if self._life.state is SessionState.CONNECTING:
            self._admission.dial_failed(closed, now, self._outlet.last_data_at)
            return
        self._outlet.lost()
        is_pending = self._progress.is_pending or self._inbox.is_pending
        if self._ending.has_begun and (self._ending.was_resumed or not is_pending):
            self._life.end("unconfirmed", expected=True)
            return
        self._life.lost(f"closed with {closed.code} {closed.reason}")
        if is_pending or self._backlog.samples or self._finish_by is not None or not self._timers.is_at_rest(now):
            self._admission.lost(closed, now, self._outlet.last_data_at)
        else:
            self._life.end("lost while nobody spoke", expected=True)

    def next_deadline(self) -> float | None:
        """When something is to be done without an input."""
        if self._life.is_final:
            return None
        deadlines = (
            self._admission.deadline,
            self._sender.deadline,
            self._outlet.deadline,
            self._ending.deadline,
            self._finish_by,
        )
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def deadline_reached(self, now: float) -> None:
        """Do what is due."""
        if self._life.is_final:
            return
        self._admission.deadline_reached(now)
        self._outlet.deadline_reached(now)
        self._sender.pump(now)
        if any(by is not None and now >= by for by in (self._ending.deadline, self._finish_by)):
            self._life.end("unconfirmed", expected=True)
