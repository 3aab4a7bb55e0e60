"""Detectors on a human voice, on silence and on a steady hum."""

import random
from pathlib import Path

import pytest

from satellite.adapters.detectors import EnergyDetector, NoDetector, WebRtcDetector, make_detector
from satellite.adapters.resampler import Resampler
from satellite.core.audio import FRAME_SAMPLES, SAMPLE_BYTES
from satellite.errors import ConfigError
from satellite.ports import Detector
from tests.fakes.sound import VOICES, needs_voices, read_wav

FRAME_BYTES = FRAME_SAMPLES * SAMPLE_BYTES
SILENCE = bytes(FRAME_BYTES)


def voice(path: Path) -> bytes:
    """A recording at 16 kHz."""
    pcm, rate_hz = read_wav(path)
    resampler = Resampler(rate_hz, 16_000)
    return resampler.process(pcm) + resampler.flush()


def hum(frames: int, loudness: int) -> bytes:
    """Steady noise."""
    values = random.Random(3)
    count = frames * FRAME_SAMPLES
    return b"".join(values.randrange(-loudness, loudness).to_bytes(2, "little", signed=True) for _ in range(count))


def speech_frames(detector: Detector, pcm: bytes) -> int:
    """How many frames are taken for speech."""
    whole = range(0, len(pcm) - FRAME_BYTES + 1, FRAME_BYTES)
    return sum(detector.probability(pcm[at : at + FRAME_BYTES]) >= 0.5 for at in whole)


@needs_voices
@pytest.mark.parametrize("path", VOICES, ids=lambda path: path.stem)
@pytest.mark.parametrize("name", ["webrtc", "energy"])
def test_a_voice_is_speech_and_the_pause_around_it_is_not(name: str, path: Path) -> None:
    detector = make_detector(name, 2)
    assert speech_frames(detector, SILENCE * 50) == 0
    assert speech_frames(detector, voice(path)) > 20
    assert speech_frames(detector, SILENCE * 100) <= 20


def test_the_energy_detector_gets_used_to_a_hum_and_hears_what_is_louder() -> None:
    detector = EnergyDetector()
    speech_frames(detector, hum(50, 200))
    # a fan ten times as loud is switched on: heard as speech at first, background after half a minute
    assert speech_frames(detector, hum(50, 2_000)) > 40
    speech_frames(detector, hum(1_500, 2_000))
    assert speech_frames(detector, hum(100, 2_000)) == 0
    assert speech_frames(detector, hum(10, 20_000)) == 10


def test_energy_probability_lies_between_0_and_1() -> None:
    detector = EnergyDetector()
    values = [detector.probability(hum(1, loudness)) for loudness in (5, 5, 20_000, 60, 30_000)]
    assert values[0] == 0.0
    assert max(values) == 1.0
    assert all(0.0 <= value <= 1.0 for value in values)


@pytest.mark.parametrize("aggressiveness", [0, 1, 2, 3])
def test_webrtc_takes_every_aggressiveness_and_no_short_frame(aggressiveness: int) -> None:
    detector = WebRtcDetector(aggressiveness)
    assert detector.probability(SILENCE) == 0.0
    assert detector.probability(SILENCE[:100]) == 0.0


def test_no_detector_calls_everything_speech() -> None:
    assert isinstance(make_detector("none", 2), NoDetector)
    assert make_detector("none", 2).probability(SILENCE) == 1.0


@pytest.mark.parametrize("name", ["silero", "webrct"])
def test_other_names_are_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(ConfigError, match=r"webrtc.*energy.*none") as refused:
        make_detector(name, 2)
    assert name in str(refused.value)
    assert refused.value.problems[0].path == "vad.detector"
