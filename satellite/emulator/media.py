"""Source audio in the declared encoding to 16 kHz PCM, piece by piece."""

import audioop
import re
import struct
from collections.abc import Iterator
from typing import Protocol

from satellite.core.audio import RATE_HZ
from satellite.emulator.ogg import OggReader
from satellite.emulator.pcm import WIDTH, StreamResampler
from satellite.emulator.webm import WebmReader
from satellite.errors import MediaError

OPUS_RATE_HZ = 48_000


class SourceDecoder(Protocol):
    """Turns the chunks of one connection into PCM."""

    frame_bytes: int
    """Chunks must be a multiple of this; 1 for containers."""
    is_exact: bool
    """True when the PCM that comes out is the PCM that went in."""

    def push(self, data: bytes) -> tuple[bytes, float]:
        """16 kHz mono s16le and the playback time in ms of a chunk; MediaError when it cannot be decoded."""
        ...


def make_decoder(media: str) -> SourceDecoder:
    """A decoder for a published source media type; MediaError for one that this emulator does not decode."""
    match = re.fullmatch(r"audio/pcm;encoding=(s16le|alaw|ulaw);rate=(\d+)", media)
    if match:
        return PcmSource(match[1], int(match[2]))
    if media in ("audio/ogg", "audio/ogg;codecs=opus", "audio/auto"):
        return OpusSource(OggReader())
    if media == "audio/webm;codecs=opus":
        return OpusSource(WebmReader())
    raise MediaError(f"the emulator does not decode {media}")


class PcmSource:
    """s16le of any rate, or G.711."""

    def __init__(self, encoding: str, rate_hz: int) -> None:
        self._encoding = encoding
        self._rate_hz = rate_hz
        self._resampler = StreamResampler(rate_hz, RATE_HZ)
        self.frame_bytes = WIDTH if encoding == "s16le" else 1
        self.is_exact = encoding == "s16le" and rate_hz == RATE_HZ

    def push(self, data: bytes) -> tuple[bytes, float]:
        """Expand and resample one chunk of whole samples."""
        duration_ms = len(data) / self.frame_bytes * 1000 / self._rate_hz
        if self._encoding == "alaw":
            data = audioop.alaw2lin(data, WIDTH)
        elif self._encoding == "ulaw":
            data = audioop.ulaw2lin(data, WIDTH)
        return self._resampler.push(data), duration_ms


class PacketReader(Protocol):
    """Opus packets out of a container, its header packets before them."""

    def push(self, data: bytes) -> Iterator[bytes]:
        """The packets that these bytes complete; ValueError on what is not that container."""
        ...


class OpusSource:
    """Opus in a container; needs PyAV."""

    frame_bytes = 1
    is_exact = False

    def __init__(self, reader: PacketReader) -> None:
        try:
            import av  # noqa: PLC0415 - loaded only when used
        except ImportError as fault:
            raise MediaError("Opus needs the package av: pip install av") from fault
        self._av = av
        self._reader = reader
        self._context: av.AudioCodecContext | None = None
        self._resampler = StreamResampler(OPUS_RATE_HZ, RATE_HZ)
        self._skip = 0

    def push(self, data: bytes) -> tuple[bytes, float]:
        """Decode the packets that this chunk completes; their lead-in is dropped but counts as time."""
        pcm, samples = bytearray(), 0
        try:
            for packet in self._reader.push(data):
                decoded = self._packet(packet)
                samples += len(decoded) // WIDTH
                pcm += decoded
        except (ValueError, self._av.FFmpegError) as fault:
            raise MediaError("Audio format not supported") from fault
        skipped = min(self._skip, len(pcm) // WIDTH)
        self._skip -= skipped
        return self._resampler.push(bytes(pcm[skipped * WIDTH :])), samples * 1000 / OPUS_RATE_HZ

    def _packet(self, packet: bytes) -> bytes:
        if packet.startswith(b"OpusHead"):
            if packet[9] != 1:
                raise ValueError("source audio must have a single channel")
            self._skip = struct.unpack_from("<H", packet, 10)[0]
            self._context = self._av.AudioCodecContext.create("libopus", "r")
            self._context.sample_rate = OPUS_RATE_HZ
            self._context.layout = "mono"
            self._context.format = "s16"
            return b""
        if packet.startswith(b"OpusTags"):
            return b""
        if self._context is None:
            raise ValueError("an Opus packet before its header")
        frames = self._context.decode(self._av.Packet(packet))
        return b"".join(bytes(frame.planes[0])[: frame.samples * WIDTH] for frame in frames)
