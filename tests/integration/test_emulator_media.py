"""Speech of the DeepL emulator in all sixteen published types, decoded by FFmpeg and compared with what was said."""

import audioop
import io
from dataclasses import replace

import av
import numpy as np
import numpy.typing as npt
import pytest

from satellite.emulator.deepl.schema import TARGET_MEDIA
from satellite.emulator.deepl.server import DeepLEmulator
from satellite.emulator.deepl.settings import DeepLSettings, DeepLVariants
from satellite.emulator.encoders import make_encoder
from satellite.emulator.pcm import write_wav
from satellite.emulator.speech import SPEECH_RATE_HZ, Synthesiser, tones
from tests.fakes.rawdeepl import DATA, RawClient, demo_pcm

SETTINGS = DeepLSettings(recording=DATA / "demo.wav", labels=DATA / "demo.labels.json")
HEADERS = {
    "audio/flac": 1,
    "audio/ogg": 2,
    "audio/ogg;codecs=flac": 2,
    "audio/ogg;codecs=opus": 2,
    "audio/opus": 1,
    "audio/webm": 1,
    "audio/webm;codecs=opus": 1,
    "audio/x-matroska;codecs=aac": 1,
    "audio/x-matroska;codecs=flac": 1,
    "audio/x-matroska;codecs=opus": 1,
}

Samples = npt.NDArray[np.float64]


def samples(pcm: bytes) -> Samples:
    return np.frombuffer(pcm, "<i2").astype(np.float64)


def decode(media: str, elements: list[bytes]) -> Samples:
    """Everything as 24 kHz mono."""
    if media.startswith("audio/pcm"):
        return _decode_pcm(media, b"".join(elements))
    resampler = av.AudioResampler("s16", "mono", SPEECH_RATE_HZ)
    if media == "audio/opus":
        context = av.AudioCodecContext.create("libopus", "r")
        context.extradata = elements[0]
        context.sample_rate, context.layout = 48_000, av.AudioLayout("mono")
        frames = [frame for packet in elements[1:] for frame in context.decode(av.Packet(packet))]
    else:
        with av.open(io.BytesIO(b"".join(elements)), "r") as container:
            frames = list(container.decode(audio=0))
    pieces = [piece for frame in [*frames, None] for piece in resampler.resample(frame)]
    return samples(b"".join(bytes(piece.planes[0])[: piece.samples * 2] for piece in pieces))


def _decode_pcm(media: str, data: bytes) -> Samples:
    rate_hz = int(media.rpartition("=")[2])
    if "alaw" in media:
        data = audioop.alaw2lin(data, 2)
    elif "ulaw" in media:
        data = audioop.ulaw2lin(data, 2)
    return samples(audioop.ratecv(data, 2, 1, rate_hz, SPEECH_RATE_HZ, None)[0])


def likeness(decoded: Samples, spoken: Samples, whole: float = 0.97) -> float:
    """Best normalised correlation of what was spoken with some place of what was decoded."""
    size = len(decoded) + len(spoken)
    spectrum = np.fft.rfft(decoded, size) * np.conj(np.fft.rfft(spoken, size))
    lag = int(np.argmax(np.fft.irfft(spectrum, size)[: len(decoded)]))
    piece = decoded[lag : lag + len(spoken)]
    assert len(piece) >= whole * len(spoken)
    reference = spoken[: len(piece)]
    return float(piece @ reference / np.sqrt((piece @ piece) * (reference @ reference)))


@pytest.mark.parametrize("media", sorted(TARGET_MEDIA))
async def test_each_type_decodes_to_what_was_spoken(media: str) -> None:
    async with DeepLEmulator(SETTINGS) as emulator:
        client = RawClient(emulator.base_url, emulator.api_key)
        # stops after "the": two phrases, so two utterances in one stream
        await client.open(target_media_languages=["de"], target_media_content_type=media, message_format="msgpack")
        await client.stream(demo_pcm(700, 1900))
        await client.finish()
    chunks = client.of("target_media_chunk")
    assert chunks[0]["content_type"] == media
    assert chunks[0].get("headers") == HEADERS.get(media)
    assert [chunk for chunk in chunks[1:] if "content_type" in chunk or "headers" in chunk] == []
    assert len(emulator.spoken) == 2
    decoded = decode(media, client.speech_elements())
    # the demuxer of MPEG-TS holds the very last packet back, waiting for more
    whole = 0.92 if "mp2t" in media else 0.97
    for spoken in emulator.spoken:
        assert likeness(decoded, samples(spoken.pcm_24k), whole) >= 0.9
    assert emulator.violations == []
    seconds = sum(chunk["duration"] for chunk in chunks) / 1000
    assert seconds == pytest.approx(sum(len(item.pcm_24k) for item in emulator.spoken) / 48_000, abs=0.3)


@pytest.mark.parametrize("media", ["audio/webm;codecs=opus", "audio/flac", "audio/x-matroska;codecs=aac"])
async def test_headers_may_be_split(media: str) -> None:
    async with DeepLEmulator(replace(SETTINGS, speech="tones", variants=DeepLVariants(split_headers=True))) as emulator:
        client = RawClient(emulator.base_url, emulator.api_key)
        await client.open(target_media_languages=["de"], target_media_content_type=media)
        await client.stream(demo_pcm(700, 1900))
        await client.finish()
    assert client.of("target_media_chunk")[0]["headers"] == 2
    decoded = decode(media, client.speech_elements())
    assert likeness(decoded, samples(emulator.spoken[0].pcm_24k)) >= 0.9


async def test_given_speech_is_spoken_whatever_the_text(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("speech") / "given.wav"
    given = tones("one two three")
    write_wav(path, given, SPEECH_RATE_HZ)
    assert await Synthesiser("auto", path).speak("anything", "de") == given


async def test_espeak_speaks_without_silence_around_it_and_unknown_voices_give_tones() -> None:
    synthesiser = Synthesiser("espeak", None)
    spoken = await synthesiser.speak(" Guten Morgen.", "de")
    edge = SPEECH_RATE_HZ // 50 * 2
    assert audioop.rms(spoken[:edge], 2) > 50
    assert audioop.rms(spoken[-edge:], 2) > 50
    assert await synthesiser.speak("two words", "xx") == tones("two words")


@pytest.mark.parametrize("media", sorted(HEADERS))
def test_every_unit_counts_its_time(media: str) -> None:
    pcm = tones("a few words to be spoken")
    units = make_encoder(media).encode(pcm)
    assert sum(unit.duration_ms for unit in units) == pytest.approx(len(pcm) / 48, abs=90)
