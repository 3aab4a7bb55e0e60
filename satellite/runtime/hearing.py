"""Hearing: captured blocks → frames → detector → gate → utterances with wall-clock times."""

from collections.abc import Callable
from typing import Protocol

from satellite.core.audio import FRAME_SAMPLES, RATE_HZ, AudioChunk, CaptureBlock
from satellite.core.backlog import Dropped
from satellite.core.framing import Framer
from satellite.core.gate import EndReason, GateEvent, UtteranceAudio, UtteranceEnded, UtteranceStarted, VadGate
from satellite.ports import Clock, Detector

FRAME_S = FRAME_SAMPLES / RATE_HZ
SLEPT_S = 5.0
"""Sound that comes this much later than it should does not go on with what was said: the machine slept."""

TORN_S = 0.2
"""More missing sound than that lies between two things that were said, not within one."""


class UtteranceSink(Protocol):
    """Who takes the utterances (all calls are quick and never block). Times are Unix seconds."""

    def utterance_started(self, utterance_id: str, start_s: float, onset_s: float) -> None:
        """Somebody began to speak at `onset_s`; the audio begins at `start_s`, with the pre-roll."""

    def audio(self, chunk: AudioChunk) -> None:
        """The next audio of the open utterance."""

    def audio_dropped(self, dropped: Dropped) -> None:
        """Audio of the open utterance was lost in the device."""

    def utterance_ended(self, utterance_id: str, end_s: float, reason: EndReason) -> None:
        """The utterance's audio is complete; speech ended at this time."""


class Hearing:
    """Cuts utterances out of what is captured; one block makes at most one chunk of each utterance."""

    def __init__(
        self, gate: VadGate, detector: Detector, clock: Clock, new_id: Callable[[], str], sink: UtteranceSink
    ) -> None:
        self._gate = gate
        self._detector = detector
        self._clock = clock
        self._new_id = new_id
        self._sink = sink
        self._framer = Framer(FRAME_SAMPLES)
        self._utterance_id = ""
        self._wall_offset_s = 0.0
        self._position_s = 0.0  # monotonic time of the sample at gate position `_position_samples`
        self._position_samples = 0
        self._release_at: float | None = None
        self._waiting: list[bytes] = []
        self._waiting_start_s = 0.0
        self.utterances = 0

    @property
    def is_open(self) -> bool:
        """True while somebody is heard speaking."""
        return bool(self._utterance_id)

    @property
    def heard_samples(self) -> int:
        """How much went through the gate so far."""
        return self._gate.position

    def block(self, block: CaptureBlock) -> None:
        """Hear one block."""
        at = block.captured_at
        if at - self._position_s - FRAME_S > SLEPT_S:
            self.end(EndReason.DEVICE_LOST)
        if block.lost_s:
            self._skip(block.lost_s)
        for frame in self._framer.push(block.data):
            if self._release_at is not None and at >= self._release_at:
                self._release_at = None
                self._gate.release()
            self._position_s = at
            self._position_samples = self._gate.position
            self._handle(self._gate.push(frame, self._detector.probability(frame)))
            at += FRAME_S
        self._send()

    def _skip(self, lost_s: float) -> None:
        """So much of what was said never came; what comes now does not join what was left over."""
        self._framer.reset()
        if self._utterance_id:
            self._sink.audio_dropped(Dropped(self._utterance_id, round(lost_s * RATE_HZ)))
        elif lost_s > TORN_S:
            self.end(EndReason.DEVICE_LOST)  # what was kept for a pre-roll is not what comes before

    def suppress(self) -> None:
        """Hear nothing; an open utterance ends."""
        self._release_at = None
        self._handle(self._gate.suppress())

    def release(self, at: float) -> None:
        """Hear again what is captured from monotonic time `at` on."""
        self._release_at = at

    def hold(self, is_held: bool) -> None:
        """Push-to-talk: hold the gate open, or let go."""
        self._handle(self._gate.hold() if is_held else self._gate.unhold())
        self._send()

    def end(self, reason: EndReason) -> None:
        """What comes next does not continue what was heard: an open utterance ends."""
        self._handle(self._gate.end(reason))
        self._framer.reset()

    def _handle(self, events: list[GateEvent]) -> None:
        for event in events:
            if isinstance(event, UtteranceAudio):
                self._gather(event.data, self._position_s + self._wall_offset_s)
            elif isinstance(event, UtteranceStarted):
                self._begin(event)
            else:
                self._finish(event)

    def _begin(self, event: UtteranceStarted) -> None:
        """The wall clock is read once per utterance: a jump in the middle of one would tear it apart."""
        self._wall_offset_s = self._clock.wall() - self._clock.monotonic()
        self._utterance_id = self._new_id()
        self.utterances += 1
        start_s = self._wall_of(event.start_sample)
        self._sink.utterance_started(self._utterance_id, start_s, self._wall_of(event.onset_sample))
        self._gather(event.audio, start_s)

    def _gather(self, audio: bytes, start_s: float) -> None:
        if not self._waiting:
            self._waiting_start_s = start_s
        self._waiting.append(audio)

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._sink.audio(AudioChunk(b"".join(waiting), self._waiting_start_s, self._utterance_id))

    def _finish(self, event: UtteranceEnded) -> None:
        self._send()
        utterance_id, self._utterance_id = self._utterance_id, ""
        self._sink.utterance_ended(utterance_id, self._wall_of(event.speech_end_sample), event.reason)

    def _wall_of(self, sample: int) -> float:
        """Wall clock of a gate position, by the offset read when the utterance began."""
        return self._wall_offset_s + self._position_s + (sample - self._position_samples) / RATE_HZ
