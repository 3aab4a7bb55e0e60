"""Answers: what became of run-time actions of the backend, as messages to the broker."""

from collections.abc import Mapping

from satellite.homeassistant import payloads
from satellite.homeassistant.topics import Topics
from satellite.ports import Publisher


class Answers:
    """Publishes one answer for each action."""

    def __init__(self, topics: Topics, publisher: Publisher) -> None:
        self._topics = topics
        self._publisher = publisher

    def action_result(self, action: str, reason: str | None, result: Mapping[str, object]) -> None:
        """An action was carried out; or not, for a reason."""
        self._publisher.publish(payloads.backend_result(self._topics, action, reason, result))
