"""Speech as Vurbo may send it: where a clip is in a message known in part only, and what it is (reference §8.2).

What cannot be told by its first bytes is never played: raw bytes taken for sound are loud noise.
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from satellite.backends.vurbo.messages import word

MAX_CLIP_BYTES = 4 * 1024 * 1024
UNKNOWN = "application/octet-stream"
_AUDIO_KEYS = ("audio", "payload", "audio_data", "audio_base64", "data")
_LANGUAGE_KEYS = ("language", "tts_language", "lang")
_RATES_HZ = frozenset({8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000})
_PCM, _MONO, _SAMPLE_BITS = 1, 1, 16


@dataclass(frozen=True, slots=True)
class Sound:
    """A clip that can be decoded by itself; its length in ms where the bytes tell it, else 0."""

    content_type: str
    data: bytes
    duration_ms: int = 0


def language_of(data: Mapping[str, Any]) -> str | None:
    """The language that a clip says it is in."""
    return next((tag for key in _LANGUAGE_KEYS if (tag := word(data.get(key))) is not None), None)


def audio_of(data: Mapping[str, Any]) -> bytes | None:
    """The bytes of a clip wherever they stand; None when there are none, or too many."""
    text = next(_texts(data), None)
    if text is None:
        nested = (data.get(key) for key in _AUDIO_KEYS)
        text = next((inner for item in nested if isinstance(item, dict) for inner in _texts(item)), None)
    if text is None:
        return None
    if text.startswith("data:"):
        text = text.partition(",")[2]
    if len(text) > MAX_CLIP_BYTES * 4 // 3 + 4:
        return None
    try:
        return base64.b64decode(text, validate=True) or None
    except ValueError:
        return None


def _texts(data: Mapping[str, Any]) -> Iterator[str]:
    for key in _AUDIO_KEYS:
        text = data.get(key)
        if isinstance(text, str) and text:
            yield text


def sniff(data: bytes) -> Sound | None:
    """What a clip is by its first bytes; None for what is not known to be sound."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return _wave(data) or Sound("audio/wav", data)
    for magic, content_type in _MAGIC:
        if data.startswith(magic):
            return Sound(content_type, data)
    if len(data) > 1 and data[0] == 0xFF:
        if data[1] & 0xF6 == 0xF0:  # ISO 13818-7: twelve bits of sync, layer 0
            return Sound("audio/aac", data)
        if data[1] & 0xE0 == 0xE0 and data[1] & 0x06:  # ISO 11172-3: eleven bits of sync, a layer that is there
            return Sound("audio/mpeg", data)
    return None


_MAGIC = (
    (b"OggS", "audio/ogg"),
    (b"\x1a\x45\xdf\xa3", "audio/webm"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
)


def name_of_unknown(data: bytes) -> str:
    """What to call a clip that cannot be played."""
    return "audio/mp4" if data[4:8] == b"ftyp" else UNKNOWN


def _wave(data: bytes) -> Sound | None:
    """The samples of a plain WAV, which need no decoder; None for any other."""
    at, rate_hz = 12, 0
    while at + 8 <= len(data):
        name, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        body = data[at + 8 : at + 8 + length]  # a stream may say more than there is
        if name == b"fmt " and len(body) >= 16:
            kind, channels, rate_hz = (
                int.from_bytes(body[:2], "little"),
                int.from_bytes(body[2:4], "little"),
                int.from_bytes(body[4:8], "little"),
            )
            bits = int.from_bytes(body[14:16], "little")
            if (kind, channels, bits) != (_PCM, _MONO, _SAMPLE_BITS) or rate_hz not in _RATES_HZ:
                return None
        elif name == b"data" and rate_hz:
            samples = body[: len(body) // 2 * 2]
            return Sound(f"audio/pcm;encoding=s16le;rate={rate_hz}", samples, len(samples) * 500 // rate_hz)
        at += 8 + length + length % 2
    return None
