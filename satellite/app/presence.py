"""Presence: this satellite in Home Assistant, and what a later process must know of it."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from satellite.adapters.statefile import StateFile
from satellite.app import parts
from satellite.config.model import Config
from satellite.homeassistant.discovery import announced_from, as_stored
from satellite.homeassistant.entities import Offer
from satellite.homeassistant.topics import Topics
from satellite.ports import Publisher
from satellite.runtime.introduction import Introduction


class Presence:
    """Announces what the satellite offers; without a broker of its own (`publishes` False) it announces nothing."""

    def __init__(
        self, config: Config, publisher: Publisher, state_directory: Path | None, *, publishes: bool = True
    ) -> None:
        self._file = StateFile(state_directory if publishes else None, "announced.json", "what Home Assistant was told")
        topics = Topics(config.mqtt.base_topic, config.satellite.id)
        self._introduction = Introduction(
            parts.identity(config, topics) if publishes else None, publisher, announced_from(self._file.load()), later
        )

    def offer(self, offer: Offer) -> None:
        """Say what there is from now on, unless it is what there was."""
        self._introduction.offer(offer)

    def say(self) -> None:
        """Say all of it to a broker, or a Home Assistant, that has just come."""
        self._introduction.say()

    def keep(self) -> None:
        """For the next process; not before, as nothing is written while the satellite works."""
        announced = self._introduction.announced
        self._file.save(None if announced is None else as_stored(announced))


def later(delay_s: float, call: Callable[[], None]) -> None:
    """Call it in so many seconds, if the loop still runs then."""
    asyncio.get_running_loop().call_later(delay_s, call)
