"""A human voice in every content type that speech can come in, cut into units as a service would send them."""

import audioop
import fractions
import io
import wave
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import av
import numpy as np
import soxr
from av.audio.stream import AudioStream
from numpy.typing import NDArray

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

Samples = NDArray[np.int16]

VOICE = "/usr/share/sounds/alsa/Front_Center.wav"
ENCODER_RATE_HZ = 24_000
TICK_SAMPLES = 46_080
"""Length of an utterance: 1.92 s, whole frames of every codec."""

COMPRESSED = (
    "audio/flac",
    "video/mp2t;codecs=aac",
    "video/mp2t;codecs=opus",
    "audio/ogg",
    "audio/ogg;codecs=flac",
    "audio/ogg;codecs=opus",
    "audio/opus",
    "audio/webm",
    "audio/webm;codecs=opus",
    "audio/x-matroska;codecs=aac",
    "audio/x-matroska;codecs=flac",
    "audio/x-matroska;codecs=opus",
)
UNCOMPRESSED = (
    "audio/pcm;encoding=alaw;rate=8000",
    "audio/pcm;encoding=ulaw;rate=8000",
    "audio/pcm;encoding=s16le;rate=16000",
    "audio/pcm;encoding=s16le;rate=24000",
)

_FORMATS = {"audio/ogg": "ogg", "audio/webm": "webm", "audio/x-matroska": "matroska", "audio/flac": "flac"}
_MUXER_OPTIONS = {
    # one packet to a page, cluster or PES packet, so that units and audio can be told apart by counting
    "ogg": {"page_duration": "1"},
    "matroska": {"live": "1", "cluster_time_limit": "1"},
    "webm": {"live": "1", "cluster_time_limit": "1"},
    "mpegts": {"pes_payload_size": "0"},
    "flac": {},
}
_CLUSTER_ID = b"\x1f\x43\xb6\x75"
_TS_PACKET_BYTES = 188


@dataclass(frozen=True)
class Media:
    """One stream: its header units, the units of each utterance, and what was encoded."""

    content_type: str
    headers: list[bytes]
    pieces: list[list[bytes]]
    utterances: list[Samples]


class _Sink(io.RawIOBase):
    def __init__(self) -> None:
        super().__init__()
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: "ReadableBuffer") -> int:
        before = len(self.data)
        self.data += data
        return len(self.data) - before


def voice(rate_hz: int = ENCODER_RATE_HZ) -> Samples:
    """About 1.4 s of a human voice."""
    with wave.open(VOICE) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        return resampled(samples, file.getframerate(), rate_hz)


def resampled(samples: Samples, from_hz: int, to_hz: int) -> Samples:
    return np.asarray(soxr.resample(samples, from_hz, to_hz), np.int16) if from_hz != to_hz else samples


def utterances() -> list[Samples]:
    """Three pieces of speech, no two alike; the last ends in the middle of a sound."""
    spoken = voice()
    lead_in = np.zeros(TICK_SAMPLES - len(spoken), np.int16)
    pieces = [[spoken, lead_in], [spoken[::-1], lead_in], [lead_in, spoken[:30_000], spoken[8_000:12_273]]]
    return [np.concatenate(parts)[:TICK_SAMPLES].astype(np.int16) for parts in pieces]


def make_media(content_type: str) -> Media:
    """The three utterances as one stream of this content type."""
    spoken = utterances()
    if content_type in UNCOMPRESSED:
        return Media(content_type, [], [[_pcm(content_type, samples)] for samples in spoken], spoken)
    essence, _, parameter = content_type.partition(";codecs=")
    codec = parameter or ("flac" if essence == "audio/flac" else "opus")
    container = "ogg" if essence == "audio/opus" else _FORMATS.get(essence, "mpegts")
    stream, packets, counts = _encode(container, codec, spoken)
    if essence == "audio/opus":
        return Media(content_type, [stream[28:47]], _dealt(packets, counts), spoken)
    header, units = _SPLITTERS[container](stream, packets)
    counts[0] -= len(packets) - len(units)  # a first packet before time zero shares the first cluster
    assert len(packets) - len(units) in (0, 1)
    return Media(content_type, [header] if header else [], _dealt(units, counts), spoken)


def correlation(reference: Samples, heard: Samples, most_lag: int) -> float:
    """Normalised correlation with the best fitting stretch of `heard`, up to so many samples late or early."""
    size = 1 << (len(reference) + len(heard)).bit_length()
    spectrum = np.conj(np.fft.rfft(reference.astype(float), size)) * np.fft.rfft(heard.astype(float), size)
    products = np.fft.irfft(spectrum, size)
    lag = max(range(-most_lag, most_lag + 1), key=lambda candidate: products[candidate])
    late, early = max(lag, 0), max(-lag, 0)
    stretch = heard[late : late + len(reference) - early].astype(float)
    return float(products[lag] / np.sqrt((reference.astype(float) ** 2).sum() * (stretch**2).sum()))


def _pcm(content_type: str, samples: Samples) -> bytes:
    rate_hz = int(content_type.rpartition("=")[2])
    pcm = resampled(samples, ENCODER_RATE_HZ, rate_hz).tobytes()
    if "alaw" in content_type:
        return audioop.lin2alaw(pcm, 2)
    if "ulaw" in content_type:
        return audioop.lin2ulaw(pcm, 2)
    return pcm


def _encode(container: str, codec: str, spoken: Sequence[Samples]) -> tuple[bytes, list[bytes], list[int]]:
    """The muxed stream, the bare packets, and how many packets each utterance made."""
    sink = _Sink()
    packets: list[bytes] = []
    counts: list[int] = []
    with av.open(sink, "w", format=container, options=_MUXER_OPTIONS[container]) as muxer:
        name = "libopus" if codec == "opus" else codec
        stream = muxer.add_stream(name, rate=ENCODER_RATE_HZ, layout="mono")
        assert isinstance(stream, AudioStream)
        stream.bit_rate = 70_000 if codec == "aac" else 32_000
        encoder = stream.codec_context
        encoder.open()
        position = 0
        for number, samples in enumerate(spoken):
            made = 0
            for frame in [*_frames(samples, encoder, position), *([None] if number == len(spoken) - 1 else [])]:
                for packet in encoder.encode(frame):
                    packets.append(bytes(packet))
                    packet.stream = stream
                    muxer.mux(packet)
                    made += 1
            position += len(samples)
            counts.append(made)
    return bytes(sink.data), [packet for packet in packets if packet], counts


def _frames(samples: Samples, encoder: av.AudioCodecContext, position: int) -> list[av.AudioFrame]:
    frames = []
    for start in range(0, len(samples), encoder.frame_size):
        block = samples[None, start : start + encoder.frame_size]
        is_float = encoder.format.name.startswith("flt")
        shaped = block.astype(np.float32) / 32_768 if is_float else block
        frame = av.AudioFrame.from_ndarray(shaped, format=encoder.format.name, layout="mono")
        frame.sample_rate = ENCODER_RATE_HZ
        frame.time_base = fractions.Fraction(1, ENCODER_RATE_HZ)
        frame.pts = position + start
        frames.append(frame)
    return frames


def _dealt(units: Sequence[bytes], counts: Sequence[int]) -> list[list[bytes]]:
    dealt, start = [], 0
    for count in counts:
        dealt.append(list(units[start : start + count]))
        start += count
    return dealt


def _split_ogg(stream: bytes, _packets: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
    pages = [b"OggS" + rest for rest in stream.split(b"OggS\0")[1:]]
    pages = [page[:4] + b"\0" + page[4:] for page in pages]
    headers = [page for page in pages if page[6:14] == bytes(8)]
    return b"".join(headers), pages[len(headers) :]


def _split_matroska(stream: bytes, _packets: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
    header, *clusters = stream.split(_CLUSTER_ID)
    return header, [_CLUSTER_ID + cluster for cluster in clusters]


def _split_flac(stream: bytes, packets: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
    length = stream.index(packets[0])
    assert stream[length:] == b"".join(packets)
    return stream[:length], list(packets)


def _split_ts(stream: bytes, _packets: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
    """Tables go with the audio that follows them."""
    units: list[bytes] = []
    tables = b""
    for start in range(0, len(stream), _TS_PACKET_BYTES):
        packet = stream[start : start + _TS_PACKET_BYTES]
        number = int.from_bytes(packet[1:3], "big") & 0x1FFF
        if number != 0x100:  # the muxer's first elementary stream
            tables += packet
        elif packet[1] & 0x40:
            units.append(tables + packet)
            tables = b""
        else:
            units[-1] += tables + packet
            tables = b""
    return b"", units


_SPLITTERS: dict[str, Callable[[bytes, Sequence[bytes]], tuple[bytes, list[bytes]]]] = {
    "ogg": _split_ogg,
    "matroska": _split_matroska,
    "webm": _split_matroska,
    "flac": _split_flac,
    "mpegts": _split_ts,
}
