"""Sender: everything that goes out on an open stream: audio, tail, keep-alive, and the end (voice reference §9, §17).

There is always one next step and the time it is due; `pump` takes all steps that are due.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from satellite.backends.base import SessionState
from satellite.backends.deepl.conversation import Conversation
from satellite.backends.deepl.pacer import CATCH_UP_CHUNK_S, LIVE_CHUNK_S, Pacer
from satellite.core.audio import RATE_HZ, SAMPLE_BYTES, AudioChunk, samples_of_ms
from satellite.core.backlog import UtteranceEnd
from satellite.core.events import AudioLost, UtteranceSent, UtteranceSettled

KEEP_ALIVE_S = 10.0
"""The service ends a session after 30 s without audio; silence sent is billed."""
MAX_TAIL_S = 1.5
LOSS_WINDOW_S = 1.0
STALLED_S = 30.0
"""An open utterance without audio for this long is no reason to keep the session."""

_SILENCE_SAMPLES = samples_of_ms(LIVE_CHUNK_S * 1000)
_MAX_CHUNK_SAMPLES = samples_of_ms(CATCH_UP_CHUNK_S * 1000)
_MAX_TAIL_SAMPLES = samples_of_ms(MAX_TAIL_S * 1000)
_NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class _Sent:
    """Audio that the service may not have yet."""

    at: float
    utterance_id: str
    samples: int


class Sender:
    """Decides what is sent when."""

    def __init__(self, shared: Conversation) -> None:
        self._shared = shared
        self._backlog = shared.setup.backlog
        self._pacer = Pacer()
        self._is_finishing = False
        self._held_samples = 0
        self._tail_samples = 0
        self._heard_until = 0.0
        self._active_at = 0.0
        self._speech_at = 0.0
        self._unconfirmed: deque[_Sent] = deque()
        self.last_data_at: float | None = None

    @property
    def deadline(self) -> float | None:
        """When the next step is due; None when nothing can be sent."""
        return self._next_step()[0] if self._shared.life.state is SessionState.STREAMING else None

    def opened(self, now: float, *, resumed: bool) -> None:
        """A connection is up."""
        if resumed:
            self._shared.setup.encoder.restart()
            self._held_samples = 0
        else:
            self._active_at = self._speech_at = now

    def heard(self) -> None:
        """The service said something, so the audio before it can be taken to have arrived."""
        self._unconfirmed.clear()

    def lost(self, now: float) -> None:
        """The connection or the session is gone: audio of the last second that nothing was heard after is lost."""
        lost: dict[str, int] = {}
        for sent in self._unconfirmed:
            if sent.at >= now - LOSS_WINDOW_S:
                lost[sent.utterance_id] = lost.get(sent.utterance_id, 0) + sent.samples
        self._unconfirmed.clear()
        for utterance_id, samples in lost.items():
            self._shared.life.report(AudioLost(utterance_id, samples))

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
            due_at, step = self._next_step()
            if due_at > now:
                return
            step(now)

    # --- what is next ------------------------------------------------------------------------------------------

    def _next_step(self) -> tuple[float, Callable[[float], None]]:
        ready_at = self._pacer.ready_at
        if self._backlog.samples:
            return ready_at, self._send_audio
        if self._is_finishing:
            return ready_at, self._end_finished
        steps = [
            (max(ready_at, self._idle_at()), self._end_idle),
            (max(ready_at, self._active_at + KEEP_ALIVE_S), self._send_silence),
            (max(ready_at, self._heard_until), self._tail_step()),
            self._settling_step(),
        ]
        return min(((at, step) for at, step in steps if step is not None), key=lambda due: due[0])

    def _tail_step(self) -> Callable[[float], None] | None:
        """A service concludes text only after it hears enough silence, or when the stream ends."""
        progress = self._shared.progress
        if progress.is_open or not (progress.is_tentative or progress.awaits_answer):
            return None
        if self._tail_samples < _MAX_TAIL_SAMPLES:
            return self._send_tail
        return self._end_concluding if progress.is_tentative else None

    def _settling_step(self) -> tuple[float, Callable[[float], None] | None]:
        due = self._shared.progress.next_settled()
        if due is None:
            return _NEVER, None
        at, utterance_id = due
        return at, lambda _: self._settle(utterance_id)

    def _idle_at(self) -> float:
        idle_s = self._shared.setup.idle_close_s
        return self._speech_at + (max(idle_s, STALLED_S) if self._shared.progress.is_open else idle_s)

    # --- steps -------------------------------------------------------------------------------------------------

    def _send_audio(self, now: float) -> None:
        piece = self._backlog.take(_MAX_CHUNK_SAMPLES)
        if isinstance(piece, UtteranceEnd):
            self._pass(piece, now)
            return
        chunk = cast("AudioChunk", piece)  # audio waits, so there is a piece
        self._shared.timeline.sent(chunk.samples, chunk.start_s, chunk.utterance_id)
        self._shared.progress.spoke(chunk.utterance_id)
        self._remember(_Sent(now, chunk.utterance_id, chunk.samples))
        self._speech_at = now
        self._tail_samples = 0
        self._put(chunk.data[: chunk.samples * SAMPLE_BYTES], now)

    def _send_silence(self, now: float) -> None:
        self._shared.timeline.silence(_SILENCE_SAMPLES)
        self._put(bytes(_SILENCE_SAMPLES * SAMPLE_BYTES), now)

    def _send_tail(self, now: float) -> None:
        self._tail_samples += _SILENCE_SAMPLES
        self._send_silence(now)

    def _settle(self, utterance_id: str) -> None:
        self._shared.progress.settle(utterance_id)
        self._shared.life.report(UtteranceSettled(utterance_id))

    def _end_finished(self, now: float) -> None:
        self._end("finished", now)

    def _end_idle(self, now: float) -> None:
        self._end("idle", now)

    def _end_concluding(self, now: float) -> None:
        self._end("concluded", now)

    def _end(self, reason: str, now: float) -> None:
        """Say that no more audio comes; nothing may be sent behind it."""
        life, codec = self._shared.life, self._shared.codec
        rest = self._shared.setup.encoder.finish()
        if rest:
            life.act(codec.chunk(rest))
        life.act(codec.end_of_source_media())
        self.last_data_at = now
        life.move(SessionState.ENDING)
        self._shared.ending.begin(reason, now)

    # --- inside ------------------------------------------------------------------------------------------------

    def _pass(self, mark: UtteranceEnd, now: float) -> None:
        self._shared.progress.ended(mark.utterance_id, now)
        self._shared.life.report(UtteranceSent(mark.utterance_id))

    def _put(self, pcm: bytes, now: float) -> None:
        """Encode and hand over; an encoder may keep audio back for a later chunk, and an empty one is never sent."""
        samples = len(pcm) // SAMPLE_BYTES
        self._shared.counters.sent_samples += samples
        self._held_samples += samples
        self._heard_until = now + samples / RATE_HZ
        encoded = self._shared.setup.encoder.encode(pcm)
        held_s = 0.0
        if encoded:
            self._shared.life.act(self._shared.codec.chunk(encoded))
            self.last_data_at = self._active_at = now
            held_s = self._held_samples / RATE_HZ
            self._held_samples = 0
        self._pacer.sent(samples / RATE_HZ, held_s, now)

    def _remember(self, sent: _Sent) -> None:
        self._unconfirmed.append(sent)
        while sum(each.samples for each in self._unconfirmed) > LOSS_WINDOW_S * RATE_HZ:
            self._unconfirmed.popleft()
