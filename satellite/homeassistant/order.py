"""Order: one command as it is published, and what may come back of it."""

import msgspec

from satellite.homeassistant.commands import (
    NAME_CHARACTERS_MAX,
    Command,
    CommandRefused,
    SetMute,
    SetSourceLanguage,
    SetSpeechLanguage,
    SetTargetLanguages,
    SetVolume,
    echo,
    parse,
    printable,
)
from satellite.homeassistant.topics import Topics

BACKEND = "backend/"

_ANYBODY = Topics("any", "any")
_TARGETS_MAX = 1_000
"""How many languages are too many is for each satellite to say."""


class SettingsNote(msgspec.Struct, frozen=True):
    """Of `settings`."""

    mute: bool
    volume: int
    source_language: str
    target_languages: tuple[str, ...]
    speech_language: str | None


class RefusalNote(msgspec.Struct, frozen=True):
    """Of `command_error`."""

    command: str
    payload: str
    reason: str


class Order:
    """Its `name` as below `set/`, and its `payload`."""

    def __init__(self, name: str, payload: bytes) -> None:
        self.name = name
        self.payload = payload
        self._meaning = _meaning(name, payload)

    @property
    def answer_name(self) -> str | None:
        """The topic of the answer below a satellite's own; None when the command has none."""
        return f"{self.name}/result" if self.name.startswith(BACKEND) else None

    @property
    def is_setting(self) -> bool:
        """Whether `settings` shows that it was obeyed."""
        return self.name in SettingsNote.__struct_fields__

    @property
    def is_seen(self) -> bool:
        """Whether anything shows that it was obeyed."""
        return self.is_setting or self.answer_name is not None

    def holds_in(self, note: SettingsNote) -> bool:
        """Whether these settings are as it wants them; never when we cannot tell what it wants."""
        match self._meaning:
            case SetMute(value) | SetVolume(value) | SetSourceLanguage(value) | SetSpeechLanguage(value):
                return bool(getattr(note, self.name) == value)
            case SetTargetLanguages(languages):
                return note.target_languages == languages
        return False

    def is_refused_by(self, note: RefusalNote) -> bool:
        """Whether it is this command that was refused, and not the like of somebody else.

        A satellite repeats the payload as it came or as it is usually spelled, that of an action mostly not at all.
        """
        if note.command != printable(self.name, NAME_CHARACTERS_MAX):
            return False
        if self.name.startswith(BACKEND) or note.payload == echo(self.payload):
            return True
        return _meaning(self.name, note.payload.encode(errors="replace")) == self._meaning


def _meaning(name: str, payload: bytes) -> Command | CommandRefused | None:
    """What a satellite of this version makes of it."""
    return parse(_ANYBODY, _ANYBODY.command(name), payload, retained=False, targets_max=_TARGETS_MAX)
