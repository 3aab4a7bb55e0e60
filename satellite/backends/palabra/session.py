"""PalabraSession: one conversation with Palabra, over one WebSocket or in one room.

The parts: Admission gets the connection, Steering has the task run, Sender says what goes out when and Outlet sends it,
Inbox reads what comes in, Jobs does what users ask for, Ending waits for the last words, and Lifecycle holds the state.
The session counts as open once its task runs; until then audio waits.
"""

from satellite.backends.base import (
    HttpFailed,
    HttpResponse,
    SendAudio,
    SessionCounters,
    SessionSetup,
    SessionState,
    SocketClosed,
)
from satellite.backends.ending import Ending
from satellite.backends.inputs import UnaskedInputs
from satellite.backends.lifecycle import Lifecycle
from satellite.backends.outlet import Outlet
from satellite.backends.palabra import messages
from satellite.backends.palabra.admission import Admission
from satellite.backends.palabra.commands import Commands
from satellite.backends.palabra.conversation import Conversation
from satellite.backends.palabra.inbox import Inbox
from satellite.backends.palabra.jobs import Jobs
from satellite.backends.palabra.options import PalabraOptions, wanted_targets
from satellite.backends.palabra.pace import PACE
from satellite.backends.palabra.sender import Sender
from satellite.backends.palabra.steering import START_WITHIN_S, Steering, TaskState
from satellite.backends.palabra.task import task
from satellite.backends.progress import Progress
from satellite.core.audio import RATE_HZ
from satellite.core.events import SessionOpened
from satellite.core.section import Section
from satellite.core.timeline import Timeline
from satellite.errors import LocalMisuse

DRAIN_S = 10.0
"""For the last words, besides the silence after which the service takes the stream for ended."""
QUIET_S = 2.0
"""A translator says what it heard later than others: the end of an utterance waits this long for more."""
FINISH_MARGIN_S = START_WITHIN_S + 30.0
"""For connecting and for the last text, besides the time that the backlog takes."""
NORMAL_CLOSURE = 1000
"""How the service closes behind its last word (reference §4)."""

_UP = (SessionState.CONNECTING, SessionState.STREAMING, SessionState.ENDING)


class _Asking(UnaskedInputs):
    """The part of a session that has nothing to do with a stream."""

    def __init__(self, options: PalabraOptions, setup: SessionSetup) -> None:
        super().__init__(Lifecycle())
        self._admission = Admission(options, setup, self._life)

    def close(self, now: float) -> None:  # noqa: ARG002 - the interface gives every input the time
        """End at once; nothing more is waited for. Legal in every state."""
        self._life.end("closed", expected=True)

    def http_response(self, response: HttpResponse, now: float) -> None:  # noqa: ARG002 - the interface
        """The answer to the request for a session."""
        if self._life.require("http_response", SessionState.REQUESTING):
            self._admission.answered(response)

    def http_failed(self, failure: HttpFailed, now: float) -> None:  # noqa: ARG002 - the interface
        """The request for a session got no answer."""
        if self._life.require("http_failed", SessionState.REQUESTING):
            self._admission.unanswered(failure)


class PalabraSession(_Asking):
    """A BackendSession for Palabra."""

    def __init__(self, options: PalabraOptions, setup: SessionSetup) -> None:
        super().__init__(options, setup)
        self.counters = SessionCounters()
        is_room = options.transport == "webrtc"
        shared = self._shared = Conversation(
            setup,
            self._life,
            self.counters,
            Timeline(),
            Progress(QUIET_S),
            SendAudio if is_room else messages.audio,
            options,
            wanted_targets(setup),
            Ending(options.eos_timeout_s + DRAIN_S, 0.0),
            Commands(),
        )
        self._outlet = Outlet(shared, PACE, has_pongs=not is_room)
        self._steering = Steering(task(options, setup), self._life, shared.commands)
        self._jobs = Jobs(self._life, shared.commands, setup.source_language, setup.speech_language)
        self._inbox = Inbox(shared, self._steering, self._jobs)
        self._sender = Sender(shared, self._outlet, self._steering, self._inbox, self._jobs)
        self._life.before_failure = self._outlet.given_up
        self._finish_by: float | None = None

    def start(self, now: float) -> None:
        """Ask for a session, unless only ends of utterances wait, which need none. Legal in IDLE only."""
        if self._life.state is not SessionState.IDLE:
            raise LocalMisuse(f"start while {self._life.state.value}")
        backlog = self._shared.setup.backlog
        if backlog.samples or backlog.is_empty:
            self._admission.request()
        else:
            self._end_unsent("nothing to send", now)

    def audio_ready(self, now: float) -> None:
        """Send what may be sent by now. Legal in every state."""
        self._sender.pump(now)

    def finish(self, now: float) -> None:
        """Send what waits, end the task, wait (bounded) for the last text. Legal in every state."""
        if self._life.is_final or self._finish_by is not None:
            return
        waiting_s = self._shared.setup.backlog.samples / RATE_HZ
        self._finish_by = now + waiting_s + FINISH_MARGIN_S
        self._sender.finish()
        if self._life.state in (SessionState.STREAMING, SessionState.ENDING):
            self._sender.pump(now)
        elif not waiting_s:
            self._end_unsent("finished", now)
        elif self._life.state is SessionState.IDLE:
            self._admission.request()

    def socket_opened(self, now: float) -> None:
        """The stream is there, or the room with the translator in it: ask for the task."""
        if self._life.require("socket_opened", SessionState.CONNECTING):
            self.counters.connections += 1
            self._steering.ask(now)
            self._sender.pump(now)

    def message(self, data: str | bytes, now: float) -> None:
        """The service says something."""
        if not self._life.require("message", *_UP):
            return
        self._outlet.heard(now)
        if self._shared.ending.has_begun:
            self._shared.ending.heard(now)
        if self._inbox.take(data, now):
            self._begun(now)
        self._conclude(now)
        self._sender.pump(now)

    def pong(self, number: int, now: float) -> None:
        """The service has read all that was sent before this ping."""
        if self._life.require("pong", *_UP):
            self._outlet.arrived(number, now)
            self._sender.pump(now)

    def track_audio(self, track: str, pcm: bytes, now: float) -> None:
        """Speech came on a track of the room."""
        if self._life.require("track_audio", *_UP):
            self._inbox.track_audio(track, pcm, now)
            if self._shared.ending.has_begun and now < self._inbox.sounds_until:
                self._shared.ending.heard(now)

    def socket_closed(self, closed: SocketClosed, now: float) -> None:
        """The connection is gone or was never made; none is ever rejoined (reference §14)."""
        self._life.has_socket = False
        if not self._life.require("socket_closed", *_UP):
            return
        if not closed.was_open:
            self._admission.dial_failed(closed)
            return
        self._outlet.lost()
        was_paused = self._life.state is SessionState.STREAMING and self._steering.state is not TaskState.RUNNING
        has_said_all = closed.code == NORMAL_CLOSURE or self._sender.is_at_rest(now)
        if self._inbox.is_over or (self._shared.ending.has_begun and has_said_all):
            self._inbox.conclude()
            self._life.end(self._shared.ending.reason or "ended by the service", expected=True)
        elif was_paused or (self._life.state is SessionState.STREAMING and self._sender.is_at_rest(now)):
            # how long a pause may last is not said anywhere: what has been said since then waits for the next session
            self._life.end("lost while nobody spoke", expected=True)
        else:
            self._life.lost(f"closed with {closed.code} {closed.reason}")
            self._life.fail(self._inbox.cause(closed.code, closed.reason, now))

    def run_action(self, action: str, arguments: Section, now: float) -> None:  # noqa: ARG002 - the arguments tell
        """Say something, or be silent."""
        self._jobs.ask(arguments)
        if self._life.is_final or self._shared.ending.has_begun:
            self._jobs.over("the session ends")
        self._sender.pump(now)

    def next_deadline(self) -> float | None:
        """When something is to be done without an input."""
        if self._life.is_final:
            return None
        deadlines = (
            self._sender.deadline,
            self._outlet.deadline,
            self._inbox.deadline,
            self._jobs.deadline,
            self._shared.ending.deadline,
            self._inbox.sounds_until if self._inbox.is_over else None,
            self._finish_by,
        )
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def deadline_reached(self, now: float) -> None:
        """Do what is due."""
        if self._life.is_final:
            return
        self._outlet.deadline_reached(now)
        self._inbox.deadline_reached(now)
        self._jobs.deadline_reached(now)
        self._sender.pump(now)
        self._conclude(now)
        if any(by is not None and now >= by for by in (self._shared.ending.deadline, self._finish_by)):
            self._life.end("unconfirmed", expected=True)

    # --- inside ------------------------------------------------------------------------------------------------

    def _begun(self, now: float) -> None:
        """The task runs: at first, or after a pause, when the service may count its stream anew."""
        if self._life.state is SessionState.CONNECTING:
            self._life.move(SessionState.STREAMING)
            self._life.report(SessionOpened(resumed=False))
        else:
            self._shared.timeline.reconnected()
        self._sender.began(now)

    def _conclude(self, now: float) -> None:
        """The service has said all, and what it said on a track was heard."""
        if self._inbox.is_over and now >= self._inbox.sounds_until:
            ending = self._shared.ending
            self._life.end(ending.reason or "ended by the service", expected=ending.has_begun)

    def _end_unsent(self, reason: str, now: float) -> None:
        self._sender.take_marks(now)
        self._inbox.conclude()
        self._life.end(reason, expected=True)
