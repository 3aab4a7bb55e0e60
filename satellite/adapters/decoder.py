"""Speech decoders by content type: PCM and G.711 here, everything compressed by PyAV in a thread."""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from satellite.adapters.containers import ADTS, FLAC, MATROSKA, MP3, MPEG_TS, OGG, WAV, Container
from satellite.adapters.sound import RATES_HZ
from satellite.errors import MediaError, without_extra
from satellite.ports import SpeechDecoder

OPUS_RATE_HZ = 48_000  # RFC 7845 section 4: Opus is decoded at 48 kHz
SPEECH_RATE_HZ = 24_000
"""What all speech but Opus comes out at: services synthesise at 24 kHz; another rate is converted to it."""
G711_RATE_HZ = 8_000
MAX_TYPE_CHARACTERS = 256
"""What stands behind them is of no use: no content type is as long."""

_CONTAINERS = {
    "audio/ogg": OGG,
    "audio/webm": MATROSKA,
    "audio/x-matroska": MATROSKA,
    "audio/flac": FLAC,
    "video/mp2t": MPEG_TS,
    "audio/wav": WAV,
    "audio/mpeg": MP3,
    "audio/aac": ADTS,
}
_OF_ONE_CODEC = (FLAC, WAV, MP3, ADTS)
_CODEC_RATES = {"opus": OPUS_RATE_HZ, "aac": SPEECH_RATE_HZ, "flac": SPEECH_RATE_HZ}


@dataclass(frozen=True, slots=True)
class ContentType:
    """A media type without its spelling: lower case, no blanks, no stray `;`, parameters in any order."""

    essence: str
    parameters: frozenset[tuple[str, str]]

    @classmethod
    def parse(cls, text: str) -> "ContentType":
        """Never fails; a parameter without a value has an empty one."""
        essence, *parameters = "".join(text.lower().split()).rstrip(";").split(";")
        pairs = (parameter.partition("=") for parameter in parameters if parameter)
        return cls(essence, frozenset((name, value.strip('"')) for name, _, value in pairs))

    def parameter(self, name: str) -> str | None:
        """A parameter's value."""
        return dict(self.parameters).get(name)


def make_decoder(content_type: str, headers: Sequence[bytes], on_pcm: Callable[[bytes], None]) -> SpeechDecoder:
    """The decoder for a content type (ports.DecoderFactory). Raises MediaError, naming the mend."""
    wanted = ContentType.parse(content_type[:MAX_TYPE_CHARACTERS])
    if wanted.essence == "audio/pcm":
        return _make_pcm_decoder(wanted, on_pcm)
    codec = wanted.parameter("codecs")
    container = _CONTAINERS.get(wanted.essence)
    if wanted.essence == "audio/opus":
        rate_hz = OPUS_RATE_HZ
    elif container in _OF_ONE_CODEC:
        rate_hz = SPEECH_RATE_HZ
    elif container is not None and (codec is None or codec in _CODEC_RATES):
        rate_hz = _CODEC_RATES[codec or "opus"]
    else:
        raise MediaError(f"speech of type {_printable(content_type)} cannot be decoded; ask the service for PCM")
    return _make_av_decoder(container, rate_hz, headers, on_pcm)


def _make_pcm_decoder(wanted: ContentType, on_pcm: Callable[[bytes], None]) -> SpeechDecoder:
    encoding = wanted.parameter("encoding") or "s16le"
    rate = wanted.parameter("rate")
    if encoding in ("alaw", "ulaw"):
        return G711Decoder(encoding, _rate(rate or str(G711_RATE_HZ)), on_pcm)
    if encoding == "s16le":
        return PcmDecoder(_rate(rate), on_pcm)
    raise MediaError(f"PCM speech in {_printable(encoding)} cannot be played; ask the service for s16le")


def _make_av_decoder(
    container: Container | None, rate_hz: int, headers: Sequence[bytes], on_pcm: Callable[[bytes], None]
) -> SpeechDecoder:
    if importlib.util.find_spec("av") is None:
        raise MediaError(f"compressed speech needs PyAV: {without_extra('av')}, or ask the service for PCM")
    from satellite.adapters.avdecoder import AvDecoder, ContainerPump, OpusPacketPump  # noqa: PLC0415 - when used

    if container is None:
        return AvDecoder(OpusPacketPump(rate_hz), rate_hz, headers, on_pcm, lambda _unit: False)
    pump = ContainerPump(container, rate_hz, b"".join(headers))
    return AvDecoder(pump, rate_hz, headers, on_pcm, container.is_beginning)


def _rate(text: str | None) -> int:
    # so few digits: Python refuses to read numbers of thousands of them
    rate_hz = int(text) if text is not None and len(text) <= 6 and text.isascii() and text.isdigit() else 0
    if rate_hz not in RATES_HZ:
        raise MediaError("PCM speech without a sample rate cannot be played")
    return rate_hz


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)[:80]


class PcmDecoder:
    """s16le PCM as it comes; a sample that is split between units is put together again."""

    def __init__(self, rate_hz: int, on_pcm: Callable[[bytes], None]) -> None:
        self._rate_hz = rate_hz
        self._on_pcm = on_pcm
        self._carry = b""
        self._is_closed = False

    @property
    def rate_hz(self) -> int:
        """Rate of the PCM that comes out."""
        return self._rate_hz

    def feed(self, units: Sequence[bytes]) -> None:
        """Pass the units' whole samples on at once."""
        data = b"".join((self._carry, *units))
        whole = len(data) & ~1
        self._carry = data[whole:]
        if whole and not self._is_closed:
            self._on_pcm(data[:whole])

    async def flush(self) -> None:
        """Forget half a sample: the next piece of speech begins with a whole one."""
        self._carry = b""

    def close(self) -> None:
        """Stop; no call-back comes afterwards."""
        self._is_closed = True


class G711Decoder:
    """A-law or µ-law to s16le."""

    def __init__(self, encoding: str, rate_hz: int, on_pcm: Callable[[bytes], None]) -> None:
        import audioop  # noqa: PLC0415 - deprecated in Python 3.12 and a package of its own since 3.13

        self._expand = audioop.alaw2lin if encoding == "alaw" else audioop.ulaw2lin
        self._rate_hz = rate_hz
        self._on_pcm = on_pcm
        self._is_closed = False

    @property
    def rate_hz(self) -> int:
        """Rate of the PCM that comes out."""
        return self._rate_hz

    def feed(self, units: Sequence[bytes]) -> None:
        """Pass the units' samples on at once."""
        data = b"".join(units)
        if data and not self._is_closed:
            self._on_pcm(self._expand(data, 2))

    async def flush(self) -> None:
        """Nothing is kept back."""

    def close(self) -> None:
        """Stop; no call-back comes afterwards."""
        self._is_closed = True
