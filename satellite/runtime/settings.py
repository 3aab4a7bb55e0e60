"""The settings that commands can change while running."""

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class RuntimeSettings:
    """What `settings` publishes; `speech_language` None means text only."""

    mute: bool
    volume: int
    source_language: str
    target_languages: tuple[str, ...]
    speech_language: str | None

    def changed(self, **changes: Any) -> "RuntimeSettings":
        """The same with some values replaced."""
        return replace(self, **changes)

    def differs_in_languages(self, other: "RuntimeSettings") -> bool:
        """True when a running session does not fit any longer."""
        return (self.source_language, self.target_languages, self.speech_language) != (
            other.source_language,
            other.target_languages,
            other.speech_language,
        )
