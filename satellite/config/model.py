"""The configuration as one frozen tree: every key, its default, its bounds and what it means.

The descriptions (with units) are what the JSON Schema shows; the field names are the keys of the YAML file.
"""

import os
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from satellite.backends.deepl.options import DeepLOptions
from satellite.backends.loopback.options import LoopbackOptions
from satellite.errors import LocalMisuse

ID_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"
LANGUAGE_PATTERN = r"^[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?(-([A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*$"
TOPIC_PATTERN = r"^[^/+#$\x00][^+#\x00]*$"


def id_of_host(host: str) -> str:
    """A valid satellite id made from a host name: first label, lower case, anything else a dash."""
    cleaned = re.sub(r"[^a-z0-9_-]", "-", host.partition(".")[0].lower()).lstrip("-_")
    return cleaned[:63] or "satellite"


def name_of_id(satellite_id: str) -> str:
    """The id in title case: `living-room` becomes `Living Room`."""
    return re.sub(r"[-_]+", " ", satellite_id).strip().title()


def _empty_section(value: Any) -> Any:
    """A section whose keys are all commented out reads as null and means all defaults."""
    return {} if value is None else value


def _no_boolean(value: Any) -> Any:
    """Python takes true for 1; a configuration must not."""
    if isinstance(value, bool):
        raise ValueError(f"must be a number, not {'true' if value else 'false'}")  # noqa: TRY004 - pydantic's contract
    return value


def _device(value: Any) -> Any:
    """A device is a name or an index; said here in one sentence instead of one per type."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError('must be a device name, an index, "file:PATH" or "null"')  # noqa: TRY004 - pydantic's contract
    if isinstance(value, int) and value < 0:
        raise ValueError("a device index must be 0 or more")
    if isinstance(value, str) and value.removeprefix("file:").strip() == "":
        raise ValueError('must not be empty: write "default", a device name, "file:PATH" or "null"')
    if not str(value).isprintable():
        raise ValueError("must be one line of text")
    return value


def _null_device(value: Any) -> Any:
    """A bare `null` means the null device, as the contract writes it in quotes."""
    return "null" if value is None else value


def _satellite_id(value: str) -> str:
    if value == "all":
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


Whole = Annotated[int, BeforeValidator(_no_boolean)]
Decimal = Annotated[float, BeforeValidator(_no_boolean)]
Text = Annotated[str, AfterValidator(_line_of_text)]
Host = Annotated[str, AfterValidator(_host)]
Device = Annotated[int | str, BeforeValidator(_device), BeforeValidator(_null_device)]
PlayPlace = Annotated[str, AfterValidator(_play_place)]
Topic = Annotated[str, AfterValidator(_topic), Field(json_schema_extra={"pattern": TOPIC_PATTERN})]
Language = Annotated[str, AfterValidator(_language), Field(json_schema_extra={"pattern": LANGUAGE_PATTERN})]
Port = Annotated[Whole, Field(ge=1, le=65535)]
EmptyIsDefault = BeforeValidator(_empty_section)


class Section(BaseModel):
    """A mapping of the file: unknown keys are errors, values never change, input never shows in an error's text."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


class Satellite(Section):
    """Who this satellite is, in topics and in Home Assistant."""

    id: Annotated[str, AfterValidator(_satellite_id), Field(json_schema_extra={"pattern": ID_PATTERN})] = Field(
        default_factory=lambda: id_of_host(os.uname().nodename),
        description="Identity in topics and entity ids: a-z, 0-9, _ and -; default: the host name.",
    )
    name: Text = Field(
        default_factory=lambda validated: name_of_id(validated["id"]),
        description="Name shown to people; default: the id in title case.",
    )
    area: Text | None = Field(default=None, description="Area that Home Assistant suggests; null: none.")


class AudioInput(Section):
    """Where sound comes from."""

    device: Device = Field(
        default="default",
        description='ALSA or PortAudio name or part of it, index, "file:PATH" (paced in real time), or "null".',
    )
    rate_hz: Whole = Field(
        default=16_000, ge=8_000, le=192_000, description="The device's sample rate in Hz; resampled to 16000."
    )
    channels: Whole = Field(default=1, ge=1, le=32, description="Channels that the device delivers.")
    channel: Whole = Field(default=0, ge=0, le=31, description="Which channel of an array to use, counted from 0.")
    gain_db: Decimal = Field(default=0.0, ge=-40, le=40, description="Amplification of the microphone in dB.")


class AudioOutput(Section):
    """Where speech is heard."""

    device: Device = Field(
        default="default",
        description='ALSA or PortAudio name or part of it, index, "file:PATH" (writes a WAV), or "null" (discards).',
    )
    volume: Whole = Field(
        default=80, ge=0, le=100, description="Volume in percent; changes over MQTT outlast a restart."
    )
    play_from: tuple[PlayPlace, ...] = Field(
        default=("/usr/share/sounds",),
        description="Directories and http(s) URL prefixes below which the command `play` finds its sounds; []: none.",
    )


class Audio(Section):
    """Devices, and who may be heard when."""

    driver: Literal["auto", "alsa", "portaudio"] = Field(
        default="auto", description="Audio interface; auto: direct ALSA where it is available."
    )
    input: Annotated[AudioInput, EmptyIsDefault] = Field(default=AudioInput(), description="The microphone.")
    output: Annotated[AudioOutput, EmptyIsDefault] = Field(default=AudioOutput(), description="The loudspeaker.")
    duplex: Literal["consecutive", "simultaneous"] = Field(
        default="consecutive",
        description="consecutive: speech waits for the end of the utterance, the microphone is suppressed while it"
        " plays; simultaneous: both at once (headphones, or a device that cancels echo).",
    )
    tail_ms: Whole = Field(
        default=300, ge=0, le=10_000, description="Milliseconds still suppressed after the device has drained."
    )
    barge_in: bool = Field(default=False, description="Speaking over playback cuts it (simultaneous only).")
    echo_cancellation: bool = Field(default=False, description="Echo cancellation in software.")


class Vad(Section):
    """When the gate opens and closes."""

    detector: Literal["webrtc", "silero", "energy", "none"] = Field(
        default="webrtc", description="How speech is told from noise; none: everything counts as speech."
    )
    aggressiveness: Whole = Field(
        default=2, ge=0, le=3, description="webrtc: how readily a frame is called noise, 0 to 3."
    )
    onset_ms: Whole = Field(
        default=60, ge=20, le=2_000, description="Milliseconds of speech needed before the gate opens."
    )
    pre_roll_ms: Whole = Field(
        default=400, ge=0, le=5_000, description="Milliseconds of audio before the opening that are sent with it."
    )
    hang_over_ms: Whole = Field(
        default=900, ge=100, le=10_000, description="Milliseconds of silence tolerated before the gate closes."
    )
    max_utterance_s: Whole = Field(
        default=120, ge=1, le=3_600, description="Seconds after which an utterance is cut in two."
    )


def _first_target(validated: dict[str, Any]) -> str | None:
    """Speech follows the first target language unless it is chosen."""
    targets: tuple[str, ...] = validated["target_languages"]
    return targets[0] if targets else None


class Voice(Section):
    """The voice service, the languages, and what it may cost."""

    backend: Literal["deepl", "loopback"] = Field(
        default="deepl", description="The voice service; loopback answers by itself, without network."
    )
    source_language: Annotated[
        str, AfterValidator(_source_language), Field(json_schema_extra={"pattern": f"^auto$|{LANGUAGE_PATTERN}"})
    ] = Field(default="en", description="Spoken language as a BCP 47 tag, or auto.")
    target_languages: tuple[Language, ...] = Field(
        default=("de",), description="BCP 47 tags of the text translations; [] for none."
    )
    speech_language: Language | None = Field(
        default_factory=_first_target,
        description="Language of the spoken translation; null: text only; default: the first target language.",
    )
    speech_voice: Text | None = Field(default=None, description="Voice of the speech, as the service names it.")
    idle_close_s: Decimal = Field(
        default=60, ge=1, le=3_600, description="Seconds without speech after which the session ends."
    )
    outage_buffer_s: Decimal = Field(
        default=30, ge=1, le=300, description="Seconds of audio kept while the link is down."
    )
    daily_limit_min: Decimal | None = Field(
        default=None, gt=0, le=1_440, description="Billed minutes a day after which streaming stops; null: no limit."
    )
    deepl: DeepLOptions | None = Field(default=None, description="Options of the DeepL Voice API.")
    loopback: Annotated[LoopbackOptions, EmptyIsDefault] = Field(
        default=LoopbackOptions(), description="Options of the loopback backend."
    )

    @property
    def options(self) -> BaseModel:
        """The options of the chosen backend. The loader sees to it that they are there; LocalMisuse otherwise."""
        options = self.loopback if self.backend == "loopback" else self.deepl
        if options is None:
            raise LocalMisuse(f"a configuration for {self.backend} without its options")
        return options


class Tls(Section):
    """Files of an encrypted broker connection; an empty mapping trusts the system's certificates."""

    ca_file: Text | None = Field(default=None, description="Certificates to trust (PEM); null: the system's.")
    cert_file: Text | None = Field(default=None, description="Client certificate (PEM).")
    key_file: Text | None = Field(default=None, description="Private key of the client certificate (PEM).")


class Mqtt(Section):
    """The broker, and what is published how."""

    host: Host = Field(default="127.0.0.1", description="Host name or address of the broker.")
    port: Port | None = Field(default=None, description="TCP port; default: 1883, with tls 8883.")
    username: Text | None = Field(default=None, description="User name at the broker.")
    password: SecretStr | None = Field(default=None, description="Password at the broker.")
    client_id: Text | None = Field(default=None, description="MQTT client id; default: made from the satellite id.")
    tls: Tls | None = Field(default=None, description="null: not encrypted; {}: the system's certificates.")
    base_topic: Topic = Field(default="voice-satellite", description="First part of every topic.")
    discovery_prefix: Topic | None = Field(
        default="homeassistant", description="Home Assistant's discovery prefix; null: no discovery."
    )
    publish_tentative: bool = Field(default=True, description="Publish text that may still change.")
    retain_transcripts: bool = Field(default=False, description="Retain transcripts and translations at the broker.")

    @property
    def effective_port(self) -> int:
        """The TCP port in use: the one given, else 8883 with TLS and 1883 without."""
        return self.port or (8883 if self.tls is not None else 1883)


class Web(Section):
    """The captions and status page."""

    enabled: bool = Field(default=False, description="Serve the captions and status page.")
    host: Host = Field(default="127.0.0.1", description="Address to listen on.")
    port: Port = Field(default=8780, description="TCP port to listen on.")


class Metrics(Section):
    """Figures as Prometheus text."""

    enabled: bool = Field(default=False, description="Serve Prometheus metrics.")
    host: Host = Field(default="127.0.0.1", description="Address to listen on.")
    port: Port = Field(default=9780, description="TCP port to listen on.")


class Logging(Section):
    """What is written down, and how much."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Lowest level logged.")
    transcripts: bool = Field(default=False, description="Log the text of speech; it stays out of logs otherwise.")


class Config(Section):
    """The whole file."""

    satellite: Annotated[Satellite, EmptyIsDefault] = Field(
        default_factory=Satellite, description="Who this satellite is."
    )
    audio: Annotated[Audio, EmptyIsDefault] = Field(default=Audio(), description="Microphone and loudspeaker.")
    vad: Annotated[Vad, EmptyIsDefault] = Field(default=Vad(), description="Voice activity: the gate.")
    voice: Annotated[Voice, EmptyIsDefault] = Field(default_factory=Voice, description="The voice service.")
    mqtt: Annotated[Mqtt, EmptyIsDefault] = Field(default=Mqtt(), description="The broker.")
    web: Annotated[Web, EmptyIsDefault] = Field(default=Web(), description="Captions and status page.")
    metrics: Annotated[Metrics, EmptyIsDefault] = Field(default=Metrics(), description="Prometheus metrics.")
    logging: Annotated[Logging, EmptyIsDefault] = Field(default=Logging(), description="What the journal gets.")
