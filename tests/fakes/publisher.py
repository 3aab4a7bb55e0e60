"""A publisher that remembers everything it was given."""

import json
from typing import Any

from satellite.homeassistant.messages import Message
from satellite.homeassistant.topics import Topics

TOPICS = Topics("voice-satellite", "kitchen")


class RecordingPublisher:
    """ports.Publisher."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def publish(self, message: Message) -> None:
        self.messages.append(message)

    async def flush(self, timeout_s: float) -> bool:
        return True

    def of(self, name: str) -> list[Any]:
        """Payloads on one of the satellite's topics, in order; plain words where they are no JSON."""
        return [_payload(message) for message in self.messages if message.topic == f"{TOPICS.root}/{name}"]

    def names(self) -> list[str]:
        """Topics of everything, in order, without what they have in common."""
        return [message.topic.removeprefix(f"{TOPICS.root}/") for message in self.messages]

    def forget(self) -> None:
        self.messages.clear()


def _payload(message: Message) -> Any:
    try:
        return json.loads(message.payload)
    except ValueError:
        return message.payload.decode()
