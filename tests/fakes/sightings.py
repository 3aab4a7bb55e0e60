"""What satellites say, for those who look on."""

import json
from typing import Any

from satellite.homeassistant import payloads
from satellite.homeassistant.payloads import HealthFigures
from satellite.homeassistant.sighting import Now
from satellite.homeassistant.topics import Topics

FIGURES = HealthFigures("0.1.0", 60.0, 60.0, 12.0, 12.0, 3, 2, 1, 1, 0.0, 0, 87.0, 1.2, 42_000_000, 98.0, 240.0)
WALL_S = 1_795_341_600.0
"""2026-11-22, ten in the morning, when the monotonic clock shows 0."""


def at(monotonic_s: float) -> Now:
    """The moment at which the monotonic clock shows this."""
    return Now(monotonic_s, WALL_S + monotonic_s)


def health(**changes: Any) -> bytes:
    """A payload of `health` with other values."""
    told = json.loads(payloads.health(Topics("voice-satellite", "kitchen"), FIGURES).payload)
    return json.dumps({**told, **changes}).encode()
