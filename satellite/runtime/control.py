"""Control: commands from MQTT → changes of the running satellite, or a refusal with its reason."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from satellite.homeassistant.commands import (
    Command,
    CommandRefused,
    Listen,
    Play,
    Restart,
    RestartSession,
    RunBackendAction,
    SetMute,
    SetSourceLanguage,
    SetSpeechLanguage,
    SetTargetLanguages,
    SetVolume,
    StopSpeech,
)
from satellite.runtime.floor import Floor
from satellite.runtime.listener import Listener
from satellite.runtime.settings import RuntimeSettings
from satellite.runtime.speaker import Speaker
from satellite.runtime.uplink import Uplink

log = logging.getLogger(__name__)

Setting = SetMute | SetVolume | SetSourceLanguage | SetSpeechLanguage | SetTargetLanguages
"""Commands that change a setting."""
Deed = Listen | StopSpeech | RestartSession | Restart | Play | RunBackendAction
"""Commands that are carried out and leave nothing behind."""


class ControlReport(Protocol):
    """Who is told the outcome of commands."""

    def settings_changed(self, settings: RuntimeSettings) -> None:
        """These settings hold from now on."""

    def command_refused(self, refused: CommandRefused) -> None:
        """A command was not obeyed."""


@dataclass(frozen=True, slots=True)
class Rooms:
    """What commands act on."""

    listener: Listener
    uplink: Uplink
    speaker: Speaker
    floor: Floor


@dataclass(frozen=True, slots=True)
class ControlPorts:
    """What the application adds: storing, checking, and what only it can do."""

    report: ControlReport
    store: Callable[[RuntimeSettings], None]
    check: Callable[[RuntimeSettings], str | None]
    """Why these settings cannot be used with the backend; None when they can."""
    restart: Callable[[], None]
    play: Callable[[str], str | None]
    """Fetch and queue a sound; why not, or None."""
    run_action: Callable[[str, Mapping[str, object]], str | None]
    """Ask the backend for a run-time action; why not, or None."""


class Control:
    """Holds the run-time settings and obeys commands."""

    def __init__(self, settings: RuntimeSettings, rooms: Rooms, ports: ControlPorts) -> None:
        self.settings = settings
        self._rooms = rooms
        self._ports = ports

    def handle(self, command: Command | CommandRefused) -> None:
        """Obey, or say why not."""
        if isinstance(command, CommandRefused):
            self._refuse(command)
            return
        log.info("command %s", type(command).__name__)
        reason = self._change(command) if isinstance(command, Setting) else self._act(command)
        if reason is not None:
            self._refuse(CommandRefused(_name(command), _payload(command), reason))

    def _change(self, command: Setting) -> str | None:
        """Change a setting; why not, or None."""
        before, changed = self.settings, _with(self.settings, command)
        if changed.differs_in_languages(before) and (reason := self._ports.check(changed)) is not None:
            return reason
        self.settings = changed
        rooms = self._rooms
        if changed.mute != before.mute:
            rooms.listener.mute(changed.mute)
            if changed.mute:
                rooms.listener.hold(is_held=False)  # unmuted, the gate opens for speech, not for a button of before
                rooms.uplink.discard_audio()
            rooms.floor.muted(changed.mute)
        rooms.speaker.volume_percent = changed.volume
        if changed.differs_in_languages(before):
            rooms.uplink.restart_session()
        if changed != before:
            self._ports.store(changed)
        self._ports.report.settings_changed(changed)
        return None

    def _act(self, command: Deed) -> str | None:
        """Carry it out; why not, or None."""
        match command:
            case Listen(held=True) if self.settings.mute:
                return "the microphone is muted; send mute OFF first"
            case Listen():
                self._rooms.listener.hold(command.held)
            case StopSpeech():
                self._rooms.speaker.cut("stop_speech")
            case RestartSession():
                self._rooms.uplink.restart_session()
            case Restart():
                self._ports.restart()
            case Play():
                return self._ports.play(command.source)
            case _:
                return self._ports.run_action(command.action, command.arguments)
        return None

    def _refuse(self, refused: CommandRefused) -> None:
        log.warning("command %s refused: %s", refused.command, refused.reason)
        self._ports.report.command_refused(refused)


def _with(settings: RuntimeSettings, command: Setting) -> RuntimeSettings:
    """The settings after a command."""
    match command:
        case SetMute():
            return settings.changed(mute=command.muted)
        case SetVolume():
            return settings.changed(volume=command.percent)
        case SetSourceLanguage():
            return settings.changed(source_language=command.language)
        case SetSpeechLanguage():
            return settings.changed(speech_language=command.language)
        case _:
            return settings.changed(target_languages=command.languages)


_NAMES: dict[type[Command], str] = {
    SetSourceLanguage: "source_language",
    SetSpeechLanguage: "speech_language",
    SetTargetLanguages: "target_languages",
    Listen: "listen",
    Play: "play",
}
"""Those that may be refused here, with the names they have in topics."""


def _name(command: Command) -> str:
    return f"backend/{command.action}" if isinstance(command, RunBackendAction) else _NAMES[type(command)]


def _payload(command: Command) -> str:
    match command:
        case SetSourceLanguage():
            return command.language
        case SetSpeechLanguage():
            return command.language or "off"
        case SetTargetLanguages():
            return ",".join(command.languages)
        case Play():
            return command.source
        case Listen():
            return "ON"  # letting go is never refused
    return ""
