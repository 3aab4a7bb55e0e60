"""Options of the loopback backend."""

from satellite.backends.base import Finding, VoiceChoice
from satellite.core.section import Section


class LoopbackOptions(Section, frozen=True):
    """The loopback backend has nothing to set (`voice.loopback`)."""


def check(options: LoopbackOptions, voice: VoiceChoice) -> list[Finding]:  # noqa: ARG001 - the backend interface
    """Nothing can be wrong: every language is taken."""
    return []
