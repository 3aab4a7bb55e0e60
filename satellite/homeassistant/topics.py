"""Topics: the MQTT names of one satellite."""

import re
from dataclasses import dataclass

ONLINE = b"online"
OFFLINE = b"offline"
ID_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"
EVERYBODY = "all"
"""Stands for all satellites in topics of commands, so none can have it as its id."""


def is_id(text: str) -> bool:
    """Whether a satellite can be called so."""
    return re.fullmatch(ID_PATTERN, text) is not None and text != EVERYBODY


@dataclass(frozen=True, slots=True)
class Topics:
    """Absolute topics below `<base>/<satellite_id>/`; `base` may itself have several levels."""

    base: str
    satellite_id: str

    @property
    def root(self) -> str:
        """What all topics of this satellite begin with, without a trailing slash."""
        return f"{self.base}/{self.satellite_id}"

    @property
    def availability(self) -> str:
        """`online` or `offline`; also the last will."""
        return f"{self.root}/availability"

    @property
    def state(self) -> str:
        """What the satellite does now, one word."""
        return f"{self.root}/state"

    @property
    def transcript(self) -> str:
        """Concluded source segments."""
        return f"{self.root}/transcript"

    @property
    def transcript_tentative(self) -> str:
        """The tentative tail of the source text."""
        return f"{self.root}/transcript/tentative"

    def translation(self, language: str) -> str:
        """Concluded target segments; `language` spelled as configured."""
        return f"{self.root}/translation/{language}"

    def translation_tentative(self, language: str) -> str:
        """The tentative tail of a translation."""
        return f"{self.root}/translation/{language}/tentative"

    @property
    def utterance(self) -> str:
        """One whole utterance with all that came of it."""
        return f"{self.root}/utterance"

    @property
    def speech(self) -> str:
        """Playback of speech, at the moment it is heard."""
        return f"{self.root}/speech"

    @property
    def session(self) -> str:
        """Life of the voice session."""
        return f"{self.root}/session"

    @property
    def problem(self) -> str:
        """What needs a person, or that nothing does."""
        return f"{self.root}/problem"

    @property
    def health(self) -> str:
        """Running totals and ages."""
        return f"{self.root}/health"

    @property
    def usage(self) -> str:
        """What was streamed today."""
        return f"{self.root}/usage"

    @property
    def cloud(self) -> str:
        """How the link to the voice service stands, one word."""
        return f"{self.root}/cloud"

    @property
    def settings(self) -> str:
        """The values that commands can change."""
        return f"{self.root}/settings"

    @property
    def command_error(self) -> str:
        """Refused commands."""
        return f"{self.root}/command_error"

    def backend_result(self, action: str) -> str:
        """The answer to `set/backend/<action>`."""
        return f"{self.root}/backend/{action}/result"

    def command(self, name: str) -> str:
        """Where this satellite takes a command; `name` as in `mute` or `backend/<action>`."""
        return f"{self.root}/set/{name}"

    @property
    def command_filters(self) -> tuple[str, str]:
        """Subscriptions for commands to this satellite and to the fleet."""
        return f"{self.root}/set/#", f"{self.base}/{EVERYBODY}/set/#"

    def command_path(self, topic: str) -> str | None:
        """The command's name and what follows it (`mute`, `backend/<action>`); None when it is not for us."""
        for prefix in (f"{self.root}/set/", f"{self.base}/{EVERYBODY}/set/"):
            if topic.startswith(prefix):
                return topic[len(prefix) :]
        return None
