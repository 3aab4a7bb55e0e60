"""Speech that comes as clips, each whole in itself: decoded one after another in every form."""

import asyncio

import numpy as np
import pytest

from satellite.adapters.containers import ADTS, MP3, WAV, HeaderKeeper
from satellite.adapters.decoder import make_decoder
from satellite.backends.vurbo.speech import sniff
from satellite.emulator.vurbo.tts import encode
from tests.fakes.speech_media import correlation, resampled, voice

RATE_HZ = 24_000
FORMS = ("audio/wav", "audio/mpeg", "audio/ogg", "audio/webm", "audio/flac", "audio/aac")


@pytest.mark.parametrize("is_flushed", [True, False])
@pytest.mark.parametrize("form", FORMS)
async def test_clips_are_heard_one_after_another(form: str, is_flushed: bool) -> None:
    said = voice(RATE_HZ)[: RATE_HZ * 2]
    sound = sniff(encode(said.tobytes(), form))
    assert sound is not None
    pcm = bytearray()
    decoder = make_decoder(form, (), pcm.extend)
    clip = encode(said.tobytes(), form)
    for _ in range(3):
        decoder.feed((clip,))
        if is_flushed:
            await decoder.flush()
    await decoder.flush()
    decoder.close()
    heard = np.frombuffer(bytes(pcm), np.int16)
    wanted = resampled(said, RATE_HZ, decoder.rate_hz)
    assert len(heard) / decoder.rate_hz == pytest.approx(3 * len(said) / RATE_HZ, abs=0.35)
    reach = decoder.rate_hz // 8
    step = len(heard) // 3
    for number in range(3):
        start = max(0, number * step - reach // 2)
        assert correlation(wanted, heard[start : start + len(wanted) + 2 * reach], 2 * reach) >= 0.85, number
    assert getattr(decoder, "faults", 0) == 0


async def test_a_wav_that_is_no_plain_one_is_decoded_too() -> None:
    said = voice(RATE_HZ)[:RATE_HZ]
    stereo = bytearray(encode(np.repeat(said, 2).tobytes(), "audio/wav"))
    stereo[22:24] = (2).to_bytes(2, "little")
    stereo[32:34] = (4).to_bytes(2, "little")
    sound = sniff(bytes(stereo))
    assert sound is not None
    assert sound.content_type == "audio/wav"
    pcm = bytearray()
    decoder = make_decoder(sound.content_type, (), pcm.extend)
    decoder.feed((sound.data,))
    await decoder.flush()
    decoder.close()
    await asyncio.sleep(0)
    assert len(pcm) / 2 / decoder.rate_hz == pytest.approx(1.0, abs=0.05)


def test_where_their_headers_end() -> None:
    keeper = HeaderKeeper(WAV, b"")
    clip = encode(bytes(200), "audio/wav")
    for byte in clip:
        keeper.see(bytes([byte]))
    assert keeper.header == clip[:44]
    for container, clip_form in ((MP3, "audio/mpeg"), (ADTS, "audio/aac")):
        other = HeaderKeeper(container, b"given")
        other.see(encode(bytes(48_000), clip_form))
        assert other.header == b""
    wrong = HeaderKeeper(WAV, b"given")
    wrong.see(b"no wav at all")
    assert wrong.header == b"given"
    assert MP3.is_beginning(b"ID3\4")
    assert not ADTS.is_beginning(b"\xff\xf1")
