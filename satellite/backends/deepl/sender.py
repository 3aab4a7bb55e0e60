"""Sender: what goes out on an open stream, and when: audio, tail, keep-alive, and the end (voice reference §9, §17).

There is always one next step and the time it is due; `pump` takes all steps that are due.
"""

from collections.abc import Callable
from typing import cast

from satellite.backends.base import SessionState
from satellite.backends.deepl.conversation import Conversation
from satellite.backends.deepl.pace import CATCH_UP_CHUNK_S, LIVE_CHUNK_S
from satellite.backends.deepl.timers import Timers
from satellite.backends.outlet import SILENCE_SAMPLES, Outlet
from satellite.core.audio import AudioChunk, samples_of_ms
from satellite.core.backlog import UtteranceEnd
from satellite.core.events import UtteranceSent, UtteranceSettled

MAX_TAIL_S = 1.5

_LIVE_CHUNK_SAMPLES = samples_of_ms(LIVE_CHUNK_S * 1000)
_MAX_CHUNK_SAMPLES = samples_of_ms(CATCH_UP_CHUNK_S * 1000)
_MAX_TAIL_SAMPLES = samples_of_ms(MAX_TAIL_S * 1000)
_NEVER = float("inf")

Step = Callable[[float], None]


class Sender:
    """Decides what is sent when."""

    def __init__(self, shared: Conversation, outlet: Outlet, timers: Timers) -> None:
        self._shared = shared
        self._timers = timers
        self._backlog = shared.setup.backlog
        self._outlet = outlet
        self._is_finishing = False
        self._tail_samples = 0

    @property
    def deadline(self) -> float | None:
        """When the next step is due; None when nothing can be sent."""
        due_at = self._next_step()[0] if self._shared.life.state is SessionState.STREAMING else _NEVER
        return None if due_at == _NEVER else due_at

    def finish(self) -> None:
        """End the source stream as soon as the backlog is sent."""
        self._is_finishing = True

    def take_marks(self, now: float) -> None:
        """Pass the ends of utterances that no audio waits in front of."""
        while not self._backlog.samples and isinstance(mark := self._backlog.take(1), UtteranceEnd):
            self._pass(mark, now)

    def pump(self, now: float) -> None:
        """Take every step that is due."""
        while self._shared.life.state is SessionState.STREAMING:
            self.take_marks(now)
            if self._timers.must_renew(now):
                self._end("renewed", now)
                return
            due_at, step = self._next_step()
            if due_at > now:
                return
            step(now)

    # --- what is next ------------------------------------------------------------------------------------------

    def _next_step(self) -> tuple[float, Step]:
        ready_at = self._outlet.ready_at
        if self._backlog.samples:
            return max(ready_at, self._gathered_at()), self._send_audio
        if self._is_finishing:
            return ready_at, lambda now: self._end("finished", now)
        timers, progress = self._timers, self._shared.progress
        steps: list[tuple[float, Step | None]] = [
            (max(ready_at, timers.idle_at(is_open=progress.is_open)), lambda now: self._end("idle", now)),
            (max(ready_at, timers.renewal_at), None if progress.is_pending else lambda now: self._end("renewed", now)),
            (max(ready_at, timers.keep_alive_at(self._outlet.last_data_at)), self._outlet.silence),
            (max(ready_at, self._outlet.sounds_until), self._tail_step()),
            self._settling_step(),
        ]
        return min(((at, step) for at, step in steps if step is not None), key=lambda due: due[0])

    def _gathered_at(self) -> float:
        """When what waits is worth a chunk."""
        is_enough = self._backlog.samples >= _LIVE_CHUNK_SAMPLES or self._backlog.has_end or self._is_finishing
        return 0.0 if is_enough else self._timers.gathered_at

    def _tail_step(self) -> Step | None:
        """A service concludes text only after it hears enough silence, or when the stream ends."""
        progress = self._shared.progress
        if progress.is_open or not (progress.is_tentative or progress.awaits_answer):
            return None
        if self._tail_samples < _MAX_TAIL_SAMPLES:
            return self._send_tail
        return (lambda now: self._end("concluded", now)) if progress.is_tentative else None

    def _settling_step(self) -> tuple[float, Step | None]:
        due = self._shared.progress.next_settled()
        if due is None:
            return _NEVER, None
        at, utterance_id = due
        return at, lambda _: self._settle(utterance_id)

    # --- steps -------------------------------------------------------------------------------------------------

    def _send_audio(self, now: float) -> None:
        piece = self._backlog.take(_MAX_CHUNK_SAMPLES)
        if isinstance(piece, UtteranceEnd):
            self._pass(piece, now)
            return
        chunk = cast("AudioChunk", piece)  # audio waits, so there is a piece
        self._shared.progress.spoke(chunk.utterance_id)
        self._timers.spoke(now)
        self._tail_samples = 0
        self._outlet.audio(chunk, now)

    def _send_tail(self, now: float) -> None:
        self._tail_samples += SILENCE_SAMPLES
        self._outlet.silence(now)

    def _pass(self, mark: UtteranceEnd, now: float) -> None:
        self._shared.progress.ended(mark.utterance_id, now)
        self._shared.life.report(UtteranceSent(mark.utterance_id))

    def _settle(self, utterance_id: str) -> None:
        self._shared.progress.settle(utterance_id)
        self._shared.life.report(UtteranceSettled(utterance_id))

    def _end(self, reason: str, now: float) -> None:
        self._outlet.end(self._shared.codec.end_of_source_media(), now)
        self._shared.life.move(SessionState.ENDING)
        self._shared.ending.begin(reason, now)
