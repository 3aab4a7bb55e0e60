"""The configuration as one frozen tree: every key, its default, its bounds and what it means.

The descriptions (with units) are what the JSON Schema shows; the field names are the keys of the YAML file.
"""

import os
import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from satellite.backends.deepgram.options import DeepgramOptions
from satellite.backends.deepl.options import DeepLOptions
from satellite.backends.loopback.options import LoopbackOptions
from satellite.backends.palabra.options import PalabraOptions
from satellite.backends.vurbo.options import VurboOptions
from satellite.core.section import Secret, Section, checked
from satellite.errors import LocalMisuse
from satellite.homeassistant.topics import EVERYBODY, ID_PATTERN

DISCOVERY_PREFIX = "homeassistant"
LANGUAGE_PATTERN = r"^[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?(-([A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*$"
TOPIC_PATTERN = r"^[^/+#$\x00][^+#\x00]*$"
DERIVED = ""
"""Stands for a default that follows from other keys until it is resolved; no key takes it as a value."""


def id_of_host(host: str) -> str:
    """A valid satellite id made from a host name: first label, lower case, anything else a dash."""
    cleaned = re.sub(r"[^a-z0-9_-]", "-", host.partition(".")[0].lower()).lstrip("-_")
    return cleaned[:63] or "satellite"


def name_of_id(satellite_id: str) -> str:
    """The id in title case: `living-room` becomes `Living Room`."""
    return re.sub(r"[-_]+", " ", satellite_id).strip().title()


def _device(value: Any) -> Any:
    """A device is a name or an index; a bare `null` means the null device, as the contract writes it in quotes."""
    if value is None:
        return "null"
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError('must be a device name, an index, "file:PATH" or "null"')  # noqa: TRY004 - a check's contract
    if isinstance(value, int) and value < 0:
        raise ValueError("a device index must be 0 or more")
    if isinstance(value, str) and value.removeprefix("file:").strip() == "":
        raise ValueError('must not be empty: write "default", a device name, "file:PATH" or "null"')
    if not str(value).isprintable():
        raise ValueError("must be one line of text")
    return value


def _satellite_id(value: str) -> str:
    if value == EVERYBODY:
        raise ValueError("must not be all: commands to all go to every satellite")
    if re.fullmatch(ID_PATTERN, value) is None:
        raise ValueError(
            "must begin with a small letter or a digit and hold only a-z, 0-9, _ and -, 63 characters at most"
        )
    return value


def _language(value: str) -> str:
    if value.lower() in {"off", "none"}:
        raise ValueError("must be a BCP 47 language tag, or null for none")
    if re.fullmatch(LANGUAGE_PATTERN, value) is None:
        raise ValueError("must be a BCP 47 language tag such as en, de or pt-BR")
    return value


def _source_language(value: str) -> str:
    return value if value == "auto" else _language(value)


def _topic(value: str) -> str:
    if re.fullmatch(TOPIC_PATTERN, value) is None or value.endswith("/") or "//" in value:
        raise ValueError(
            "must be an MQTT topic without wildcards (+ #), not beginning with $ and without a slash at either end"
        )
    return value


def _line_of_text(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise ValueError("must be one line of text, not empty")
    return value


def _host(value: str) -> str:
    if re.fullmatch(r"[^\s/@]+", value) is None or re.fullmatch(r"[^:]+:[0-9]+", value) or not value.isprintable():
        raise ValueError("must be a host name or an address, without scheme and port")
    return value


def _play_place(value: str) -> str:
    is_url = re.fullmatch(r"https?://[^/?#@]+/[^?#]*", value) is not None
    if not is_url and not value.startswith("/"):
        raise ValueError("must be an absolute directory, or an http(s) URL with a path to begin with")
    return value


Text = Annotated[str, checked(_line_of_text)]
Host = Annotated[str, checked(_host)]
Device = Annotated[int | str, checked(_device)]
PlayPlace = Annotated[str, checked(_play_place)]
SatelliteId = Annotated[str, checked(_satellite_id, ID_PATTERN)]
Topic = Annotated[str, checked(_topic, TOPIC_PATTERN)]
Language = Annotated[str, checked(_language, LANGUAGE_PATTERN)]
SourceLanguage = Annotated[str, checked(_source_language, f"^auto$|{LANGUAGE_PATTERN}")]
Port = Annotated[int, Meta(ge=1, le=65535)]


class Satellite(Section, frozen=True):
    """Who this satellite is, in topics and in Home Assistant."""

    id: Annotated[
        SatelliteId, Meta(description="Identity in topics and entity ids: a-z, 0-9, _ and -; default: the host name.")
    ] = msgspec.field(default_factory=lambda: id_of_host(os.uname().nodename))
    name: Annotated[Text, Meta(description="Name shown to people; default: the id in title case.")] = DERIVED
    area: Annotated[Text | None, Meta(description="Area that Home Assistant suggests; null: none.")] = None

    def __post_init__(self) -> None:
        """The name follows the id unless it is chosen."""
        if self.name == DERIVED:
            msgspec.structs.force_setattr(self, "name", name_of_id(self.id))


class AudioInput(Section, frozen=True):
    """Where sound comes from."""

    device: Annotated[
        Device,
        Meta(description='ALSA or PortAudio name or part of it, index, "file:PATH" (paced in real time), or "null".'),
    ] = "default"
    rate_hz: Annotated[
        int, Meta(ge=8_000, le=192_000, description="The device's sample rate in Hz; resampled to 16000.")
    ] = 16_000
    channels: Annotated[int, Meta(ge=1, le=32, description="Channels that the device delivers.")] = 1
    channel: Annotated[int, Meta(ge=0, le=31, description="Which channel of an array to use, counted from 0.")] = 0
    gain_db: Annotated[float, Meta(ge=-40, le=40, description="Amplification of the microphone in dB.")] = 0.0


class AudioOutput(Section, frozen=True):
    """Where speech is heard."""

    device: Annotated[
        Device,
        Meta(
            description='ALSA or PortAudio name or part of it, index, "file:PATH" (writes a WAV), or "null" (discards).'
        ),
    ] = "default"
    volume: Annotated[
        int, Meta(ge=0, le=100, description="Volume in percent; changes over MQTT outlast a restart.")
    ] = 80
    play_from: Annotated[
        tuple[PlayPlace, ...],
        Meta(
            description="Directories and http(s) URL prefixes below which the command `play` finds its sounds;"
            " []: none."
        ),
    ] = ("/usr/share/sounds",)


class Audio(Section, frozen=True):
    """Devices, and who may be heard when."""

    driver: Annotated[
        Literal["auto", "alsa", "portaudio"],
        Meta(description="Audio interface; auto: direct ALSA where it is available."),
    ] = "auto"
    input: Annotated[AudioInput, Meta(description="The microphone.")] = AudioInput()
    output: Annotated[AudioOutput, Meta(description="The loudspeaker.")] = AudioOutput()
    duplex: Annotated[
        Literal["consecutive", "simultaneous"],
        Meta(
            description="consecutive: speech waits for the end of the utterance, the microphone is suppressed while it"
            " plays; simultaneous: both at once (headphones, or a device that cancels echo)."
        ),
    ] = "consecutive"
    tail_ms: Annotated[
        int, Meta(ge=0, le=10_000, description="Milliseconds still suppressed after the device has drained.")
    ] = 300
    barge_in: Annotated[bool, Meta(description="Speaking over playback cuts it (simultaneous only).")] = False
    echo_cancellation: Annotated[bool, Meta(description="Echo cancellation in software.")] = False


class Vad(Section, frozen=True):
    """When the gate opens and closes."""

    detector: Annotated[
        Literal["webrtc", "silero", "energy", "none"],
        Meta(description="How speech is told from noise; none: everything counts as speech."),
    ] = "webrtc"
    aggressiveness: Annotated[
        int, Meta(ge=0, le=3, description="webrtc: how readily a frame is called noise, 0 to 3.")
    ] = 2
    onset_ms: Annotated[
        int, Meta(ge=20, le=2_000, description="Milliseconds of speech needed before the gate opens.")
    ] = 60
    pre_roll_ms: Annotated[
        int, Meta(ge=0, le=5_000, description="Milliseconds of audio before the opening that are sent with it.")
    ] = 400
    hang_over_ms: Annotated[
        int, Meta(ge=100, le=10_000, description="Milliseconds of silence tolerated before the gate closes.")
    ] = 900
    max_utterance_s: Annotated[
        int, Meta(ge=1, le=3_600, description="Seconds after which an utterance is cut in two.")
    ] = 120


class Voice(Section, frozen=True):
    """The voice service, the languages, and what it may cost."""

    backend: Annotated[
        Literal["deepl", "vurbo", "palabra", "deepgram", "loopback"],
        Meta(description="The voice service; loopback answers by itself, without network."),
    ] = "deepl"
    source_language: Annotated[SourceLanguage, Meta(description="Spoken language as a BCP 47 tag, or auto.")] = "en"
    target_languages: Annotated[
        tuple[Language, ...], Meta(description="BCP 47 tags of the text translations; [] for none.")
    ] = ("de",)
    speech_language: Annotated[
        Language | None,
        Meta(description="Language of the spoken translation; null: text only; default: the first target language."),
    ] = DERIVED
    speech_voice: Annotated[Text | None, Meta(description="Voice of the speech, as the service names it.")] = None
    idle_close_s: Annotated[
        float, Meta(ge=1, le=3_600, description="Seconds without speech after which the session ends.")
    ] = 60
    outage_buffer_s: Annotated[
        float, Meta(ge=1, le=300, description="Seconds of audio kept while the link is down.")
    ] = 30
    daily_limit_min: Annotated[
        Annotated[float, Meta(gt=0, le=1_440)] | None,
        Meta(description="Billed minutes a day after which streaming stops; null: no limit."),
    ] = None
    deepl: Annotated[DeepLOptions | None, Meta(description="Options of the DeepL Voice API.")] = None
    deepgram: Annotated[DeepgramOptions | None, Meta(description="Options of Deepgram Flux.")] = None
    vurbo: Annotated[VurboOptions | None, Meta(description="Options of the Vurbo voice-translation API.")] = None
    loopback: Annotated[LoopbackOptions, Meta(description="Options of the loopback backend.")] = LoopbackOptions()
    palabra: Annotated[PalabraOptions | None, Meta(description="Options of Palabra.")] = None

    def __post_init__(self) -> None:
        """Speech follows the first target language unless it is chosen."""
        if self.speech_language == DERIVED:
            msgspec.structs.force_setattr(self, "speech_language", next(iter(self.target_languages), None))

    @property
    def has_options(self) -> bool:
        """False while the options of the chosen backend are missing: there is something in them without a default."""
        return getattr(self, self.backend) is not None

    @property
    def options(self) -> Section:
        """The options of the chosen backend. The loader sees to it that they are there; LocalMisuse otherwise."""
        if not self.has_options:
            raise LocalMisuse(f"a configuration for {self.backend} without its options")
        options: Section = getattr(self, self.backend)
        return options


class Tls(Section, frozen=True):
    """Files of an encrypted broker connection; an empty mapping trusts the system's certificates."""

    ca_file: Annotated[Text | None, Meta(description="Certificates to trust (PEM); null: the system's.")] = None
    cert_file: Annotated[Text | None, Meta(description="Client certificate (PEM).")] = None
    key_file: Annotated[Text | None, Meta(description="Private key of the client certificate (PEM).")] = None


class Mqtt(Section, frozen=True):
    """The broker, and what is published how."""

    host: Annotated[Host, Meta(description="Host name or address of the broker.")] = "127.0.0.1"
    port: Annotated[Port | None, Meta(description="TCP port; default: 1883, with tls 8883.")] = None
    username: Annotated[Text | None, Meta(description="User name at the broker.")] = None
    password: Annotated[Secret | None, Meta(description="Password at the broker.")] = None
    client_id: Annotated[Text | None, Meta(description="MQTT client id; default: made from the satellite id.")] = None
    tls: Annotated[Tls | None, Meta(description="null: not encrypted; {}: the system's certificates.")] = None
    base_topic: Annotated[Topic, Meta(description="First part of every topic.")] = "voice-satellite"
    discovery_prefix: Annotated[
        Topic | None, Meta(description="Home Assistant's discovery prefix; null: no discovery.")
    ] = DISCOVERY_PREFIX
    discovery: Annotated[
        Literal["device", "components"],
        Meta(description="device: one message, for Home Assistant 2024.12 and newer; components: one for each entity."),
    ] = "device"
    publish_tentative: Annotated[bool, Meta(description="Publish text that may still change.")] = True
    retain_transcripts: Annotated[bool, Meta(description="Retain transcripts and translations at the broker.")] = False

    @property
    def effective_port(self) -> int:
        """The TCP port in use: the one given, else 8883 with TLS and 1883 without."""
        return self.port or (8883 if self.tls is not None else 1883)


class Web(Section, frozen=True):
    """The captions and status page."""

    enabled: Annotated[bool, Meta(description="Serve the captions and status page.")] = False
    host: Annotated[Host, Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[Port, Meta(description="TCP port to listen on.")] = 8780


class Metrics(Section, frozen=True):
    """Figures as Prometheus text."""

    enabled: Annotated[bool, Meta(description="Serve Prometheus metrics.")] = False
    host: Annotated[Host, Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[Port, Meta(description="TCP port to listen on.")] = 9780


class Logging(Section, frozen=True):
    """What is written down, and how much."""

    level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="Lowest level logged.")] = "info"
    transcripts: Annotated[bool, Meta(description="Log the text of speech; it stays out of logs otherwise.")] = False


class Config(Section, frozen=True):
    """The whole file."""

    satellite: Annotated[Satellite, Meta(description="Who this satellite is.")] = msgspec.field(
        default_factory=Satellite
    )
    audio: Annotated[Audio, Meta(description="Microphone and loudspeaker.")] = Audio()
    vad: Annotated[Vad, Meta(description="Voice activity: the gate.")] = Vad()
    voice: Annotated[Voice, Meta(description="The voice service.")] = msgspec.field(default_factory=Voice)
    mqtt: Annotated[Mqtt, Meta(description="The broker.")] = Mqtt()
    web: Annotated[Web, Meta(description="Captions and status page.")] = Web()
    metrics: Annotated[Metrics, Meta(description="Prometheus metrics.")] = Metrics()
    logging: Annotated[Logging, Meta(description="What the journal gets.")] = Logging()
