"""Speech by its first bytes, wherever it stands."""

import base64
import io
import struct
import wave
from typing import Any

import pytest

from satellite.backends.vurbo.speech import (
    MAX_CLIP_BYTES,
    Sound,
    audio_of,
    language_of,
    name_of_unknown,
    sniff,
)


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def wav(samples: bytes = b"\1\0" * 2400, channels: int = 1, width: int = 2, rate_hz: int = 24_000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.setframerate(rate_hz)
        writer.writeframes(samples)
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        {"audio": encoded(b"abc")},
        {"payload": encoded(b"abc")},
        {"audio_data": encoded(b"abc")},
        {"audio": "", "audio_base64": encoded(b"abc")},
        {"data": {"audio_base64": encoded(b"abc")}},
        {"audio": {"voice": 1, "data": encoded(b"abc")}},
        {"audio": f"data:audio/mpeg;base64,{encoded(b'abc')}"},
    ],
)
def test_a_clip_is_found_wherever_it_stands(data: dict[str, Any]) -> None:
    assert audio_of(data) == b"abc"


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"audio": 7, "data": [1]},
        {"data": {"data": {"audio": encoded(b"abc")}}},
        {"audio": "no base64"},
        {"audio": "data:,"},
        {"audio": "A" * (MAX_CLIP_BYTES * 4 // 3 + 8)},
    ],
)
def test_there_may_be_none(data: dict[str, Any]) -> None:
    assert audio_of(data) is None


def test_a_clip_may_say_its_language() -> None:
    assert language_of({"tts_language": "de-DE"}) == "de-DE"
    assert language_of({"language": 7, "lang": "fr-FR"}) == "fr-FR"
    assert language_of({}) is None


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (b"OggS....", "audio/ogg"),
        (b"\x1a\x45\xdf\xa3....", "audio/webm"),
        (b"fLaC....", "audio/flac"),
        (b"ID3....", "audio/mpeg"),
        (b"\xff\xfb\x90\x00", "audio/mpeg"),
        (b"\xff\xf3\x44\xc4", "audio/mpeg"),
        (b"\xff\xf1\x50\x80", "audio/aac"),
        (b"\xff\xf9\x50\x80", "audio/aac"),
    ],
)
def test_compressed_speech_goes_on_as_it_is(data: bytes, content_type: str) -> None:
    assert sniff(data) == Sound(content_type, data)


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"\xff\x00..", b"\xff\xe8..", b"\0\0\0\x18ftypM4A ", b"RIFF....AVI ", b"\1\2\3\4"]
)
def test_what_is_not_known_to_be_sound_is_none(data: bytes) -> None:
    assert sniff(data) is None
    assert name_of_unknown(data) == ("audio/mp4" if b"ftyp" in data else "application/octet-stream")


def test_a_plain_wav_needs_no_decoder() -> None:
    assert sniff(wav()) == Sound("audio/pcm;encoding=s16le;rate=24000", b"\1\0" * 2400, 100)


def test_the_samples_of_a_stream_go_as_far_as_they_go() -> None:
    endless = bytearray(wav())
    struct.pack_into("<I", endless, 40, 0xFFFFFFFF)
    found = sniff(bytes(endless) + b"\1")
    assert found is not None
    assert (found.duration_ms, len(found.data)) == (100, 4800)


@pytest.mark.parametrize(
    "data",
    [
        wav(channels=2),
        wav(width=1),
        wav(rate_hz=1234),
        wav()[:20],
        wav()[:36],
        b"RIFF\0\0\0\0WAVEdata\4\0\0\0\1\0\1\0",
        b"RIFF\0\0\0\0WAVEfmt \4\0\0\0\1\0\1\0LIST\1\0\0\0x\0",
    ],
)
def test_any_other_wav_is_for_a_decoder(data: bytes) -> None:
    assert sniff(data) == Sound("audio/wav", data)
