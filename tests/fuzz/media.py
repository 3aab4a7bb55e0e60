"""Targets: speech as services send it: content types, container headers, and whole streams through the decoders."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from functools import cache

from satellite.adapters.containers import (
    FLAC,
    MATROSKA,
    MPEG_TS,
    OGG,
    Container,
    HeaderKeeper,
    NotThisContainerError,
)
from satellite.adapters.decoder import make_decoder
from satellite.adapters.sound import RATES_HZ
from satellite.errors import MediaError
from tests.fakes.speech_media import COMPRESSED, UNCOMPRESSED, make_media
from tests.fuzz.target import Outcome, Shape, Target, hold

FLUSH_S = 30.0
"""Longest that decoding so little may take on a slow machine."""
PCM_BYTES_MAX = 64 << 20
"""Far more than any honest stream of these lengths holds; what libav keeps in memory at once is less still."""
BARE = "audio/opus"
"""Packets without a container: a unit each."""
UNIT_BYTES = (16, 188, 700, 5_000)
_CONTAINERS = (OGG, MATROSKA, FLAC, MPEG_TS)


# --- content types ------------------------------------------------------------------------------------------------


def make(data: bytes) -> Outcome:
    """A decoder for any content type, fed anything; only MediaError may come of it."""
    return asyncio.run(_made(data.decode("utf-8", "replace")))


async def _made(content_type: str) -> Outcome:
    heard: list[bytes] = []
    try:
        decoder = make_decoder(content_type, (), heard.append)
    except MediaError as error:
        hold(0 < len(str(error)) < 400 and str(error).isprintable(), "an error is a printable sentence")
        return Outcome("refused")
    rate_hz = decoder.rate_hz
    decoder.feed([b"\x01", b"", b"\x02\x03\x04"])
    decoder.close()
    hold(rate_hz in RATES_HZ, "speech has a rate that a loudspeaker can have")
    hold(all(len(pcm) % 2 == 0 for pcm in heard), "PCM is whole samples")
    await _threads_end()
    return Outcome(f"{type(decoder).__name__} {min(rate_hz, 100_000) // 8_000}")


# --- containers ---------------------------------------------------------------------------------------------------


def keep_header(data: bytes) -> Outcome:
    """A stream of any container, in pieces: what is kept of it is a beginning of it, and bounded."""
    labels = [_kept(container, data) for container in _CONTAINERS]
    return Outcome(" ".join(labels))


def _kept(container: Container, data: bytes) -> str:
    container.is_beginning(data)
    keeper = HeaderKeeper(container, b"given")
    for at in range(0, len(data), 997):
        keeper.see(data[at : at + 997])
    hold(len(keeper.header) <= 300_000, "a header is bounded")
    hold(keeper.header == b"given" or data.startswith(keeper.header), "a header is a beginning")
    try:
        length = container.header_bytes(data)
    except NotThisContainerError:
        return "-"
    hold(length is None or 0 <= length <= len(data), "a header lies inside the stream")
    return "?" if length is None else "+"


# --- whole streams ------------------------------------------------------------------------------------------------


@cache
def _streams() -> tuple[bytes, ...]:
    """A little of each form: which one, how it is cut, and the stream from its beginning."""
    streams = []
    for number, content_type in enumerate(COMPRESSED):
        media = make_media(content_type)
        units = [*media.headers, *media.pieces[0][:6], *media.pieces[1][:2]]
        if content_type == BARE:
            units = [bytes([len(unit)]) + unit for unit in units]
        streams.append(bytes([number, number % len(UNIT_BYTES)]) + b"".join(units)[:12_000])
    streams += [bytes([len(COMPRESSED) + number, 1]) + b"\x01\x02" * 200 for number in range(len(UNCOMPRESSED))]
    return tuple(streams)


def decode(data: bytes) -> Outcome:
    """A stream through the decoder of its type: no exception, no thread left, memory bounded."""
    types = (*COMPRESSED, *UNCOMPRESSED)
    first, cut = (*data[:2], 0, 0)[:2]
    return asyncio.run(_decoded(types[first % len(types)], data[2:], UNIT_BYTES[cut % len(UNIT_BYTES)]))


async def _decoded(content_type: str, stream: bytes, unit_bytes: int) -> Outcome:
    heard: list[int] = []
    decoder = make_decoder(content_type, (), lambda pcm: heard.append(len(pcm)))
    units = _packets(stream) if content_type == BARE else _pieces(stream, unit_bytes)
    half = len(units) // 2
    try:
        decoder.feed(units[:half])
        await asyncio.wait_for(decoder.flush(), FLUSH_S)
        decoder.feed(units[half:])
        await asyncio.wait_for(decoder.flush(), FLUSH_S)
    finally:
        decoder.close()
    await _threads_end()
    hold(all(size % 2 == 0 for size in heard), "PCM is whole samples")
    hold(sum(heard) <= PCM_BYTES_MAX, f"{sum(heard)} bytes of PCM from {len(stream)} of {content_type}")
    faults = min(getattr(decoder, "faults", 0), 2)
    return Outcome(f"{content_type} {'heard' if heard else 'silent'} {faults}")


def _packets(stream: bytes) -> list[bytes]:
    """Units as long as the byte in front of each says."""
    units, at = [], 0
    while at < len(stream):
        units.append(stream[at + 1 : at + 1 + stream[at]])
        at += 1 + stream[at]
    return units


def _pieces(stream: bytes, size: int) -> list[bytes]:
    return [stream[at : at + size] for at in range(0, len(stream), size)]


async def _threads_end() -> None:
    async with asyncio.timeout(FLUSH_S):
        while any(thread.name == "satellite.decoder" for thread in threading.enumerate()):
            await asyncio.sleep(0.001)


def _types() -> Sequence[bytes]:
    return [
        text.encode()
        for text in (*COMPRESSED, *UNCOMPRESSED, "audio/mpeg", ' Audio/PCM ; rate="48000"; encoding=s16le;')
    ]


_plain: Callable[[], Sequence[bytes]] = lambda: [stream[2:] for stream in _streams()]  # noqa: E731 - a seed maker

TARGETS = (
    Target("media.type", Shape.TEXT, make, _types, 1, ("audio/pcm", "rate", "encoding", "codecs", "9" * 5_000)),
    Target("media.header", Shape.BYTES, keep_header, _plain, 2),
    Target("media.stream", Shape.BYTES, decode, _streams, 0.4),
)
