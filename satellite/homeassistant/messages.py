"""Message: one MQTT publication with its delivery rule."""

import enum
from dataclasses import dataclass


class Delivery(enum.Enum):
    """What may happen to a message while the broker is away."""

    CONCLUDED = "concluded"
    """Never dropped below the outbox bound, order kept: the product."""
    LATEST = "latest"
    """The newest of a topic replaces one that still waits."""
    TRANSIENT = "transient"
    """Dropped when it cannot go out now."""


@dataclass(frozen=True, slots=True)
class Message:
    """One publication; `topic` is absolute."""

    topic: str
    payload: bytes
    retain: bool = False
    qos: int = 1
    delivery: Delivery = Delivery.CONCLUDED
