"""VurboSession: one conversation with the Vurbo voice-translation API, over one connection.

The parts: Admission gets the connection, Wishes say how the session should be, Commander asks for it one command at a
time, Sender says what audio goes out when and Outlet sends it, Inbox reads what comes in, Sentences makes segments of
it, Deeds does what users ask for, and Lifecycle holds the state with its table of moves. There is no way back into a
session whose connection is gone (reference §10.1): it fails, and the next one begins with the wishes of this one.
"""

import functools

from satellite.backends.base import (
    HttpFailed,
    HttpResponse,
    SessionCounters,
    SessionSetup,
    SessionState,
    SocketClosed,
)
from satellite.backends.ending import Ending
from satellite.backends.inputs import UnaskedInputs
from satellite.backends.lifecycle import Lifecycle
from satellite.backends.line import Line
from satellite.backends.outlet import Outlet
from satellite.backends.progress import Progress
from satellite.backends.vurbo.admission import Admission
from satellite.backends.vurbo.clips import Clips
from satellite.backends.vurbo.commands import Command, Commander, Outcome
from satellite.backends.vurbo.deeds import Deeds
from satellite.backends.vurbo.failures import failure_of
from satellite.backends.vurbo.inbox import Inbox
from satellite.backends.vurbo.messages import HEALTH, action_message, audio_message
from satellite.backends.vurbo.options import VurboOptions
from satellite.backends.vurbo.pace import PACE
from satellite.backends.vurbo.sender import Crew, Sender
from satellite.backends.vurbo.sentences import Sentences
from satellite.backends.vurbo.speaking import Speaking
from satellite.backends.vurbo.talk import Talk
from satellite.backends.vurbo.timers import Timers
from satellite.backends.vurbo.wishes import Wishes
from satellite.core.audio import RATE_HZ
from satellite.core.events import SessionFailed, SessionOpened
from satellite.core.section import Section
from satellite.core.timeline import Timeline
from satellite.errors import ErrorCategory, LocalMisuse

STORED_S = 120.0
"""From `stop` until the recording is stored, at the most (reference §7)."""
HURRIED_S = 10.0
"""The same when somebody speaks: what is said now is worth more than a recording that may be stored anyway."""
FINISH_MARGIN_S = 30.0
"""For connecting and for the last text, besides the time that the backlog takes."""

_UP = (SessionState.STREAMING, SessionState.ENDING)


class VurboSession(UnaskedInputs):
    """A BackendSession for the Vurbo voice-translation API."""

    def __init__(self, options: VurboOptions, setup: SessionSetup) -> None:
        life = Lifecycle()
        super().__init__(life)
        self.counters = SessionCounters()
        self._backlog = setup.backlog
        self._ending = Ending(STORED_S, 0.0)
        self._wishes = Wishes(options, setup)
        line = Line(setup, life, self.counters, Timeline(), Progress(), audio_message)
        self._outlet = Outlet(line, PACE)
        self._commander = Commander(functools.partial(_transmit, life, self._outlet))
        common = (line.setup, line.life, line.counters, line.timeline, line.progress, line.wrap)
        talk = self._talk = Talk(*common, self._wishes, self._commander, self._ending)
        self._admission = Admission(options, life)
        self._timers = Timers(setup.idle_close_s)
        self._sentences = Sentences(talk)
        self._inbox = Inbox(talk, self._sentences, Clips(talk, self._sentences))
        speaking = Speaking(self._wishes, self._commander, life)
        self._deeds = Deeds(talk, speaking, self._timers, self._sentences)
        crew = Crew(self._outlet, self._timers, speaking, self._deeds, self._sentences)
        self._sender = Sender(talk, crew)
        life.before_failure = self._outlet.given_up
        self._finish_by: float | None = None

    def start(self, now: float) -> None:
        """Ask for a ticket, unless only ends of utterances wait, which need no session. Legal in IDLE only."""
        if self._life.state is not SessionState.IDLE:
            raise LocalMisuse(f"start while {self._life.state.value}")
        if self._backlog.samples or self._backlog.is_empty:
            self._admission.request()
        else:
            self._end_unused("nothing to send", now)

    def audio_ready(self, now: float) -> None:
        """Send what may be sent by now. Legal in every state."""
        if self._life.state is SessionState.ENDING and self._backlog.samples:
            self._ending.hurry(HURRIED_S, now)
        self._sender.pump(now)

    def finish(self, now: float) -> None:
        """Send what waits, end the session, wait (bounded) for the last text. Legal in every state."""
        if self._life.is_final or self._finish_by is not None:
            return
        self._finish_by = now + self._backlog.samples / RATE_HZ / PACE.speed + FINISH_MARGIN_S
        self._sender.finish()
        if self._life.state in _UP or self._timers.heartbeat_at is not None:
            self._sender.pump(now)
        elif not self._backlog.samples:
            self._end_unused("finished", now)
        elif self._life.state is SessionState.IDLE:
            self._admission.request()

    def close(self, now: float) -> None:  # noqa: ARG002 - the interface gives every input the time
        """End at once; nothing more is waited for. Legal in every state."""
        self._life.end("closed", expected=True)

    def http_response(self, response: HttpResponse, now: float) -> None:  # noqa: ARG002 - the interface
        """The answer with the ticket."""
        if self._life.require("http_response", SessionState.REQUESTING):
            self._admission.answered(response)

    def http_failed(self, failure: HttpFailed, now: float) -> None:  # noqa: ARG002 - the interface
        """No ticket came."""
        if self._life.require("http_failed", SessionState.REQUESTING):
            self._admission.unanswered(failure)

    def socket_opened(self, now: float) -> None:
        """The handshake succeeded: the client speaks first."""
        if self._life.require("socket_opened", SessionState.CONNECTING):
            self._timers.opened(now)
            self._commander.insist(Command("start", self._wishes.start(), self._started), now)
            self._commander.open(now)

    def message(self, data: str | bytes, now: float) -> None:
        """A TEXT or BINARY message arrived."""
        if self._life.require("message", SessionState.CONNECTING, *_UP):
            self._outlet.heard(now)
            self._inbox.take(data, now)
            self._sender.pump(now)

    def pong(self, number: int, now: float) -> None:
        """The service has read all that was sent before this ping."""
        if self._life.require("pong", *_UP):
            self._outlet.arrived(number, now)
            self._sender.pump(now)

    def socket_closed(self, closed: SocketClosed, now: float) -> None:  # noqa: ARG002 - the interface
        """The connection is gone or was never made."""
        self._life.has_socket = False
        if not self._life.require("socket_closed", SessionState.CONNECTING, *_UP):
            return
        reason = f"closed with {closed.code} {closed.reason}"
        if self._life.state is SessionState.CONNECTING:
            if closed.was_open:
                detail = f"the service closed the stream before the session began ({reason})"
                self._life.fail(SessionFailed(ErrorCategory.SERVER, detail))
            else:
                self._admission.dial_failed(closed)
            return
        self._outlet.lost()
        progress = self._talk.progress
        if self._ending.has_begun and not (progress.is_tentative or progress.awaits_answer or self._sentences.owes):
            self._inbox.conclude()
            self._life.end("unconfirmed", expected=True)
            return
        self._life.lost(reason)
        is_pending = progress.is_pending or self._sentences.owes
        if is_pending or self._backlog.samples or self._finish_by is not None:
            self._life.fail(SessionFailed(ErrorCategory.CONNECTIVITY, f"the connection was lost: {reason}"))
        else:
            self._life.end("lost while nobody spoke", expected=True)

    def run_action(self, action: str, arguments: Section, now: float) -> None:
        """Something that a user asks for."""
        self._deeds.run(action, arguments, now)
        self._sender.pump(now)

    def next_deadline(self) -> float | None:
        """When something is to be done without an input."""
        if self._life.is_final:
            return None
        deadlines = (
            self._timers.heartbeat_at,
            self._commander.deadline,
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
        beat_at = self._timers.heartbeat_at
        if beat_at is not None and now >= beat_at:
            self._life.act(HEALTH)
            self._timers.beat(now)
        self._commander.deadline_reached(now)
        self._outlet.deadline_reached(now)
        self._sender.pump(now)
        if any(by is not None and now >= by for by in (self._ending.deadline, self._finish_by)):
            is_stored = self._inbox.is_complete and self._ending.reason is not None
            self._life.end((is_stored and self._ending.reason) or "unconfirmed", expected=True)

    # --- inside ------------------------------------------------------------------------------------------------

    def _started(self, outcome: Outcome, now: float) -> None:
        """`start` was answered."""
        if outcome.reason is not None:
            failure = SessionFailed(ErrorCategory.SERVER, f"start: {outcome.reason}")
            self._life.fail(failure if outcome.code is None else failure_of(outcome.code, "start"))
            return
        self._life.move(SessionState.STREAMING)
        self.counters.connections += 1
        self._life.report(SessionOpened(resumed=False, trace_id=self._inbox.task_id or None))
        self._timers.started(now)
        self._deeds.begin(now)

    def _end_unused(self, reason: str, now: float) -> None:
        """No connection was ever made, and none is needed."""
        self._sender.take_marks(now)
        self._inbox.conclude()
        self._life.end(reason, expected=True)


def _transmit(life: Lifecycle, outlet: Outlet, command: Command, now: float) -> None:
    """Send a command; `stop` goes behind what the encoder keeps back."""
    message = action_message(command.action, command.fields)
    if command.action == "stop":
        outlet.end(message, now)
    else:
        life.act(message)
