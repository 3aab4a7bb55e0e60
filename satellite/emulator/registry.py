"""Which services can be emulated; each is imported only when it is used."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from satellite.emulator.base import Emulator
from satellite.emulator.settings import EmulatorSettings, Limits, Variants

_MODULES = {
    "deepl": "satellite.emulator.deepl.server",
    "vurbo": "satellite.emulator.vurbo.server",
    "palabra": "satellite.emulator.palabra.server",
    "deepgram": "satellite.emulator.deepgram.server",
}


@dataclass(frozen=True, slots=True)
class Double:
    """How to make one service's emulator. `settings` has the fields `limits` and `variants` of these types."""

    settings: Callable[..., EmulatorSettings]
    limits: type[Limits]
    variants: type[Variants]
    make: Callable[[Any], Emulator]


def names() -> tuple[str, ...]:
    """The backends whose service can be emulated."""
    return tuple(_MODULES)


def load(name: str) -> Double:
    """The double of a backend's service; `name` is one of `names()`."""
    return cast("Double", importlib.import_module(_MODULES[name]).DOUBLE)
