"""A live Matroska or WebM stream with one audio track: a header, then clusters of known size."""

import struct
from dataclasses import dataclass

_UNKNOWN_SIZE = b"\x01\xff\xff\xff\xff\xff\xff\xff"
MUXER = b"voice-satellite emulator"


@dataclass(frozen=True, slots=True)
class Track:
    """The audio track; `delay_samples` is the codec's lead-in at its rate."""

    codec: str
    private: bytes
    rate_hz: int
    delay_samples: int = 0


def _size(length: int) -> bytes:
    for width in range(1, 9):
        if length < (1 << (7 * width)) - 1:
            return (length | 1 << (7 * width)).to_bytes(width, "big")
    raise ValueError("element too large")


def _element(identifier: int, payload: bytes) -> bytes:
    name = identifier.to_bytes((identifier.bit_length() + 7) // 8, "big")
    return name + _size(len(payload)) + payload


def _unsigned(identifier: int, value: int) -> bytes:
    return _element(identifier, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def header(doc_type: str, track: Track) -> bytes:
    """EBML header, Segment of unknown size, Info and Tracks."""
    ebml = b"".join(
        (
            _unsigned(0x4286, 1),
            _unsigned(0x42F7, 1),
            _unsigned(0x42F2, 4),
            _unsigned(0x42F3, 8),
            _element(0x4282, doc_type.encode()),
            _unsigned(0x4287, 4),
            _unsigned(0x4285, 2),
        )
    )
    info = _unsigned(0x2AD7B1, 1_000_000) + _element(0x4D80, MUXER) + _element(0x5741, MUXER)
    audio = _element(0xB5, struct.pack(">d", track.rate_hz)) + _unsigned(0x9F, 1)
    entry = _unsigned(0xD7, 1) + _unsigned(0x73C5, 1) + _unsigned(0x83, 2) + _unsigned(0x9C, 0)
    entry += _element(0x86, track.codec.encode()) + _element(0x63A2, track.private)
    if track.codec == "A_OPUS":
        entry += _unsigned(0x56AA, track.delay_samples * 1_000_000_000 // 48_000) + _unsigned(0x56BB, 80_000_000)
    entry += _element(0xE1, audio)
    segment = bytes.fromhex("18538067") + _UNKNOWN_SIZE
    return (
        _element(0x1A45DFA3, ebml) + segment + _element(0x1549A966, info) + _element(0x1654AE6B, _element(0xAE, entry))
    )


def cluster(start_ms: int, packets: list[tuple[int, bytes]]) -> bytes:
    """One cluster; each packet comes with its time in ms."""
    blocks = b"".join(_element(0xA3, b"\x81" + struct.pack(">hB", at - start_ms, 0x80) + data) for at, data in packets)
    return _element(0x1F43B675, _unsigned(0xE7, start_ms) + blocks)
