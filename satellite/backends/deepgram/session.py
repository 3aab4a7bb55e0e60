"""DeepgramSession: one connection to Deepgram Flux, which knows no resuming.

The parts: Admission gets the connection, Sender says what goes out when (Closing ends turns, Outlet sends audio), Inbox
reads what comes in, Turns makes text of it, Tuning and Force do what users ask for, and Ending waits for the last
words. The driver's inputs are led to them here.
"""

from functools import partial
from typing import cast

from satellite.backends.base import (
    HttpFailed,
    HttpResponse,
    SendBytes,
    SessionCounters,
    SessionSetup,
    SessionState,
    SocketClosed,
)
from satellite.backends.deepgram.actions import CONFIGURE, FORCE_END_TURN, Configure, changed, settings_of
from satellite.backends.deepgram.admission import Admission
from satellite.backends.deepgram.conversation import Conversation
from satellite.backends.deepgram.failures import Source, failure
from satellite.backends.deepgram.force import Force
from satellite.backends.deepgram.inbox import Inbox
from satellite.backends.deepgram.languages import hints_for, model_for
from satellite.backends.deepgram.manners import Manners
from satellite.backends.deepgram.options import DeepgramOptions
from satellite.backends.deepgram.pace import PACE
from satellite.backends.deepgram.requests import dial
from satellite.backends.deepgram.sender import Sender
from satellite.backends.deepgram.tuning import Tuning
from satellite.backends.deepgram.turns import Turns
from satellite.backends.ending import Ending
from satellite.backends.inputs import UnaskedInputs
from satellite.backends.lifecycle import Lifecycle
from satellite.backends.line import Line
from satellite.backends.outlet import Outlet
from satellite.backends.progress import Progress
from satellite.core.audio import RATE_HZ
from satellite.core.section import Section
from satellite.core.timeline import Timeline
from satellite.errors import LocalMisuse

DRAIN_S = 3.0
"""Without a message for this long after CloseStream, none comes any more; usually the service closes before."""
FINISH_MARGIN_S = 20.0
"""For connecting, for the end of the turn and for the last text, besides the time that the backlog takes."""


class DeepgramSession(UnaskedInputs):
    """A BackendSession for Deepgram Flux."""

    def __init__(self, options: DeepgramOptions, setup: SessionSetup, manners: Manners | None = None) -> None:
        super().__init__(Lifecycle())
        self.counters = SessionCounters()
        manners = manners or Manners()
        self._backlog = setup.backlog
        settings = settings_of(options, hints_for(setup.source_language, options.language_hints))
        if CONFIGURE in setup.standing:
            settings = changed(settings, setup.standing[CONFIGURE])
        hints = settings.language_hints or ()
        model = model_for(options.model, setup.source_language, hints)
        line = Line(setup, self._life, self.counters, Timeline(), Progress(), SendBytes)
        self._shared = Conversation(
            line,
            Turns(line, hints_for(setup.source_language, hints)),
            Force(self._life, manners if options.force_end_turn else Manners(forces_turns=False)),
            Tuning(self._life, manners, settings, model),
            Ending(DRAIN_S, DRAIN_S),
        )
        self._admission = Admission(options, self._life, partial(dial, options, model, settings))
        self._outlet = Outlet(line, PACE)
        self._sender = Sender(self._shared, self._outlet)
        self._inbox = Inbox(self._shared, self._admission, self._sender)
        self._life.before_failure = self._sender.given_up
        self._finish_by: float | None = None

    def start(self, now: float) -> None:
        """Ask for a connection, unless only ends of utterances wait, which need none. Legal in IDLE only."""
        if self._life.state is not SessionState.IDLE:
            raise LocalMisuse(f"start while {self._life.state.value}")
        if self._backlog.samples or self._backlog.is_empty:
            self._admission.request()
        else:
            self._sender.take_marks(now)
            self._shared.end("nothing to send")

    def audio_ready(self, now: float) -> None:
        """Send what may be sent by now. Legal in every state."""
        self._sender.pump(now)

    def finish(self, now: float) -> None:
        """Send what waits, end the turn, wait (bounded) for the last text. Legal in every state."""
        if self._life.is_final or self._finish_by is not None:
            return
        self._finish_by = now + self._backlog.samples / RATE_HZ / PACE.speed + FINISH_MARGIN_S
        self._sender.finish()
        if self._life.state in (SessionState.STREAMING, SessionState.ENDING):
            self._sender.pump(now)
        elif not self._backlog.samples:
            self._sender.take_marks(now)
            self._shared.end("finished")
        elif self._life.state is SessionState.IDLE:
            self._admission.request()

    def close(self, now: float) -> None:  # noqa: ARG002 - the interface gives every input the time
        """End at once; nothing more is waited for. Legal in every state."""
        if not self._life.is_final:
            self._shared.end("closed")

    def http_response(self, response: HttpResponse, now: float) -> None:  # noqa: ARG002 - the interface
        """A temporary token, or none."""
        if self._life.require("http_response", SessionState.REQUESTING):
            self._admission.answered(response)

    def http_failed(self, failure: HttpFailed, now: float) -> None:  # noqa: ARG002 - the interface
        """Nobody answered."""
        if self._life.require("http_failed", SessionState.REQUESTING):
            self._admission.unanswered(failure)

    def socket_opened(self, now: float) -> None:
        """The handshake succeeded; `Connected` is to follow."""
        if self._life.require("socket_opened", SessionState.CONNECTING):
            self.counters.connections += 1
            self._admission.opened(now)

    def message(self, data: str | bytes, now: float) -> None:
        """A message arrived."""
        if not self._life.require("message", SessionState.CONNECTING, SessionState.STREAMING, SessionState.ENDING):
            return
        self._shared.ending.heard(now)
        self._outlet.heard(now)
        self._inbox.take(data, now)
        self._sender.heard()
        self._sender.pump(now)

    def pong(self, number: int, now: float) -> None:
        """The service has read all that was sent before this ping."""
        if self._life.require("pong", SessionState.STREAMING, SessionState.ENDING):
            self._outlet.arrived(number, now)
            self._sender.pump(now)

    def socket_closed(self, closed: SocketClosed, now: float) -> None:  # noqa: ARG002 - the interface
        """The connection is gone or was never made."""
        self._life.has_socket = False
        if not self._life.require(
            "socket_closed", SessionState.CONNECTING, SessionState.STREAMING, SessionState.ENDING
        ):
            return
        if not closed.was_open:
            self._admission.dial_failed(closed)
            return
        self._outlet.lost()
        if self._life.state is SessionState.ENDING:
            # the service ends with or without a status, and says no last word (§10)
            self._shared.end(self._shared.ending.reason or "ended")
        elif self._life.state is SessionState.STREAMING and not self._is_busy:
            self._shared.end("lost while nobody spoke")
        else:
            detail = f"the connection was closed with {closed.code} {closed.reason}"
            self._life.fail(failure(Source.CLOSE, closed.code, detail))

    def run_action(self, action: str, arguments: Section, now: float) -> None:
        """Change settings, or end the turn."""
        if action == CONFIGURE:
            self._shared.tuning.ask(cast("Configure", arguments))
            self._sender.pump(now)
        elif action == FORCE_END_TURN:
            self._shared.force.ask(now, is_turn_open=self._shared.turns.is_open)
        else:
            super().run_action(action, arguments, now)

    def next_deadline(self) -> float | None:
        """When something is to be done without an input."""
        if self._life.is_final:
            return None
        deadlines = (
            self._admission.deadline,
            self._sender.deadline,
            self._outlet.deadline,
            self._shared.force.deadline,
            self._shared.tuning.deadline,
            self._shared.ending.deadline,
            self._finish_by,
        )
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def deadline_reached(self, now: float) -> None:
        """Do what is due."""
        if self._life.is_final:
            return
        self._admission.deadline_reached(now)
        self._outlet.deadline_reached(now)
        self._shared.force.deadline_reached(now)
        self._shared.tuning.deadline_reached(now)
        self._sender.pump(now)
        if any(by is not None and now >= by for by in (self._shared.ending.deadline, self._finish_by)):
            self._shared.end("unconfirmed")

    @property
    def _is_busy(self) -> bool:
        """True while something is said, or an answer is to come."""
        is_pending = self._shared.turns.is_open or self._shared.line.progress.is_pending
        return is_pending or bool(self._backlog.samples) or self._finish_by is not None
