"""Speech that comes on a track of a room: without end, without ids, and silent for most of the time (reference §5).

Silence must not be played: a loudspeaker that is never done would keep the microphone closed. So a track is cut into
pieces where it is silent, and a piece is taken for the speech of the texts that wait for theirs.
"""

from collections import deque

from satellite.backends.lifecycle import Lifecycle
from satellite.backends.palabra.speech import SPEECH_WITHIN_S, report_speech
from satellite.core.audio import SAMPLE_BYTES

TRACK_PREFIX = "translation_"
AUDIBLE_PEAK = 100
"""In steps of 16 bits: what a decoder makes of silence stays far below."""
HANG_S = 0.4
"""Silence within speech is no longer than this."""
MAX_WAITING = 64


class TrackSpeech:
    """The speech of one language, as a room brings it."""

    def __init__(self, language: str, life: Lifecycle) -> None:
        self._language = language
        self._life = life
        self._waiting: deque[str] = deque(maxlen=MAX_WAITING)
        self._expected_until = float("-inf")
        self._sounds_until = float("-inf")
        self._before = b""

    @property
    def until(self) -> float:
        """Until when more speech is to be expected; in the past when there is none."""
        return max(self._expected_until, self._sounds_until)

    def concluded(self, text: str, now: float) -> None:
        """A translation is final, and will be spoken."""
        self._waiting.append(text)
        self._expected_until = now + SPEECH_WITHIN_S

    def take(self, pcm: bytes, now: float) -> None:
        """The next sound of the track, 24 kHz."""
        pcm = pcm[: len(pcm) - len(pcm) % SAMPLE_BYTES]
        if not pcm:
            return
        was_sounding = now < self._sounds_until
        if _peak(pcm) >= AUDIBLE_PEAK:
            self._sounds_until = now + HANG_S
            self._expected_until = float("-inf")
        if now >= self._sounds_until:
            self._before = pcm
            return
        text = None
        if self._waiting or not was_sounding:
            text = "".join(self._waiting)
            self._waiting.clear()
        before, self._before = self._before, b""
        report_speech(self._life, self._language, before + pcm, text)

    def cancel(self) -> None:
        """None of it is wanted any more."""
        self._waiting.clear()
        self._expected_until = float("-inf")


def _peak(pcm: bytes) -> int:
    """The greatest deviation from zero; by the built-in functions, as this is done for every sound of every track."""
    samples = memoryview(pcm).cast("h")
    highest, lowest = max(samples), min(samples)
    return max(highest, -lowest)
