"""VadGate: speech probabilities → utterances. All lengths are counted in samples; the gate reads no clock.

Two wishes of others lie across the states: *suppressed* (policy holds the gate closed) and *held* (push-to-talk
holds it open). Both are levels: they last until taken back, and suppressed wins over held.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from satellite.core.audio import SAMPLE_BYTES, samples_of_ms
from satellite.core.preroll import PreRoll
from satellite.errors import LocalMisuse

ONSET_GAP_MS = 20
"""Non-speech in a row that does not undo a beginning onset.

webrtcvad smooths by itself: no run of speech shorter than 80 ms was seen from it, so this matters to longer onsets
and to other detectors. There, one dropped frame in noisy speech must not start the onset over (200 ms: the gate
opened 180 ms sooner), while each more that is tolerated opens on noise (a minute of hum, onset of 160 ms: 3 false
openings with none, 4 with one, 6 with two).
"""


class GateState(enum.Enum):
    """QUIET and STARTING are closed, SPEAKING and STOPPING are open."""

    QUIET = "quiet"
    STARTING = "starting"
    SPEAKING = "speaking"
    STOPPING = "stopping"


class Cause(enum.Enum):
    """What moves the gate from one state to another."""

    SPEECH = "speech"
    ONSET_REACHED = "onset reached"
    ONSET_BROKEN = "onset broken"
    NO_SPEECH = "no speech"
    HANG_OVER_OVER = "hang-over over"
    HELD = "held"
    LET_GO = "let go"
    CLOSED = "closed"


TRANSITIONS: Mapping[tuple[GateState, Cause], GateState] = MappingProxyType(
    {
        (GateState.QUIET, Cause.SPEECH): GateState.STARTING,
        (GateState.QUIET, Cause.HELD): GateState.SPEAKING,
        (GateState.STARTING, Cause.ONSET_REACHED): GateState.SPEAKING,
        (GateState.STARTING, Cause.ONSET_BROKEN): GateState.QUIET,
        (GateState.STARTING, Cause.HELD): GateState.SPEAKING,
        (GateState.STARTING, Cause.CLOSED): GateState.QUIET,
        (GateState.SPEAKING, Cause.NO_SPEECH): GateState.STOPPING,
        (GateState.SPEAKING, Cause.LET_GO): GateState.STOPPING,
        (GateState.SPEAKING, Cause.CLOSED): GateState.QUIET,
        (GateState.STOPPING, Cause.SPEECH): GateState.SPEAKING,
        (GateState.STOPPING, Cause.HELD): GateState.SPEAKING,
        (GateState.STOPPING, Cause.HANG_OVER_OVER): GateState.QUIET,
        (GateState.STOPPING, Cause.CLOSED): GateState.QUIET,
    }
)
_OPEN = frozenset({GateState.SPEAKING, GateState.STOPPING})


def next_state(state: GateState, cause: Cause) -> GateState:
    """Where the table leads; LocalMisuse when it does not say."""
    try:
        return TRANSITIONS[state, cause]
    except KeyError:
        raise LocalMisuse(f"the gate cannot take '{cause.value}' while {state.value}") from None


class EndReason(enum.Enum):
    """Why an utterance ended."""

    SILENCE = "silence"
    MAX_LENGTH = "max_length"
    SUPPRESSED = "suppressed"
    MUTED = "muted"
    STOPPED = "stopped"
    RELEASED = "released"
    DEVICE_LOST = "device_lost"

    @property
    def goes_on(self) -> bool:
        """True when the same speech goes on: the next event of the same push is UtteranceStarted."""
        return self is EndReason.MAX_LENGTH


@dataclass(frozen=True, slots=True)
class UtteranceStarted:
    """The gate opened. `audio` is the pre-roll, the onset and the present frame, and is never empty.

    Samples are gate positions: `start_sample` of the first sample of `audio`, `onset_sample` of the first that is
    taken for speech (of the whole utterance, when it was held open or goes on from the one before).
    """

    start_sample: int
    onset_sample: int
    audio: bytes


@dataclass(frozen=True, slots=True)
class UtteranceAudio:
    """The next audio of the open utterance, hang-over included."""

    data: bytes


@dataclass(frozen=True, slots=True)
class UtteranceEnded:
    """The gate closed.

    Samples are gate positions: `end_sample` behind the last sample of the utterance, `speech_end_sample` behind the
    last that was taken for speech.
    """

    reason: EndReason
    end_sample: int
    speech_end_sample: int


GateEvent = UtteranceStarted | UtteranceAudio | UtteranceEnded


@dataclass(frozen=True, slots=True)
class GateSettings:
    """When the gate opens and closes. A frame of at least `threshold` probability is speech.

    `max_utterance_s` bounds an utterance with its pre-roll; one that would open longer is split at the next frame.
    """

    onset_ms: float = 60
    pre_roll_ms: float = 400
    hang_over_ms: float = 900
    max_utterance_s: float = 120
    threshold: float = 0.5


class _Onset:
    """The frames since the one that may be the first of speech."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.speech_samples = 0
        self.gap_samples = 0

    def push(self, frame: bytes, is_speech: bool) -> None:
        """Add a frame and count it."""
        samples = len(frame) // SAMPLE_BYTES
        self.frames.append(frame)
        if is_speech:
            self.speech_samples += samples
            self.gap_samples = 0
        else:
            self.gap_samples += samples


class VadGate:
    """Opens on speech and closes after silence; every sample pushed belongs to at most one utterance.

    An utterance longer than allowed is ended and directly followed by another that begins with the very next
    sample; nothing else changes by that, a hang-over goes on counting.
    """

    def __init__(self, settings: GateSettings) -> None:
        self._onset_samples = samples_of_ms(settings.onset_ms)
        self._onset_gap_samples = samples_of_ms(ONSET_GAP_MS)
        self._hang_over_samples = samples_of_ms(settings.hang_over_ms)
        self._max_samples = samples_of_ms(settings.max_utterance_s * 1000)
        self._threshold = settings.threshold
        self._pre_roll = PreRoll(samples_of_ms(settings.pre_roll_ms))
        self._onset = _Onset()
        self._state = GateState.QUIET
        self._is_suppressed = False
        self._is_held = False
        self._position = 0
        self._start_sample = 0
        self._speech_end_sample = 0
        self._silence_samples = 0
        self._closing_reason = EndReason.SILENCE

    @property
    def position(self) -> int:
        """Samples pushed so far, those of suppressed times included."""
        return self._position

    @property
    def state(self) -> GateState:
        """Where the gate is in an utterance."""
        return self._state

    @property
    def is_open(self) -> bool:
        """True while an utterance is going on."""
        return self._state in _OPEN

    def push(self, frame: bytes, probability: float) -> list[GateEvent]:
        """Take the next frame (whole samples, any number but none) and the probability that it is speech."""
        if not frame or len(frame) % SAMPLE_BYTES:
            raise LocalMisuse(f"a frame of {len(frame)} bytes is not made of whole samples")
        self._position += len(frame) // SAMPLE_BYTES
        if self._is_suppressed:
            return []
        is_speech = probability >= self._threshold
        events = self._extend(frame, is_speech) if self.is_open else self._listen(frame, is_speech)
        if is_speech:
            self._speech_end_sample = self._position
        return events

    def suppress(self) -> list[GateEvent]:
        """Hold the gate closed and hear nothing until `release`; an open utterance ends. Idempotent."""
        events = self.end(EndReason.SUPPRESSED)
        self._is_suppressed = True
        return events

    def release(self) -> None:
        """Hear again, from the next frame on; while held the gate opens with it. Idempotent."""
        self._is_suppressed = False

    def hold(self) -> list[GateEvent]:
        """Push-to-talk: open at once with the pre-roll (or with the next frame when there is none) and stay open."""
        self._is_held = True
        if self._state is GateState.STOPPING:
            self._state = next_state(self._state, Cause.HELD)
        if self.is_open or not (self._pre_roll.samples or self._onset.frames):
            return []  # suppressed is among these: it keeps nothing
        return [self._open(Cause.HELD)]

    def unhold(self) -> list[GateEvent]:
        """Let go of push-to-talk: the hang-over begins now; speech in it keeps the utterance open as ever."""
        was_held, self._is_held = self._is_held, False
        if not (was_held and self.is_open):
            return []
        self._state = next_state(self._state, Cause.LET_GO)
        self._silence_samples = 0
        self._closing_reason = EndReason.RELEASED
        return [] if self._hang_over_samples else [self._close(EndReason.RELEASED, Cause.HANG_OVER_OVER)]

    def end(self, reason: EndReason) -> list[GateEvent]:
        """Close an open utterance now, and forget pre-roll and onset. Suppressed and held stay as they are."""
        events: list[GateEvent] = [self._close(reason, Cause.CLOSED)] if self.is_open else []
        if self._state is GateState.STARTING:
            self._state = next_state(self._state, Cause.CLOSED)
        self._pre_roll.clear()
        self._onset = _Onset()
        return events

    def _listen(self, frame: bytes, is_speech: bool) -> list[GateEvent]:
        """One frame while closed."""
        if self._is_held:
            self._onset.push(frame, is_speech)
            return [self._open(Cause.HELD)]
        if self._state is GateState.QUIET:
            if not is_speech:
                self._pre_roll.push(frame)
                return []
            self._state = next_state(self._state, Cause.SPEECH)
        onset = self._onset
        onset.push(frame, is_speech)
        if onset.speech_samples >= self._onset_samples:
            return [self._open(Cause.ONSET_REACHED)]
        if onset.gap_samples > self._onset_gap_samples:
            self._state = next_state(self._state, Cause.ONSET_BROKEN)
            self._onset = _Onset()
            for refuted in onset.frames:
                self._pre_roll.push(refuted)
        return []

    def _open(self, cause: Cause) -> UtteranceStarted:
        """Open with all that is kept; the last sample of it is the one before `position`."""
        self._state = next_state(self._state, cause)
        onset_audio = b"".join(self._onset.frames)
        audio = self._pre_roll.take() + onset_audio
        self._onset = _Onset()
        self._start_sample = self._position - len(audio) // SAMPLE_BYTES
        onset_sample = self._position - len(onset_audio) // SAMPLE_BYTES
        self._speech_end_sample = max(self._speech_end_sample, onset_sample)
        self._closing_reason = EndReason.SILENCE
        return UtteranceStarted(self._start_sample, onset_sample, audio)

    def _extend(self, frame: bytes, is_speech: bool) -> list[GateEvent]:
        """One frame while open."""
        events = self._carry(frame)
        if is_speech or self._is_held:
            if self._state is GateState.STOPPING:
                self._state = next_state(self._state, Cause.SPEECH)
                self._closing_reason = EndReason.SILENCE
            return events
        if self._state is GateState.SPEAKING:
            self._state = next_state(self._state, Cause.NO_SPEECH)
            self._silence_samples = 0
        self._silence_samples += len(frame) // SAMPLE_BYTES
        if self._silence_samples >= self._hang_over_samples:
            events.append(self._close(self._closing_reason, Cause.HANG_OVER_OVER))
        return events

    def _carry(self, frame: bytes) -> list[GateEvent]:
        """The frame as audio of the open utterance, or of the next one when this one has no room for it."""
        if self._position - self._start_sample <= self._max_samples:
            return [UtteranceAudio(frame)]
        frame_start = self._position - len(frame) // SAMPLE_BYTES
        ended = UtteranceEnded(EndReason.MAX_LENGTH, frame_start, self._speech_end_sample)
        self._start_sample = self._speech_end_sample = frame_start
        return [ended, UtteranceStarted(frame_start, frame_start, frame)]

    def _close(self, reason: EndReason, cause: Cause) -> UtteranceEnded:
        self._state = next_state(self._state, cause)
        return UtteranceEnded(reason, self._position, self._speech_end_sample)
