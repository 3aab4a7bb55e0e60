"""Encoders for the way up (backends.base.MediaEncoder): PCM as it is, or Opus in Ogg by PyAV."""

import struct
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from satellite.backends.base import MediaEncoder
from satellite.core.audio import RATE_HZ, SAMPLE_BYTES
from satellite.errors import MediaError

if TYPE_CHECKING:
    import av

_OPUS_FRAME_MS = 20
_FRAME_BYTES = RATE_HZ * SAMPLE_BYTES * _OPUS_FRAME_MS // 1000
_GRANULES_PER_FRAME = 48 * _OPUS_FRAME_MS  # RFC 7845 section 4: granule positions count samples at 48 kHz
_GRANULES_PER_SAMPLE = 48_000 // RATE_HZ
_PACKETS_PER_PAGE = 5  # 100 ms: a page is the smallest thing a reader can use
_COMPLEXITY = 5  # half the work of libopus's default of 10, inaudible for speech

_FIRST, _LAST = 0x02, 0x04  # RFC 3533 section 6, header type flags


def make_encoder(source_media: str) -> MediaEncoder:
    """The encoder for `source_media`, "pcm" or "opus". Raises MediaError, naming the mend."""
    if source_media == "pcm":
        return PcmEncoder()
    if source_media == "opus":
        return OggOpusEncoder()
    raise MediaError(f"no encoder for {source_media!r}: use pcm or opus")


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


class OggOpusEncoder:
    """Opus in Ogg (RFC 7845), pages out with every call; a restart begins a new link of a chained stream."""

    def __init__(self, bit_rate: int = 32_000) -> None:
        try:
            import av  # noqa: PLC0415 - loaded only when used
        except ImportError as error:
            raise MediaError("Opus upload needs PyAV: pip install 'voice-satellite[av]', or use pcm") from error
        try:
            av.Codec("libopus", "w")
        except ValueError as error:
            raise MediaError("this PyAV has no Opus encoder: use source_media pcm") from error
        self._bit_rate = bit_rate
        self._carry = b""
        self._serial = 0
        self._codec: av.AudioCodecContext | None = None
        self._pages = _OggPages(0)
        self._pre_skip = 0
        self._samples = 0

    def encode(self, pcm: bytes) -> bytes:
        """Pages for all whole 20 ms frames so far; the first of a stream come with its headers."""
        self._samples += len(pcm) // SAMPLE_BYTES
        data = self._carry + pcm
        whole = len(data) - len(data) % _FRAME_BYTES
        self._carry = data[whole:]
        if not whole:
            return b""
        headers = self._begin() if self._codec is None else b""
        return headers + self._pages.audio(self._packets(data[:whole]))

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
        pages = headers + self._pages.audio(self._packets(padded), end)
        self._carry, self._codec, self._samples = b"", None, 0
        return pages

    def _begin(self) -> bytes:
        self._serial += 1
        self._pages = _OggPages(self._serial)
        codec = self._codec = _open_codec(self._bit_rate)
        head = bytes(codec.extradata or b"")
        self._pre_skip = int.from_bytes(head[10:12], "little")  # RFC 7845 section 5.1
        tags = b"OpusTags" + struct.pack("<I", 15) + b"voice-satellite" + struct.pack("<I", 0)
        return self._pages.header(head, _FIRST) + self._pages.header(tags, 0)

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

    def header(self, packet: bytes, flags: int) -> bytes:
        """A page with one header packet."""
        return self._page([packet], flags)

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


_MIRRORED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


def _crc(data: bytes) -> int:
    """Ogg's CRC: zlib's polynomial, most significant bit first, no inversion; so zlib's on mirrored bits."""
    mirrored = zlib.crc32(data.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)
