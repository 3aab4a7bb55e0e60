"""Watching: looks on at a broker and keeps a fleet up to date: once, all the time, or until the fleet is well."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from satellite.adapters.mqtt_connection import MqttConnection
from satellite.adapters.mqtt_settings import MqttSettings
from satellite.app.visiting import first, subscription_refused, visit
from satellite.errors import BrokerError
from satellite.homeassistant.fleet import Fleet
from satellite.homeassistant.sighting import Now
from satellite.ports import Clock

QUIET_S = 1.0
"""Retained messages come at once: after so long without one there is no more."""
BETWEEN_S = 0.1
"""The same between two filters. A broker keeps only so much for one client: all at once might be too much for it."""
RETRY_S = 2.0
SHOW_EVERY_S = 0.5
GATHER_S = 0.05
"""In a flood not every message is looked at by itself."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look, and by which clock."""

    settings: MqttSettings
    clock: Clock

    def now(self) -> Now:
        """The moment."""
        return Now(self.clock.monotonic(), self.clock.wall())


class Watch:
    """Keeps one fleet up to date. Used by one of its methods."""

    def __init__(self, place: Place, fleet: Fleet) -> None:
        self.hidden: tuple[str, ...] = ()
        """Filters that the broker refuses."""
        self.trouble: BrokerError | None = None
        """Why nothing is heard at the moment."""
        self.is_whole = False
        """All that was retained has come."""
        self._place = place
        self._fleet = fleet
        self._has_looked = False
        self._retained_at = 0.0
        self._news = asyncio.Event()

    async def once(self) -> None:
        """Return when all that is retained has come. Raises BrokerError."""
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(self._caught())
            await self._until(lambda: self.is_whole or looking.done(), None)
            looking.cancel()
        if self.trouble is not None:
            raise self.trouble

    async def live(self, show: Callable[[], None]) -> None:
        """Go on over outages of the broker, and call `show` twice a second.

        Raises BrokerError when the broker was never reached, or waiting cannot help.
        """
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(self._again_and_again())
            while not looking.done() and (self._has_looked or self.trouble is None):
                show()
                await asyncio.sleep(SHOW_EVERY_S)
            looking.cancel()
        if self.trouble is not None:
            raise self.trouble

    async def until(self, is_done: Callable[[], bool], seconds: float) -> None:
        """Return when it is done, or time is up. Raises BrokerError when waiting cannot help, or nothing was heard."""
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(self._again_and_again())
            await self._until(lambda: looking.done() or (self.is_whole and is_done()), seconds)
            looking.cancel()
        if self.trouble is not None:
            raise self.trouble

    async def _until(self, is_done: Callable[[], bool], seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not is_done():
                    self._news.clear()
                    await self._news.wait()
                    await asyncio.sleep(GATHER_S)
        except TimeoutError:
            return

    async def _again_and_again(self) -> None:
        """Look, after an outage again; return when waiting cannot help, with `trouble`."""
        while True:
            await self._caught()
            if self.trouble is not None and not self.trouble.category.is_retryable:
                return
            await asyncio.sleep(RETRY_S)

    async def _caught(self) -> None:
        """Look until there is trouble."""
        try:
            await self._look()
        except* BrokerError as group:
            self.trouble, self.is_whole = first(group), False
        self._news.set()

    async def _look(self) -> None:
        """One connection. Raises BrokerError, in a group or alone."""
        async with visit(self._place.settings, "fleet") as connection:
            self.trouble, self._has_looked = None, True
            self._fleet.begin()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._subscribe(connection))
                await self._hear(connection)

    async def _subscribe(self, connection: MqttConnection) -> None:
        refused: list[str] = []
        for one in self._fleet.filters:
            refused += await connection.look_on((one,))
            await self._settled(BETWEEN_S)
        self.hidden = tuple(refused)
        if self._fleet.filters[0] in refused:
            raise subscription_refused(refused)
        await self._settled(QUIET_S)
        self.is_whole = True
        self._news.set()

    async def _settled(self, quiet_s: float) -> None:
        """Return when nothing that was retained has come for so long."""
        self._retained_at = self._place.clock.monotonic()
        while True:
            left_s = self._retained_at + quiet_s - self._place.clock.monotonic()
            if left_s <= 0:
                return
            await asyncio.sleep(left_s)

    async def _hear(self, connection: MqttConnection) -> None:
        async for incoming in connection.messages():
            now = self._place.now()
            if incoming.retained:
                self._retained_at = now.monotonic_s
            self._fleet.hear(incoming.topic, incoming.payload, now, is_live=not incoming.retained)
            self._news.set()
