"""Options of the loopback backend."""

from pydantic import BaseModel, ConfigDict

from satellite.backends.base import Finding, VoiceChoice


class LoopbackOptions(BaseModel):
    """The loopback backend has nothing to set (`voice.loopback`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def check(options: LoopbackOptions, voice: VoiceChoice) -> list[Finding]:  # noqa: ARG001 - the backend interface
    """Nothing can be wrong: every language is taken."""
    return []
