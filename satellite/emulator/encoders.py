"""Speech in every published target media type (DeepL Voice reference §3.5, §16), as indivisible units.

Units are PCM blocks, codec packets, container pages or clusters. One encoder lives as long as its connection, so that
utterances follow one another in one continuous stream.
"""

import audioop
import io
import struct
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Protocol

from satellite.emulator import matroska
from satellite.emulator.ogg import OggWriter
from satellite.emulator.pcm import WIDTH, resample
from satellite.emulator.speech import SPEECH_RATE_HZ
from satellite.errors import MediaError

if TYPE_CHECKING:
    import av

BLOCK_MS = 40
PACKETS_PER_UNIT = 5
OPUS_PRE_SKIP = 312
OPUS_RATE_HZ = 48_000


@dataclass(frozen=True, slots=True)
class Unit:
    """One element of `data`; `duration_ms` of the audio in it."""

    data: bytes
    duration_ms: float


class SpeechEncoder(Protocol):
    """Encodes the utterances of one connection."""

    headers: tuple[bytes, ...]
    """Initialisation elements that precede the first audio; empty where the format has none."""

    def encode(self, pcm_24k: bytes) -> list[Unit]:
        """All units of one utterance, nothing held back."""
        ...


def make_encoder(media: str) -> SpeechEncoder:
    """An encoder for a published target media type; MediaError when PyAV is needed and missing."""
    if media.startswith("audio/pcm"):
        return PcmEncoder(media)
    if media.startswith("video/mp2t"):
        return TransportStreamEncoder(_codec(media))
    packets = PacketEncoder(_codec(media))
    if media in ("audio/opus", "audio/flac"):
        return PacketStream(packets)
    if media.startswith("audio/ogg"):
        return OggEncoder(packets)
    return MatroskaEncoder("webm" if "webm" in media else "matroska", packets)


def _codec(media: str) -> str:
    name = media.partition("codecs=")[2] or ("flac" if media == "audio/flac" else "opus")
    return {"opus": "libopus"}.get(name, name)


class PcmEncoder:
    """s16le at 16 or 24 kHz, or G.711 at 8 kHz."""

    headers: tuple[bytes, ...] = ()

    def __init__(self, media: str) -> None:
        self._rate_hz = int(media.rpartition("rate=")[2])
        self._law = {"alaw": audioop.lin2alaw, "ulaw": audioop.lin2ulaw}.get(
            media.split("encoding=")[1].split(";", maxsplit=1)[0]
        )

    def encode(self, pcm_24k: bytes) -> list[Unit]:
        """Blocks of 40 ms."""
        pcm = resample(pcm_24k, SPEECH_RATE_HZ, self._rate_hz)
        block = self._rate_hz * BLOCK_MS // 1000 * WIDTH
        pieces = [pcm[at : at + block] for at in range(0, len(pcm), block)]
        return [Unit(self._shrink(piece), len(piece) / WIDTH * 1000 / self._rate_hz) for piece in pieces]

    def _shrink(self, piece: bytes) -> bytes:
        return bytes(self._law(piece, WIDTH)) if self._law else piece


class PacketEncoder:
    """A codec with one packet for each frame of samples; the last frame of an utterance is filled up with silence."""

    def __init__(self, codec: str, context: "av.AudioCodecContext | None" = None) -> None:
        self._av = _load_av()
        self.codec = codec
        self.rate_hz = _rate_hz(codec)
        context = context or self._av.AudioCodecContext.create(codec, "w")
        context.sample_rate = self.rate_hz
        context.layout = "mono"
        context.format = "fltp" if codec == "aac" else "s16"
        if codec == "flac":
            context.options = {"frame_size": "480"}
        else:
            context.bit_rate = 70_000 if codec == "aac" else 32_000
        context.open()
        self._context = context
        self.frame_samples = context.frame_size
        self.delay_samples = {"libopus": OPUS_PRE_SKIP, "aac": self.frame_samples}.get(codec, 0)
        self._held_samples = self.frame_samples if codec == "aac" else 0
        self._samples_in = 0
        self._to_format = self._av.AudioResampler(format=context.format, layout="mono", rate=self.rate_hz)

    @property
    def private(self) -> bytes:
        """The codec's initialisation data: OpusHead, STREAMINFO or AudioSpecificConfig."""
        return opus_head() if self.codec == "libopus" else bytes(self._context.extradata or b"")

    @property
    def frame_ms(self) -> float:
        """Playback time of one packet."""
        return self.frame_samples * 1000 / self.rate_hz

    def encode(self, pcm_24k: bytes) -> list[tuple[int, bytes]]:
        """Packets of one utterance with their start in samples of the stream; the codec's delay is pushed out."""
        pcm = resample(pcm_24k, SPEECH_RATE_HZ, self.rate_hz)
        pcm += bytes((self.delay_samples + self._held_samples) * WIDTH)
        frame_bytes = self.frame_samples * WIDTH
        pcm += bytes(-len(pcm) % frame_bytes)
        packets: list[tuple[int, bytes]] = []
        for at in range(0, len(pcm), frame_bytes):
            frame = self._frame(pcm[at : at + frame_bytes])
            at_samples = max(0, self._samples_in - self._held_samples)
            packets += [(at_samples, bytes(packet)) for packet in self._context.encode(frame)]
            self._samples_in += self.frame_samples
        return packets

    def _frame(self, pcm: bytes) -> "av.AudioFrame":
        frame: av.AudioFrame = self._av.AudioFrame(format="s16", layout="mono", samples=self.frame_samples)
        frame.planes[0].update(pcm)
        frame.sample_rate = self.rate_hz
        converted: av.AudioFrame = self._to_format.resample(frame)[0] if self.codec == "aac" else frame
        converted.pts = self._samples_in
        return converted

    def units(self, pcm_24k: bytes) -> list[list[tuple[int, bytes]]]:
        """The packets of an utterance in groups for pages and clusters."""
        packets = self.encode(pcm_24k)
        return [packets[at : at + PACKETS_PER_UNIT] for at in range(0, len(packets), PACKETS_PER_UNIT)]


def _load_av() -> ModuleType:
    try:
        import av  # noqa: PLC0415 - loaded only when used
    except ImportError as fault:
        raise MediaError("compressed speech needs the package av: pip install av") from fault
    return av


def _rate_hz(codec: str) -> int:
    return OPUS_RATE_HZ if codec == "libopus" else SPEECH_RATE_HZ


def opus_head() -> bytes:
    """The identification header of RFC 7845: mono, pre-skip 312, 24 kHz input."""
    return b"OpusHead" + struct.pack("<BBHIhB", 1, 1, OPUS_PRE_SKIP, SPEECH_RATE_HZ, 0, 0)


def _stream_info(private: bytes, *, last: bool) -> bytes:
    return struct.pack(">I", len(private) | (0x80000000 if last else 0)) + private


class PacketStream:
    """Opus packets preceded by OpusHead, or native FLAC: the stream marker and STREAMINFO, then frames."""

    def __init__(self, packets: PacketEncoder) -> None:
        self._packets = packets
        is_flac = packets.codec == "flac"
        self.headers: tuple[bytes, ...] = (
            b"fLaC" + _stream_info(packets.private, last=True) if is_flac else packets.private,
        )

    def encode(self, pcm_24k: bytes) -> list[Unit]:
        """One unit for each packet or frame."""
        return [Unit(data, self._packets.frame_ms) for _at, data in self._packets.encode(pcm_24k)]


class OggEncoder:
    """Ogg with Opus (RFC 7845) or FLAC: two header pages, then pages of 100 ms."""

    def __init__(self, packets: PacketEncoder) -> None:
        self._packets = packets
        self._writer = OggWriter(serial=0x5A7E1117)
        vendor = struct.pack("<I", len(matroska.MUXER)) + matroska.MUXER + struct.pack("<I", 0)
        if packets.codec == "libopus":
            first, second = opus_head(), b"OpusTags" + vendor
        else:
            first = b"\x7fFLAC\x01\x00\x00\x01fLaC" + _stream_info(packets.private, last=False)
            second = struct.pack(">I", 0x84000000 | len(vendor)) + vendor
        self.headers: tuple[bytes, ...] = (self._writer.page([first], 0), self._writer.page([second], 0))

    def encode(self, pcm_24k: bytes) -> list[Unit]:
        """One unit for each page."""
        units = []
        for group in self._packets.units(pcm_24k):
            granule = group[-1][0] + self._packets.frame_samples
            page = self._writer.page([data for _at, data in group], granule)
            units.append(Unit(page, len(group) * self._packets.frame_ms))
        return units


class MatroskaEncoder:
    """WebM or Matroska: one header, then clusters of a few packets."""

    def __init__(self, doc_type: str, packets: PacketEncoder) -> None:
        self._packets = packets
        name = {"libopus": "A_OPUS", "flac": "A_FLAC", "aac": "A_AAC"}[packets.codec]
        flac = packets.codec == "flac"
        private = b"fLaC" + _stream_info(packets.private, last=True) if flac else packets.private
        track = matroska.Track(name, private, packets.rate_hz, packets.delay_samples)
        self.headers: tuple[bytes, ...] = (matroska.header(doc_type, track),)

    def encode(self, pcm_24k: bytes) -> list[Unit]:
        """One unit for each cluster."""
        units = []
        for group in self._packets.units(pcm_24k):
            timed = [(round(at * 1000 / self._packets.rate_hz), data) for at, data in group]
            units.append(Unit(matroska.cluster(timed[0][0], timed), len(group) * self._packets.frame_ms))
        return units


class TransportStreamEncoder:
    """MPEG-TS by FFmpeg's muxer; units are whole 188-byte packets, the tables come with the first."""

    headers: tuple[bytes, ...] = ()

    def __init__(self, codec: str) -> None:
        self._av = _load_av()
        self._buffer = io.BytesIO()
        # one PES for each packet, written at once: nothing may wait for the next utterance
        options = {"pes_payload_size": "0", "flush_packets": "1"}
        self._container = self._av.open(_Unseekable(self._buffer), "w", format="mpegts", options=options)
        self._stream = self._container.add_stream(codec, rate=_rate_hz(codec))
        self._packets = PacketEncoder(codec, self._stream.codec_context)

    def encode(self, pcm_24k: bytes) -> list[Unit]:
        """One unit for each few packets."""
        units = []
        for group in self._packets.units(pcm_24k):
            for at, data in group:
                self._mux(at, data)
            units.append(Unit(self._buffer.getvalue(), len(group) * self._packets.frame_ms))
            self._buffer.seek(0)
            self._buffer.truncate()
        return units

    def _mux(self, at: int, data: bytes) -> None:
        packet = self._av.Packet(data)
        packet.stream = self._stream
        packet.pts = packet.dts = at
        self._container.mux_one(packet)


class _Unseekable:
    def __init__(self, buffer: io.BytesIO) -> None:
        self._buffer = buffer

    def write(self, data: bytes) -> int:
        return self._buffer.write(data)
