"""All targets by name."""

from functools import cache

from tests.fuzz import (
    bookwalk,
    broker,
    files,
    fleet,
    flux,
    media,
    palabra,
    palabrawalk,
    sessions,
    sockets,
    soundwalks,
    talkwalks,
    vurbo,
    wire,
)
from tests.fuzz.target import Target

_SERVICES = (wire, sessions, flux, vurbo, palabra, palabrawalk)
_MODULES = (*_SERVICES, soundwalks, talkwalks, bookwalk, broker, fleet, files, media, sockets)


@cache
def targets() -> dict[str, Target]:
    """Every target there is."""
    return {target.name: target for module in _MODULES for target in module.TARGETS}


def target_of(name: str) -> Target:
    """The target of this name."""
    return targets()[name]
