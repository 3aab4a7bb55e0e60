"""Composition root: configuration → adapters and services → Supervisor. The only room that knows all the others."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from satellite import __version__
from satellite.adapters.clock import SystemClock
from satellite.adapters.decoder import make_decoder
from satellite.adapters.devices import make_playback
from satellite.adapters.memory import keep_tidy
from satellite.adapters.mqtt import LinkHooks, MqttLink
from satellite.adapters.outbox import Outbox
from satellite.adapters.process import process_figures
from satellite.adapters.settings import SettingsStore
from satellite.adapters.sounds import SoundShelf
from satellite.adapters.stacks import told
from satellite.app import parts
from satellite.app.budget import DayBudget
from satellite.app.ending import (
    FAULT_ENDS_WITHIN_S,
    STOP_ENDS_WITHIN_S,
    STORED_WITHIN_S,
    PublisherService,
    Services,
    end_after_fault,
    end_in_order,
    store_what_waits,
)
from satellite.app.presence import Presence, later
from satellite.app.voice import VoiceRoom
from satellite.backends.base import BackendSession
from satellite.config.model import Config
from satellite.core.audio import RATE_HZ
from satellite.core.backlog import Backlog
from satellite.core.transcript import TranscriptBook
from satellite.core.turn import TurnPolicy
from satellite.homeassistant.commands import Command, CommandRefused
from satellite.homeassistant.topics import Topics
from satellite.ports import ServiceNotifier
from satellite.runtime.actions import ActionPorts, Actions
from satellite.runtime.answers import Answers
from satellite.runtime.command_queue import CommandQueue
from satellite.runtime.control import Control, ControlPorts, Rooms
from satellite.runtime.floor import Floor
from satellite.runtime.health import HealthMeter, Outgoing
from satellite.runtime.listener import Listener
from satellite.runtime.pulse import Pulse
from satellite.runtime.reporter import Reporter
from satellite.runtime.router import Router
from satellite.runtime.settings import RuntimeSettings
from satellite.runtime.speaker import Speaker, SpeakerSettings
from satellite.runtime.status import BrokerWords, StatusLine
from satellite.runtime.supervisor import Endings, StopCause, Supervisor
from satellite.runtime.uplink import Uplink, UplinkParts

log = logging.getLogger(__name__)

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


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
    end_within: Callable[[float], None] = lambda _: None
    """Told when the end begins: whatever is stuck, it must be over after so many seconds."""


class App:
    """One satellite, wired from its configuration; runs once."""

    def __init__(self, config: Config, around: Surroundings) -> None:
        self._config = config
        self._around = around
        self._clock = SystemClock()
        self._voice = VoiceRoom(config, self._clock)
        self._store = None if around.state_directory is None else SettingsStore(around.state_directory)
        settings = parts.configured_settings(config)
        if self._store is not None:
            settings = self._store.load(settings)
        self._adopted = settings
        self._budget = DayBudget(config.voice.daily_limit_min, self._clock, around.state_directory)
        self._spool = parts.make_spool(around.state_directory if around.publisher is None else None)
        self._outbox = Outbox(spool=self._spool)
        topics = Topics(config.mqtt.base_topic, config.satellite.id)
        self._broker_words = BrokerWords()
        self._publisher = around.publisher or self._broker_link(topics)
        own_directory = None if self._spool is None or self._spool.is_taken else around.state_directory
        self._presence = Presence(config, self._publisher, own_directory, publishes=around.publisher is None)
        self._reporter = Reporter(topics, self._publisher, self._clock, parts.reporter_options(config))
        self._floor = Floor(TurnPolicy(parts.turn_settings(config)), self._clock)
        self._book = TranscriptBook(parts.book_settings(settings))
        self._router = Router(self._book, self._floor, self._reporter, self._clock)
        listening = parts.listener_parts(config, self._clock, around.on_hearing)
        self._listener = Listener(listening, self._router, self._reporter)
        self._uplink = Uplink(self._uplink_parts(), self._router)
        sink = make_playback(parts.playback_settings(config), self._clock)
        self._speaker = Speaker(sink, make_decoder, self._floor, self._reporter, SpeakerSettings())
        self._sounds = SoundShelf(
            config.audio.output.play_from,
            self._speaker.sound,
            lambda source, reason: self._reporter.command_refused(CommandRefused("play", source, reason)),
        )
        self._rooms = Rooms(self._listener, self._uplink, self._speaker, self._floor)
        link = self._publisher
        outgoing = Outgoing(self._outbox.__len__, (lambda: link.vital) if isinstance(link, MqttLink) else None)
        self._health = HealthMeter(self._rooms, outgoing, process_figures, self._clock)
        endings = Endings(self._stop_in_order, self._stop_after_fault)
        self._status = StatusLine(
            self._voice.name, self._reporter.standing, self._broker_words, lambda: self._listener.utterances
        )
        self._supervisor = Supervisor(self._services(), endings)
        answers = Answers(topics, self._publisher)
        self._actions = Actions(
            ActionPorts(self._voice.actions, parts.read_arguments, self._uplink.run_action, answers)
        )
        self._control = self._make_control(settings)
        self._commands = CommandQueue(self._control.handle, self._clock)
        self._hurry = asyncio.Event()
        self._join(settings)

    async def run(self) -> StopCause:
        """Run until a signal, the end of the input, or a command ends it."""
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self._terminate)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        log.info("voice-satellite %s: %s, backend %s", __version__, self._config.satellite.id, self._voice.name)
        try:
            cause = await self._supervisor.run()
        finally:
            _restore_stop_signals()
            store_what_waits(self._spool, self._outbox)
            self._budget.save(self._uplink.streamed_samples / RATE_HZ)
            self._presence.keep()
            if self._store is not None:
                self._store.close(STORED_WITHIN_S)
        return StopCause.SIGNAL if self._hurry.is_set() else cause

    # --- making the parts ----------------------------------------------------------------------------------------

    def _broker_link(self, topics: Topics) -> MqttLink:
        hooks = LinkHooks(
            on_connected=self._republish,
            on_command=self._obey,
            on_state=self._broker_words,
            on_birth=lambda: later(parts.birth_delay_s(), self._republish),
        )
        settings = parts.mqtt_settings(self._config, self._voice.targets_max)
        return MqttLink(settings, topics, self._outbox, hooks, parts.near_backoff(), self._clock)

    def _uplink_parts(self) -> UplinkParts:
        return UplinkParts(
            backlog=Backlog(round(self._config.voice.outage_buffer_s * RATE_HZ)),
            make_session=self._make_session,
            make_link=self._voice.make_link,
            backoff=parts.cloud_backoff(),
            clock=self._clock,
            new_id=parts.new_id,
            is_spent=self._budget.is_spent,
        )

    def _make_session(self, backlog: Backlog) -> BackendSession:
        """A session with the settings of this moment."""
        return self._voice.make_session(backlog, self._control.settings, self._actions.standing)

    def _make_control(self, settings: RuntimeSettings) -> Control:
        ports = ControlPorts(
            report=self._reporter,
            store=self._adopt_settings,
            check=self._voice.objection,
            restart=lambda: self._supervisor.stop(StopCause.RESTART),
            play=self._sounds.request,
            run_action=self._actions.request,
        )
        return Control(settings, self._rooms, ports)

    def _services(self) -> dict[str, Callable[[], Awaitable[None]]]:
        standing, link = self._reporter.standing, self._publisher
        services: dict[str, Callable[[], Awaitable[None]]] = {
            "publisher": link.run,
            "uplink": self._uplink.run,
            "speaker": self._speaker.run,
            "listener": self._listen,
            "sounds": self._sounds.run,
            "tidy": keep_tidy,
            "pulse": Pulse(standing.publish_health, told(self._health.stuck), self._around.notifier, self._status).run,
        }
        if self._config.metrics.enabled and isinstance(link, MqttLink):
            from satellite.app.metrics import metrics_service  # noqa: PLC0415 - loaded only when used

            services["metrics"] = metrics_service(self._config, standing, link)
        return services

    def _join(self, settings: RuntimeSettings) -> None:
        """Introduce the parts to each other, and begin with these settings."""
        self._router.uplink = self._uplink
        self._router.speaker = self._speaker
        self._router.actions = self._actions
        floor, listener = self._floor, self._listener
        floor.on_suppress = listener.suppress
        floor.on_release = listener.release
        floor.on_start_playback = self._speaker.start
        floor.on_cut_playback = self._speaker.cut
        self._speaker.volume_percent = settings.volume
        standing = self._reporter.standing
        standing.health = lambda: self._health.figures(__version__, standing.lost_ms)
        standing.usage = lambda: self._budget.today(self._uplink.streamed_samples / RATE_HZ)
        standing.settings(settings)
        self._presence.offer(self._voice.offer(settings))
        if settings.mute:
            listener.mute(is_muted=True)
            floor.muted(is_muted=True)

    # --- services of its own -------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        """Capture; the end of a recording ends the run."""
        self._reporter.standing.started()
        self._around.notifier.status(self._status())
        self._around.notifier.ready()
        await self._listener.run()
        self._supervisor.stop(StopCause.INPUT_ENDED)

    async def _stop_in_order(self, cause: StopCause) -> None:
        if cause not in (StopCause.RELOAD, StopCause.RESTART):  # these end in being ready again
            self._around.notifier.stopping()
        if cause is not StopCause.INPUT_ENDED:
            self._around.end_within(STOP_ENDS_WITHIN_S)
        self._reporter.standing.publish_health()
        services = Services(self._listener, self._uplink, self._router, self._speaker, self._publisher)
        await end_in_order(services, self._supervisor, cause, self._hurry)

    async def _stop_after_fault(self) -> None:
        self._around.end_within(FAULT_ENDS_WITHIN_S)
        await end_after_fault(self._publisher)

    # --- call-backs ----------------------------------------------------------------------------------------------

    def _adopt_settings(self, settings: RuntimeSettings) -> None:
        """What is said from now on is expected in their languages; they outlast a restart."""
        self._book.configure(parts.book_settings(settings))
        if settings.differs_in_languages(self._adopted):
            self._actions.languages_changed()
            self._presence.offer(self._voice.offer(settings))
        self._adopted = settings
        if self._store is not None:
            self._store.save(settings, parts.configured_settings(self._config))

    def _republish(self) -> None:
        self._presence.say()
        self._reporter.standing.republish()

    def _obey(self, command: Command | CommandRefused) -> None:
        self._commands.put(command)

    def _terminate(self) -> None:
        """First signal: stop in order, soon. The second finds the default action and ends the process at once."""
        _restore_stop_signals()
        self._around.end_within(STOP_ENDS_WITHIN_S)
        self._hurry.set()
        self._supervisor.stop(StopCause.SIGNAL)

    def _reload(self) -> None:
        if self._around.on_reload is None:
            return
        self._around.notifier.reloading()
        self._status.is_reload_refused = not self._around.on_reload()
        if not self._status.is_reload_refused:
            self._supervisor.stop(StopCause.RELOAD)
            return
        self._around.notifier.status(self._status())
        self._around.notifier.ready()


def _restore_stop_signals() -> None:
    """From now on they end the process at once, and none is lost while the loop winds up."""
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_DFL)
