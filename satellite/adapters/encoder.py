"""Encoders for the way up (backends.base.MediaEncoder): PCM as it is, or Opus in Ogg or WebM by PyAV."""

import struct
import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from satellite.backends.base import MediaEncoder
from satellite.core.audio import RATE_HZ, SAMPLE_BYTES
from satellite.errors import MediaError, without_extra

if TYPE_CHECKING:
    import av

_OPUS_FRAME_MS = 20
_FRAME_BYTES = RATE_HZ * SAMPLE_BYTES * _OPUS_FRAME_MS // 1000
_GRANULES_PER_FRAME = 48 * _OPUS_FRAME_MS  # RFC 7845 section 4: granule positions count samples at 48 kHz
_GRANULES_PER_SAMPLE = 48_000 // RATE_HZ
_PACKETS_PER_PAGE = 5  # 100 ms: a page is the smallest thing a reader can use
_COMPLEXITY = 5  # half the work of libopus's default of 10, inaudible for speech

_FIRST, _LAST = 0x02, 0x04  # RFC 3533 section 6, header type flags
_KEY_FRAME = 0x80  # RFC 9559 section 10.1
_WRITER = b"voice-satellite"


def make_encoder(source_media: str) -> MediaEncoder:
    """The encoder for `source_media`, "pcm", "opus" or "webm". Raises MediaError, naming the mend."""
    if source_media == "pcm":
        return PcmEncoder()
    if source_media == "opus":
        return OggOpusEncoder()
    if source_media == "webm":
        return WebmOpusEncoder()
    raise MediaError(f"no encoder for {source_media!r}: use pcm, opus or webm")


class PcmEncoder:
    """PCM stays as it is."""

    def encode(self, pcm: bytes) -> bytes:
        """The same bytes."""
        return pcm

    def restart(self) -> None:
        """PCM has no beginning."""

    def finish(self) -> bytes:
        """Nothing is kept back."""
        return b""


class _Wrapping(Protocol):
    """The container of one stream."""

    def begin(self, head: bytes) -> bytes:
        """What comes before all packets; `head` is the codec's own (RFC 7845 section 5.1)."""

    def audio(self, packets: Sequence[bytes], last_granule: int | None = None) -> bytes:
        """These packets, with nothing kept back; the stream is over where its last granule position is given."""


class _OpusEncoder:
    """Opus in a container, out with every call; a restart begins a new stream."""

    def __init__(self, wrap: Callable[[int], _Wrapping], bit_rate: int) -> None:
        try:
            import av  # noqa: PLC0415 - loaded only when used
        except ImportError as error:
            raise MediaError(f"Opus upload needs PyAV: {without_extra('av')}, or use pcm") from error
        try:
            av.Codec("libopus", "w")
        except ValueError as error:
            raise MediaError("this PyAV has no Opus encoder: use pcm") from error
        self._wrap = wrap
        self._bit_rate = bit_rate
        self._carry = b""
        self._serial = 0
        self._codec: av.AudioCodecContext | None = None
        self._stream = wrap(0)
        self._pre_skip = 0
        self._samples = 0

    def encode(self, pcm: bytes) -> bytes:
        """All whole 20 ms frames so far; the first of a stream come with its headers."""
        self._samples += len(pcm) // SAMPLE_BYTES
        data = self._carry + pcm
        whole = len(data) - len(data) % _FRAME_BYTES
        self._carry = data[whole:]
        if not whole:
            return b""
        headers = self._begin() if self._codec is None else b""
        return headers + self._stream.audio(self._packets(data[:whole]))

    def restart(self) -> None:
        """Begin a fresh stream with the next audio; PCM that made no whole frame yet goes into it."""
        self._codec = None
        self._samples = len(self._carry) // SAMPLE_BYTES

    def finish(self) -> bytes:
        """The rest of the audio and the end of the stream; more audio would begin another."""
        if self._codec is None and not self._carry:
            return b""
        headers = self._begin() if self._codec is None else b""
        # the decoder's delay has to be pushed out too; the last granule position cuts what is too much
        missing = self._pre_skip // _GRANULES_PER_SAMPLE * SAMPLE_BYTES + len(self._carry)
        padded = self._carry.ljust(-(-missing // _FRAME_BYTES) * _FRAME_BYTES, b"\0")
        end = self._pre_skip + self._samples * _GRANULES_PER_SAMPLE
        rest = headers + self._stream.audio(self._packets(padded), end)
        self._carry, self._codec, self._samples = b"", None, 0
        return rest

    def _begin(self) -> bytes:
        self._serial += 1
        self._stream = self._wrap(self._serial)
        codec = self._codec = _open_codec(self._bit_rate)
        head = bytes(codec.extradata or b"")
        self._pre_skip = int.from_bytes(head[10:12], "little")  # RFC 7845 section 5.1
        return self._stream.begin(head)

    def _packets(self, pcm: bytes) -> list[bytes]:
        import av  # noqa: PLC0415 - loaded only when used

        packets: list[bytes] = []
        for start in range(0, len(pcm), _FRAME_BYTES):
            frame = av.AudioFrame("s16", "mono", _FRAME_BYTES // SAMPLE_BYTES)
            frame.sample_rate = RATE_HZ
            frame.planes[0].update(pcm[start : start + _FRAME_BYTES].ljust(frame.planes[0].buffer_size, b"\0"))
            if self._codec is not None:
                packets.extend(bytes(packet) for packet in self._codec.encode(frame))
        return packets


class OggOpusEncoder(_OpusEncoder):
    """Opus in Ogg (RFC 7845); a restart begins a new link of a chained stream."""

    def __init__(self, bit_rate: int = 32_000) -> None:
        super().__init__(_OggPages, bit_rate)


class WebmOpusEncoder(_OpusEncoder):
    """Opus in WebM as a browser records it: a head, then live clusters."""

    def __init__(self, bit_rate: int = 32_000) -> None:
        super().__init__(lambda _serial: _WebmClusters(), bit_rate)


def _open_codec(bit_rate: int) -> "av.AudioCodecContext":
    import av  # noqa: PLC0415 - loaded only when used

    codec = av.AudioCodecContext.create("libopus", "w")
    codec.sample_rate = RATE_HZ
    codec.format = av.AudioFormat("s16")
    codec.layout = "mono"
    codec.bit_rate = bit_rate
    codec.options = {
        "application": "voip",
        "frame_duration": str(_OPUS_FRAME_MS),
        "compression_level": str(_COMPLEXITY),
    }
    codec.open()
    return codec


class _OggPages:
    """Pages of one logical Ogg stream (RFC 3533). Its muxer would keep pages back; here each call's are whole."""

    def __init__(self, serial: int) -> None:
        self._serial = serial
        self._sequence = 0
        self._granule = 0

    def begin(self, head: bytes) -> bytes:
        """The two header pages."""
        tags = b"OpusTags" + struct.pack("<I", len(_WRITER)) + _WRITER + struct.pack("<I", 0)
        return self._page([head], _FIRST) + self._page([tags], 0)

    def audio(self, packets: Sequence[bytes], last_granule: int | None = None) -> bytes:
        """Pages with these packets; the last one ends the stream when its granule position is given."""
        pages = []
        for start in range(0, len(packets), _PACKETS_PER_PAGE):
            group = packets[start : start + _PACKETS_PER_PAGE]
            self._granule += len(group) * _GRANULES_PER_FRAME
            is_last = last_granule is not None and start + _PACKETS_PER_PAGE >= len(packets)
            if is_last and last_granule is not None:
                self._granule = last_granule
            pages.append(self._page(group, _LAST if is_last else 0))
        return b"".join(pages)

    def _page(self, packets: Sequence[bytes], flags: int) -> bytes:
        lacing = b"".join(b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255]) for packet in packets)
        fixed = (b"OggS", 0, flags, self._granule, self._serial, self._sequence)
        head = struct.pack("<4sBBqII", *fixed)
        tail = bytes([len(lacing)]) + lacing + b"".join(packets)
        self._sequence += 1
        return head + struct.pack("<I", _crc(head + bytes(4) + tail)) + tail


class _WebmClusters:
    """One WebM stream (RFC 9559) whose length nobody knows: clusters of known size, each whole by itself."""

    def __init__(self) -> None:
        self._at_ms = 0

    def begin(self, head: bytes) -> bytes:
        """EBML header, a Segment without end, Info and Tracks."""
        pre_skip = int.from_bytes(head[10:12], "little")
        ebml = (
            (0x4286, _unsigned(1)),  # EBMLVersion, EBMLReadVersion
            (0x42F7, _unsigned(1)),
            (0x42F2, _unsigned(4)),  # EBMLMaxIDLength, EBMLMaxSizeLength
            (0x42F3, _unsigned(8)),
            (0x4282, b"webm"),
            (0x4287, _unsigned(4)),  # DocTypeVersion, DocTypeReadVersion
            (0x4285, _unsigned(2)),
        )
        info = ((0x2AD7B1, _unsigned(1_000_000)), (0x4D80, _WRITER), (0x5741, _WRITER))  # times in ms
        track = (
            (0xD7, _unsigned(1)),  # TrackNumber, TrackUID
            (0x73C5, _unsigned(1)),
            (0x83, _unsigned(2)),  # TrackType: audio
            (0x9C, _unsigned(0)),  # FlagLacing
            (0x86, b"A_OPUS"),
            (0x63A2, head),  # CodecPrivate
            (0x56AA, _unsigned(pre_skip * 1_000_000_000 // 48_000)),  # CodecDelay, SeekPreRoll in ns
            (0x56BB, _unsigned(80_000_000)),
            (0xE1, _elements((0xB5, struct.pack(">d", 48_000)), (0x9F, _unsigned(1)))),
        )
        tracks = _elements((0xAE, _elements(*track)))
        endless = b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff"
        return (
            _elements((0x1A45DFA3, _elements(*ebml)))
            + endless
            + _elements((0x1549A966, _elements(*info)), (0x1654AE6B, tracks))
        )

    def audio(self, packets: Sequence[bytes], last_granule: int | None = None) -> bytes:  # noqa: ARG002 - a cut that this container lacks
        """Clusters with these packets."""
        clusters = []
        for start in range(0, len(packets), _PACKETS_PER_PAGE):
            group = packets[start : start + _PACKETS_PER_PAGE]
            blocks = [
                (0xA3, b"\x81" + struct.pack(">hB", place * _OPUS_FRAME_MS, _KEY_FRAME) + packet)
                for place, packet in enumerate(group)
            ]
            clusters.append(_elements((0x1F43B675, _elements((0xE7, _unsigned(self._at_ms)), *blocks))))
            self._at_ms += len(group) * _OPUS_FRAME_MS
        return b"".join(clusters)


def _elements(*entries: tuple[int, bytes]) -> bytes:
    """EBML elements (RFC 8794 section 6): identifier, size in as few bytes as it takes, content."""
    parts = []
    for identifier, content in entries:
        width = next(width for width in range(1, 9) if len(content) < (1 << 7 * width) - 1)
        size = (len(content) | 1 << 7 * width).to_bytes(width, "big")
        parts.append(identifier.to_bytes((identifier.bit_length() + 7) // 8, "big") + size + content)
    return b"".join(parts)


def _unsigned(number: int) -> bytes:
    return number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big")


_MIRRORED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


def _crc(data: bytes) -> int:
    """Ogg's CRC: zlib's polynomial, most significant bit first, no inversion; so zlib's on mirrored bits."""
    mirrored = zlib.crc32(data.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)
