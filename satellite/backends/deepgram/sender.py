"""Sender: what goes out on an open connection, and when: audio, ends of turns, and the end (Flux reference §8, §10).

There is always one next step and the time it is due; `pump` takes all steps that are due.
"""

from collections.abc import Callable
from typing import cast

from satellite.backends.base import SessionState
from satellite.backends.deepgram.closing import Closing
from satellite.backends.deepgram.conversation import Conversation
from satellite.backends.deepgram.messages import CLOSE_STREAM
from satellite.backends.deepgram.pace import CHUNK_S, GATHER_S
from satellite.backends.outlet import Outlet
from satellite.core.audio import RATE_HZ, AudioChunk, samples_of_ms
from satellite.core.backlog import UtteranceEnd
from satellite.core.events import SessionFailed, UtteranceSent
from satellite.errors import ErrorCategory

STALLED_S = 30.0
"""An open utterance without audio for this long is no reason to keep the session."""
UNANSWERED_S = 10.0
"""Of audio sent since the service said anything, which it does four times a second of it (§11)."""

_CHUNK_SAMPLES = samples_of_ms(CHUNK_S * 1000)
_NEVER = float("inf")

Step = Callable[[float], None]


class Sender:
    """Decides what is sent when."""

    def __init__(self, shared: Conversation, outlet: Outlet) -> None:
        self._shared = shared
        self._line = shared.line
        self._backlog = shared.line.setup.backlog
        self._outlet = outlet
        self._closing = Closing(shared, outlet)
        self._is_finishing = False
        self._speech_at = 0.0
        self._chunk_at = float("-inf")
        self._answered_samples = 0

    @property
    def deadline(self) -> float | None:
        """When the next step is due; None when nothing can be sent."""
        due_at = self._next_step()[0] if self._line.life.state is SessionState.STREAMING else _NEVER
        return None if due_at == _NEVER else due_at

    def opened(self, now: float) -> None:
        """Audio may be sent."""
        self._speech_at = now
        self.pump(now)

    def finish(self) -> None:
        """End the connection as soon as the backlog is sent and its turn is over."""
        self._is_finishing = True

    def heard(self) -> None:
        """The service said something."""
        self._answered_samples = self._line.counters.sent_samples
        if not self._shared.turns.is_open:
            self._closing.ended()

    def given_up(self) -> None:
        """A failure: audio that no text reaches is lost; the last text of an open turn is told, once, as concluded."""
        self._outlet.given_up()
        self._shared.turns.wrap_up()

    def take_marks(self, now: float) -> None:
        """Pass the ends of utterances that no audio waits in front of."""
        while not self._backlog.samples and isinstance(mark := self._backlog.take(1), UtteranceEnd):
            self._pass(mark, now)

    def pump(self, now: float) -> None:
        """Take every step that is due."""
        while self._line.life.state is SessionState.STREAMING:
            self._shared.tuning.pump(now)
            self.take_marks(now)
            due_at, step = self._next_step()
            if due_at > now:
                return
            step(now)

    # --- what is next ------------------------------------------------------------------------------------------

    def _next_step(self) -> tuple[float, Step]:
        step: tuple[float, Step]
        if self._backlog.samples:
            step = max(self._outlet.ready_at, self._gathered_at()), self._send_audio
        else:
            step = self._closing_step() if self._shared.turns.is_open else self._end_step()
        return min(self._settling_step(), step, key=lambda due: due[0])

    def _gathered_at(self) -> float:
        """When what waits is worth a chunk."""
        is_enough = self._backlog.samples >= _CHUNK_SAMPLES or self._backlog.has_end or self._is_finishing
        return 0.0 if is_enough else self._chunk_at + GATHER_S

    def _closing_step(self) -> tuple[float, Step]:
        """Nothing more waits to be sent, and a turn is open."""
        closing, force = self._closing, self._shared.force
        is_missed = self._line.progress.is_open and not self._is_finishing
        if force.deadline is not None:
            return _NEVER, closing.silence  # its answer is waited for
        if not is_missed and (force_at := closing.force_at()) is not None:
            return force_at, closing.force
        if self._is_finishing:
            # what was said last is the text: the service makes no more of it (§10)
            return 0.0, lambda now: self._end("finished", now)
        if closing.is_spent:
            return closing.given_up_at, self._give_up
        return closing.silence_at(is_missed=is_missed), closing.silence

    def _end_step(self) -> tuple[float, Step]:
        """Nothing more waits to be sent, and no turn is open."""
        progress = self._line.progress
        if self._is_finishing:
            return 0.0, lambda now: self._end("finished", now)
        if self._shared.tuning.wants_renewal and not progress.is_pending:
            return 0.0, lambda now: self._end("renewed", now)
        idle_s = self._line.setup.idle_close_s
        at = self._speech_at + (max(idle_s, STALLED_S) if progress.is_open else idle_s)
        return at, lambda now: self._end("idle", now)

    def _settling_step(self) -> tuple[float, Step]:
        due = self._line.progress.next_settled()
        if due is None:
            return _NEVER, self._send_audio
        at, utterance_id = due
        return at, lambda _: self._shared.turns.settle(utterance_id)

    # --- steps -------------------------------------------------------------------------------------------------

    def _send_audio(self, now: float) -> None:
        piece = self._backlog.take(_CHUNK_SAMPLES)
        if isinstance(piece, UtteranceEnd):
            self._pass(piece, now)
            return
        chunk = cast("AudioChunk", piece)  # audio waits, so there is a piece
        self._line.progress.spoke(chunk.utterance_id)
        self._speech_at = self._chunk_at = now
        self._outlet.audio(chunk, now)
        self._closing.spoke()
        if self._line.counters.sent_samples - self._answered_samples > UNANSWERED_S * RATE_HZ:
            detail = f"the service said nothing about {UNANSWERED_S:g} s of audio"
            self._line.life.fail(SessionFailed(ErrorCategory.SERVER, detail))

    def _pass(self, mark: UtteranceEnd, now: float) -> None:
        self._line.progress.ended(mark.utterance_id, now)
        self._line.life.report(UtteranceSent(mark.utterance_id))

    def _give_up(self, now: float) -> None:
        """The turn has ended by every rule of the service, and it does not say so: begin anew with the next words."""
        self._shared.turns.conclude()
        self._end("concluded", now)

    def _end(self, reason: str, now: float) -> None:
        self._outlet.end(CLOSE_STREAM, now)
        self._line.life.move(SessionState.ENDING)
        self._shared.ending.begin(reason, now)
