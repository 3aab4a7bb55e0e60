"""Composition root: configuration → adapters and services → Supervisor. The only module that knows all rooms."""

import asyncio
import logging
import random  # noqa: TID251 - the one place where randomness is made, to be handed in
import signal
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel

from satellite import __version__
from satellite.adapters.clock import SystemClock
from satellite.adapters.decoder import make_decoder
from satellite.adapters.detectors import make_detector
from satellite.adapters.devices import make_capture, make_playback
from satellite.adapters.encoder import make_encoder
from satellite.adapters.link import SessionDriver
from satellite.adapters.mqtt import LinkHooks, MqttLink, MqttSettings, TlsSettings
from satellite.adapters.outbox import Outbox
from satellite.adapters.process import process_figures
from satellite.adapters.settings import SettingsStore
from satellite.adapters.sound import CaptureSettings, PlaybackSettings
from satellite.adapters.sounds import SoundShelf
from satellite.backends.base import Backend, BackendSession, SessionSetup, Severity
from satellite.backends.registry import load as load_backend
from satellite.config.model import Config
from satellite.core.audio import RATE_HZ, SAMPLE_BYTES, CaptureBlock
from satellite.core.backlog import Backlog
from satellite.core.backoff import Backoff
from satellite.core.events import VoiceEvent
from satellite.core.gate import GateSettings, VadGate
from satellite.core.transcript import BookSettings, TranscriptBook
from satellite.core.turn import TurnPolicy, TurnSettings
from satellite.homeassistant.commands import Command, CommandRefused
from satellite.homeassistant.topics import Topics
from satellite.ports import CaptureSource, Publisher, ServiceNotifier, VoiceLink
from satellite.runtime.control import Control, ControlPorts, Rooms
from satellite.runtime.floor import Floor
from satellite.runtime.health import HealthMeter
from satellite.runtime.listener import Listener, ListenerParts
from satellite.runtime.reporter import Reporter, ReporterOptions
from satellite.runtime.router import Router
from satellite.runtime.settings import RuntimeSettings
from satellite.runtime.speaker import Speaker, SpeakerSettings
from satellite.runtime.supervisor import StopCause, Supervisor
from satellite.runtime.uplink import Uplink, UplinkParts

log = logging.getLogger(__name__)

STOP_WITHIN_S = 6.0
"""An ordered stop waits this long for the last text of the service."""
INPUT_ENDED_WITHIN_S = 120.0
"""After the end of a recording everything said is worth waiting for."""
GOODBYE_WITHIN_S = 2.0
"""And this long for the broker to take it."""
HEALTH_EVERY_S = 30.0
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class PublisherService(Publisher, Protocol):
    """A publisher with a life of its own: the broker link, or a terminal."""

    async def run(self) -> None:
        """Serve until closed."""

    async def close(self, *, offline: bool = True, timeout_s: float = 5.0) -> bool:
        """Flush, say goodbye, end."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the caller decides about a run."""

    notifier: ServiceNotifier
    state_directory: Path | None = None
    """Where settings changed by commands outlast a restart; None: nowhere."""
    publisher: PublisherService | None = None
    """Takes the place of the broker."""
    on_reload: Callable[[], bool] | None = None
    """SIGHUP: look at the configuration again; True when the run should begin anew with it."""
    on_hearing: Callable[[float], None] | None = None
    """Told how far the input has come, in seconds, once a block."""


class App:
    """One satellite, wired from its configuration; runs once."""

    def __init__(self, config: Config, around: Surroundings) -> None:
        self._config = config
        self._around = around
        self._clock = SystemClock()
        self._backend: Backend[BaseModel] = load_backend(config.voice.backend)
        self._options = config.voice.options
        self._store = None if around.state_directory is None else SettingsStore(around.state_directory)
        settings = self._first_settings()
        self._topics = Topics(config.mqtt.base_topic, config.satellite.id)
        self._outbox = Outbox()
        self._publisher = around.publisher or self._broker_link()
        self._reporter = Reporter(self._topics, self._publisher, self._clock, _reporter_options(config))
        self._floor = Floor(TurnPolicy(_turn_settings(config)), self._clock)
        self._book = TranscriptBook(_book_settings(settings))
        self._router = Router(self._book, self._floor, self._reporter, self._clock)
        self._listener = Listener(self._listener_parts(), self._router, self._reporter)
        self._uplink = Uplink(self._uplink_parts(), self._router)
        self._speaker = Speaker(
            make_playback(_playback_settings(config), self._clock),
            make_decoder,
            self._floor,
            self._reporter,
            SpeakerSettings(),
        )
        self._sounds = SoundShelf(config.audio.output.play_from, self._speaker.sound, self._sound_failed)
        self._supervisor = Supervisor(self._services(), self._stop_in_order)
        self._control = self._make_control(settings)
        self._health = HealthMeter(self._listener, self._uplink, self._outbox.__len__, process_figures, self._clock)
        self._is_terminated = False
        self._wire()

    async def run(self) -> StopCause:
        """Run until a signal, the end of the input, or a command ends it."""
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self._terminate)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        log.info("voice-satellite %s: %s, backend %s", __version__, self._config.satellite.id, self._backend.name)
        try:
            cause = await self._supervisor.run()
        finally:
            _restore_stop_signals()
        return StopCause.SIGNAL if self._is_terminated else cause

    # --- making the parts ----------------------------------------------------------------------------------------

    def _first_settings(self) -> RuntimeSettings:
        configured = _configured_settings(self._config)
        return configured if self._store is None else self._store.load(configured)

    def _broker_link(self) -> MqttLink:
        mqtt = self._config.mqtt
        settings = MqttSettings(
            host=mqtt.host,
            port=mqtt.effective_port,
            username=mqtt.username,
            password=mqtt.password.get_secret_value() if mqtt.password else None,
            client_id=mqtt.client_id,
            tls=TlsSettings(**mqtt.tls.model_dump()) if mqtt.tls else None,
            birth_topic=None if mqtt.discovery_prefix is None else f"{mqtt.discovery_prefix}/status",
            targets_max=self._backend.capabilities.max_target_languages,
        )
        hooks = LinkHooks(
            on_connected=self._republish,
            on_command=self._obey,
            on_state=_broker_state,
            on_birth=self._republish,
        )
        backoff = Backoff(random.random, cap_s=20.0)  # a broker is near, and waits for nobody
        return MqttLink(settings, self._topics, self._outbox, hooks, backoff, self._clock)

    def _backoff(self) -> Backoff:
        return Backoff(random.random)

    def _listener_parts(self) -> ListenerParts:
        vad = self._config.vad
        gate = VadGate(GateSettings(vad.onset_ms, vad.pre_roll_ms, vad.hang_over_ms, vad.max_utterance_s))
        return ListenerParts(
            open_capture=self._open_capture,
            detector=make_detector(vad.detector, vad.aggressiveness),
            gate=gate,
            clock=self._clock,
            backoff=Backoff(random.random, cap_s=10.0),
            new_id=_new_id,
        )

    def _open_capture(self) -> CaptureSource:
        source = make_capture(_capture_settings(self._config), self._clock)
        on_hearing = self._around.on_hearing
        return source if on_hearing is None else _Observed(source, on_hearing)

    def _uplink_parts(self) -> UplinkParts:
        return UplinkParts(
            backlog=Backlog(round(self._config.voice.outage_buffer_s * RATE_HZ)),
            make_session=self._make_session,
            make_link=self._make_link,
            backoff=self._backoff(),
            clock=self._clock,
            new_id=_new_id,
        )

    def _make_session(self, backlog: Backlog) -> BackendSession:
        """A session with the settings of this moment; what is said from now on is expected in their languages."""
        settings, voice = self._control.settings, self._config.voice
        self._book.configure(_book_settings(settings))
        setup = SessionSetup(
            backlog=backlog,
            encoder=make_encoder(self._backend.upload_format(self._options).value),
            source_language=settings.source_language,
            target_languages=settings.target_languages,
            speech_language=settings.speech_language,
            speech_voice=voice.speech_voice,
            idle_close_s=voice.idle_close_s,
        )
        return self._backend.create(self._options, setup)

    def _make_link(self, session: BackendSession, on_event: Callable[[VoiceEvent], None]) -> VoiceLink:
        return SessionDriver(session, on_event, self._clock)

    def _make_control(self, settings: RuntimeSettings) -> Control:
        rooms = Rooms(self._listener, self._uplink, self._speaker, self._floor)
        ports = ControlPorts(
            report=self._reporter,
            store=self._store_settings,
            check=self._objection,
            restart=lambda: self._supervisor.stop(StopCause.RESTART),
            play=self._sounds.request,
        )
        return Control(settings, rooms, ports)

    # --- joining them --------------------------------------------------------------------------------------------

    def _wire(self) -> None:
        self._router.uplink = self._uplink
        self._router.speaker = self._speaker
        floor, listener = self._floor, self._listener
        floor.on_suppress = listener.suppress
        floor.on_release = listener.release
        floor.on_start_playback = self._speaker.start
        floor.on_cut_playback = self._speaker.cut
        settings = self._control.settings
        self._speaker.volume_percent = settings.volume
        standing = self._reporter.standing
        standing.health = lambda: self._health.figures(__version__, standing.lost_ms)
        standing.settings(settings)
        if settings.mute:
            listener.mute(is_muted=True)
            floor.muted(is_muted=True)

    def _services(self) -> dict[str, Callable[[], Awaitable[None]]]:
        return {
            "publisher": self._publisher.run,
            "uplink": self._uplink.run,
            "speaker": self._speaker.run,
            "listener": self._listen,
            "sounds": self._sounds.run,
            "health": self._report_health,
        }

    async def _listen(self) -> None:
        """Capture; the end of a recording ends the run."""
        self._around.notifier.ready()
        self._reporter.standing.started()
        await self._listener.run()
        self._supervisor.stop(StopCause.INPUT_ENDED)

    async def _report_health(self) -> None:
        """Publish the figures, and feed the watchdog while the pipeline moves."""
        notifier = self._around.notifier
        pause_s = min(HEALTH_EVERY_S, notifier.watchdog_interval_s() or HEALTH_EVERY_S)
        next_report_s = HEALTH_EVERY_S
        while True:
            await asyncio.sleep(pause_s)
            if self._health.is_alive(is_muted=self._control.settings.mute):
                notifier.watchdog()
            next_report_s -= pause_s
            if next_report_s <= 0:
                next_report_s = HEALTH_EVERY_S
                self._reporter.standing.publish_health()

    # --- commands and signals ------------------------------------------------------------------------------------

    def _store_settings(self, settings: RuntimeSettings) -> None:
        if self._store is not None:
            self._store.save(settings, _configured_settings(self._config))

    def _objection(self, settings: RuntimeSettings) -> str | None:
        """Why the backend cannot work with these settings, None when it can."""
        voice = self._config.voice
        choice = voice.model_copy(
            update={
                "source_language": settings.source_language,
                "target_languages": settings.target_languages,
                "speech_language": settings.speech_language,
            }
        )
        findings = self._backend.check(self._options, choice)
        errors = [finding for finding in findings if finding.severity is Severity.ERROR]
        return "; ".join(finding.message for finding in errors) or None

    def _republish(self) -> None:
        self._reporter.standing.republish()

    def _obey(self, command: Command | CommandRefused) -> None:
        self._control.handle(command)

    def _sound_failed(self, source: str, reason: str) -> None:
        self._reporter.command_refused(CommandRefused("play", source, reason))

    def _terminate(self) -> None:
        """First signal: stop in order. The second finds the default action and ends the process at once."""
        self._is_terminated = True
        _restore_stop_signals()
        self._supervisor.stop(StopCause.SIGNAL)

    def _reload(self) -> None:
        if self._around.on_reload is not None and self._around.on_reload():
            self._supervisor.stop(StopCause.RELOAD)

    async def _stop_in_order(self, cause: StopCause) -> None:
        """Stop capture → conclude what was said → publish it → say offline."""
        self._around.notifier.stopping()
        self._listener.stop()
        self._uplink.finish()
        is_patient = cause is StopCause.INPUT_ENDED
        within_s = INPUT_ENDED_WITHIN_S if is_patient else STOP_WITHIN_S
        if not await self._supervisor.ended("uplink", within_s):
            log.warning("the voice service did not finish within %.0f s; going without its last words", within_s)
        self._router.finish()
        if is_patient:
            await self._speaker.settled()
        else:
            self._speaker.cut("stopping")
        self._reporter.standing.publish_health()
        is_restarting = cause in (StopCause.RELOAD, StopCause.RESTART)
        if not await self._publisher.close(offline=not is_restarting, timeout_s=GOODBYE_WITHIN_S):
            log.warning("%d messages could not be delivered to the broker", len(self._outbox))


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


def _restore_stop_signals() -> None:
    """From now on they end the process at once, and none is lost while the loop winds up."""
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_DFL)


def _new_id() -> str:
    return uuid.uuid4().hex[:16]


def _broker_state(is_connected: bool, problem: str | None) -> None:
    """The broker link logs for itself; a problem of the broker cannot be published to it."""


def _configured_settings(config: Config) -> RuntimeSettings:
    voice = config.voice
    return RuntimeSettings(
        mute=False,
        volume=config.audio.output.volume,
        source_language=voice.source_language,
        target_languages=voice.target_languages,
        speech_language=voice.speech_language,
    )


def _book_settings(settings: RuntimeSettings) -> BookSettings:
    return BookSettings(settings.target_languages, settings.speech_language)


def _turn_settings(config: Config) -> TurnSettings:
    audio = config.audio
    return TurnSettings(audio.duplex, audio.tail_ms / 1000, audio.barge_in)


def _reporter_options(config: Config) -> ReporterOptions:
    return ReporterOptions(
        backend=config.voice.backend,
        publish_tentative=config.mqtt.publish_tentative,
        retain_transcripts=config.mqtt.retain_transcripts,
        log_transcripts=config.logging.transcripts,
    )


def _capture_settings(config: Config) -> CaptureSettings:
    microphone = config.audio.input
    return CaptureSettings(
        device=str(microphone.device),
        driver=config.audio.driver,
        rate_hz=microphone.rate_hz,
        channels=microphone.channels,
        channel=microphone.channel,
        gain_db=microphone.gain_db,
    )


def _playback_settings(config: Config) -> PlaybackSettings:
    return PlaybackSettings(device=str(config.audio.output.device), driver=config.audio.driver)
