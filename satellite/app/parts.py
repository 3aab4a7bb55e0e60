"""From the configuration to what each part is made with. Nothing here has a life of its own."""

import random  # noqa: TID251 - the one place where randomness is made, to be handed in
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from satellite import __version__
from satellite.adapters.detectors import make_detector
from satellite.adapters.devices import make_capture
from satellite.adapters.mqtt import MqttSettings, TlsSettings
from satellite.adapters.sound import CaptureSettings, PlaybackSettings
from satellite.adapters.spool import DiskSpool
from satellite.config.fields import dotted
from satellite.config.model import Config, Mqtt
from satellite.config.sentences import sentence
from satellite.core.audio import RATE_HZ, SAMPLE_BYTES, CaptureBlock
from satellite.core.backoff import Backoff, SlowPace
from satellite.core.gate import GateSettings, VadGate
from satellite.core.section import Section, read
from satellite.core.transcript import BookSettings
from satellite.core.turn import TurnSettings
from satellite.homeassistant.discovery import Identity, birth_topic
from satellite.homeassistant.topics import Topics
from satellite.ports import CaptureSource, Clock
from satellite.runtime.listener import ListenerParts
from satellite.runtime.reporter import ReporterOptions
from satellite.runtime.settings import RuntimeSettings

NEAR_CAP_S = 20.0
"""Longest wait for what is near, the broker; a cloud service is given the back-off's own."""
DEVICE_FIRST_S = 0.6
"""Before the second try: what was only disturbed is back by then."""
DEVICE_CAP_S = 3.0
"""Longest wait between two tries of a device: with the time to open it, it is in use 5 s after it is back."""
BIRTH_DELAYS_S = (0.5, 5.0)
"""Between Home Assistant's start and what it is told."""
SETTLE_S = 6.0
"""A service that answers later than this is taken to have heard no speech; its sessions settle sooner than that."""


def new_id() -> str:
    """An id that nothing else has."""
    return uuid.uuid4().hex[:16]


def near_backoff() -> Backoff:
    """For the broker."""
    return Backoff(random.random, cap_s=NEAR_CAP_S)


def device_backoff() -> Backoff:
    """For a sound device. Little jitter: a try costs a start of a process, and nobody else is waiting for it."""
    jitter = random.random
    return Backoff(lambda: 0.75 + jitter() / 4, first_s=DEVICE_FIRST_S, cap_s=DEVICE_CAP_S)


def cloud_backoff() -> Backoff:
    """For the voice service."""
    return Backoff(random.random, slow_pace=SlowPace())


def make_spool(state_directory: Path | None) -> DiskSpool | None:
    """Where text that waits for the broker outlasts the process; None: nowhere."""
    return None if state_directory is None else DiskSpool(state_directory)


def configured_settings(config: Config) -> RuntimeSettings:
    """What holds until a command changes it."""
    voice = config.voice
    return RuntimeSettings(
        mute=False,
        volume=config.audio.output.volume,
        source_language=voice.source_language,
        target_languages=voice.target_languages,
        speech_language=voice.speech_language,
    )


def book_settings(settings: RuntimeSettings) -> BookSettings:
    """What to expect of an utterance."""
    return BookSettings(settings.target_languages, settings.speech_language, settle_s=SETTLE_S)


def turn_settings(config: Config) -> TurnSettings:
    """Who may be heard when."""
    audio = config.audio
    return TurnSettings(audio.duplex, audio.tail_ms / 1000, audio.barge_in)


def reporter_options(config: Config) -> ReporterOptions:
    """What is published, and what is logged of it."""
    return ReporterOptions(
        backend=config.voice.backend,
        publish_tentative=config.mqtt.publish_tentative,
        retain_transcripts=config.mqtt.retain_transcripts,
        log_transcripts=config.logging.transcripts,
    )


def playback_settings(config: Config) -> PlaybackSettings:
    """Which loudspeaker."""
    return PlaybackSettings(device=str(config.audio.output.device), driver=config.audio.driver)


def mqtt_settings(config: Config, targets_max: int) -> MqttSettings:
    """Which broker, who we are there, and what a satellite has to know."""
    prefix = config.mqtt.discovery_prefix
    birth = None if prefix is None else birth_topic(prefix)
    return replace(broker_settings(config.mqtt), birth_topic=birth, targets_max=targets_max)


def broker_settings(mqtt: Mqtt) -> MqttSettings:
    """Which broker, and who we are there."""
    return MqttSettings(
        host=mqtt.host,
        port=mqtt.effective_port,
        username=mqtt.username,
        password=mqtt.password.get_secret_value() if mqtt.password else None,
        client_id=mqtt.client_id,
        tls=TlsSettings(**msgspec.structs.asdict(mqtt.tls)) if mqtt.tls else None,
    )


def identity(config: Config, topics: Topics) -> Identity | None:
    """Who is announced to Home Assistant; None: nobody."""
    prefix, satellite = config.mqtt.discovery_prefix, config.satellite
    if prefix is None:
        return None
    return Identity(
        topics=topics,
        name=satellite.name,
        area=satellite.area,
        version=__version__,
        prefix=prefix,
        style=config.mqtt.discovery,
        retains_texts=config.mqtt.retain_transcripts,
    )


def birth_delay_s() -> float:
    """When Home Assistant starts, all satellites have much to tell it: not all at once."""
    soonest_s, latest_s = BIRTH_DELAYS_S
    jitter = random.random
    return soonest_s + jitter() * (latest_s - soonest_s)


def read_arguments(section: type[Section], arguments: Mapping[str, object]) -> Section | str:
    """The arguments of a run-time action, or everything that is wrong with them in one line."""
    made, faults = read(section, dict(arguments))
    if made is not None and not faults:
        return made
    return "; ".join(f"{dotted(fault.path)}: {sentence(fault, masked=False)[0]}" for fault in faults)


def listener_parts(config: Config, clock: Clock, on_hearing: Callable[[float], None] | None) -> ListenerParts:
    """Microphone, detector and gate; `on_hearing` is told how far the input has come, in seconds."""
    vad = config.vad

    def open_capture() -> CaptureSource:
        source = make_capture(capture_settings(config), clock)
        return source if on_hearing is None else _Observed(source, on_hearing)

    return ListenerParts(
        open_capture=open_capture,
        detector=make_detector(vad.detector, vad.aggressiveness),
        gate=VadGate(GateSettings(vad.onset_ms, vad.pre_roll_ms, vad.hang_over_ms, vad.max_utterance_s)),
        clock=clock,
        backoff=device_backoff(),
        new_id=new_id,
    )


def capture_settings(config: Config) -> CaptureSettings:
    """Which microphone, and how to listen to it."""
    microphone = config.audio.input
    return CaptureSettings(
        device=str(microphone.device),
        driver=config.audio.driver,
        rate_hz=microphone.rate_hz,
        channels=microphone.channels,
        channel=microphone.channel,
        gain_db=microphone.gain_db,
    )


class _Observed:
    """A capture source whose progress somebody watches."""

    def __init__(self, source: CaptureSource, on_hearing: Callable[[float], None]) -> None:
        self._source = source
        self._on_hearing = on_hearing
        self._samples = 0

    @property
    def overruns(self) -> int:
        """Those of the source."""
        return self._source.overruns

    def start(self, on_block: Callable[[CaptureBlock], None], on_end: Callable[[Exception | None], None]) -> None:
        """Pass on, and tell."""

        def observed(block: CaptureBlock) -> None:
            self._samples += len(block.data) // SAMPLE_BYTES
            self._on_hearing(self._samples / RATE_HZ)
            on_block(block)

        self._source.start(observed, on_end)

    async def stop(self) -> None:
        """Stop the source."""
        await self._source.stop()
