"""Speech in every content type the service offers, through the whole daemon into a file, against the original."""

import asyncio
import wave
from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt
import pytest
import soxr

from satellite.backends.deepl.options import SpeechMedia
from tests.fakes.broker import Broker
from tests.fakes.daemon import DATA, command, emulator, write_config

pytestmark = pytest.mark.slow

SPEECH_MEDIA: tuple[str, ...] = get_args(SpeechMedia)
VOICE = Path("/usr/share/sounds/alsa/Front_Center.wav")
ONE_SENTENCE_S = 4.2
RATE_HZ = 8_000
"""Both sides are compared at the lowest rate any of the types has."""

Samples = npt.NDArray[np.float64]


def samples_of(path: Path) -> Samples:
    with wave.open(str(path)) as wav:
        pcm = np.frombuffer(wav.readframes(wav.getnframes()), np.int16).astype(np.float64)
        resampled: Samples = soxr.resample(pcm, wav.getframerate(), RATE_HZ)
    return resampled


def best_correlation(heard: Samples, original: Samples) -> float:
    """Of the original at its best place in what was heard."""
    size = 1 << (len(heard) + len(original)).bit_length()
    crossed = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(original, size)), size)
    at = int(np.argmax(crossed[: len(heard)]))
    part = heard[at : at + len(original)]
    return float(np.corrcoef(part, original[: len(part)])[0, 1])


@pytest.fixture(scope="module")
def one_sentence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("media") / "sentence.wav"
    with wave.open(str(DATA / "demo.wav")) as source, wave.open(str(path), "wb") as target:
        target.setparams(source.getparams())
        target.writeframes(source.readframes(int(ONE_SENTENCE_S * source.getframerate())))
    return path


async def played(directory: Path, broker_port: int, media: str, sentence: Path) -> tuple[int | None, str]:
    """One daemon that hears one sentence and plays a known voice in that content type."""
    name = f"s{SPEECH_MEDIA.index(media)}"
    place = directory / name
    options = ["--recording", str(DATA / "demo.wav"), "--labels", str(DATA / "demo.labels.json")]
    with emulator(place / "service", *options, "--speech-wav", str(VOICE)) as service:
        config = write_config(
            place,
            service.base_url,
            broker_port,
            satellite={"id": name},
            audio={"input": {"device": f"file:{sentence}"}, "output": {"volume": 100}},
            voice={"speech_language": "de", "deepl": {"speech_media": media}},
        )
        with command(place, "run", "-c", str(config)) as daemon:
            await asyncio.to_thread(daemon.wait, 60)
        assert service.stop()["violations"] == []
    return daemon.exit_code, daemon.log


async def test_speech_in_every_content_type_sounds_like_the_original(
    broker: Broker, tmp_path: Path, one_sentence: Path
) -> None:
    original = samples_of(VOICE)
    at_once = asyncio.Semaphore(4)

    async def correlation(media: str) -> tuple[str, float]:
        async with at_once:
            code, log = await played(tmp_path, broker.port, media, one_sentence)
        assert code == 0, log
        return media, best_correlation(samples_of(tmp_path / f"s{SPEECH_MEDIA.index(media)}" / "speech.wav"), original)

    found = dict(await asyncio.gather(*(correlation(media) for media in SPEECH_MEDIA)))
    assert len(found) == 16
    assert {media: value for media, value in found.items() if value < 0.9} == {}
