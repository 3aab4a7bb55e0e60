"""Detectors: speech probability of one frame of 20 ms."""

import audioop
import math

from satellite.core.audio import FRAME_SAMPLES, RATE_HZ, SAMPLE_BYTES
from satellite.errors import ConfigError, Problem
from satellite.ports import Detector

FRAME_BYTES = FRAME_SAMPLES * SAMPLE_BYTES
SPEECH_ABOVE_FLOOR_DB = 9.0
FLOOR_RISE_DB = 0.03
"""How fast the noise floor may rise, per frame: 1.5 dB a second, slower than speech, faster than a fan settles."""
FLOOR_FALL = 0.2
"""Share of the distance that the floor falls per frame towards a quieter one."""
SILENCE_RMS = 8.0
"""Below this a 16-bit microphone is digitally silent; the floor goes no lower."""


class WebRtcDetector:
    """webrtcvad; `aggressiveness` 0 (lets most through) to 3."""

    def __init__(self, aggressiveness: int) -> None:
        # loaded only when used: the energy detector and the null microphone need no extension
        import webrtcvad  # noqa: PLC0415

        self._vad = webrtcvad.Vad(aggressiveness)

    def probability(self, frame: bytes) -> float:
        """1.0 for speech, 0.0 for none; a frame shorter than 20 ms is none."""
        return float(len(frame) == FRAME_BYTES and self._vad.is_speech(frame, RATE_HZ))


class EnergyDetector:
    """Louder than the adaptive noise floor by 9 dB is speech: no library, weak in noise."""

    def __init__(self) -> None:
        self._floor_db: float | None = None

    def probability(self, frame: bytes) -> float:
        """0.5 at 9 dB above the noise floor, rising to 1.0 and falling to 0.0 within 3 dB of it."""
        level_db = 20.0 * math.log10(max(SILENCE_RMS, audioop.rms(frame, SAMPLE_BYTES)))
        floor_db = level_db if self._floor_db is None else self._floor_db
        if level_db < floor_db:
            self._floor_db = floor_db + (level_db - floor_db) * FLOOR_FALL
        else:
            self._floor_db = min(level_db, floor_db + FLOOR_RISE_DB)
        return min(1.0, max(0.0, 0.5 + (level_db - floor_db - SPEECH_ABOVE_FLOOR_DB) / 6.0))


class NoDetector:
    """Everything is speech: detector "none", for push-to-talk and for files."""

    def probability(self, frame: bytes) -> float:  # noqa: ARG002 - the port's signature
        """Always 1.0."""
        return 1.0


def make_detector(name: str, aggressiveness: int) -> Detector:
    """The detector of that configuration name. Raises ConfigError, naming the mend, for one that is not here."""
    if name == "webrtc":
        return WebRtcDetector(aggressiveness)
    if name == "energy":
        return EnergyDetector()
    if name == "none":
        return NoDetector()
    if name == "silero":
        raise _refused("the detector silero is not part of this release", "use webrtc, energy or none")
    raise _refused(f"no such detector: {name[:40]}", "one of webrtc, energy, none")


def _refused(message: str, hint: str) -> ConfigError:
    return ConfigError((Problem("configuration", 0, "vad.detector", message, hint),))
