"""Pulse: looks whether the pipeline moves, feeds the watchdog while it does, and publishes health at a steady pace."""

import asyncio
from collections.abc import Callable

from satellite.errors import StalledError
from satellite.ports import ServiceNotifier

HEALTH_EVERY_S = 30.0
LOOK_EVERY_S = 1.0


class Pulse:
    """Looks every LOOK_EVERY_S, beats as often as the watchdog wants, publishes every HEALTH_EVERY_S."""

    def __init__(self, publish: Callable[[], None], stuck: Callable[[], str | None], notifier: ServiceNotifier) -> None:
        self._publish = publish
        self._stuck = stuck
        self._notifier = notifier

    async def run(self) -> None:
        """Look for ever. Raises StalledError when a part of the pipeline stands still and nobody knows why."""
        beat_every_s = self._notifier.watchdog_interval_s() or HEALTH_EVERY_S
        pause_s = min(LOOK_EVERY_S, beat_every_s)
        beat_in_s, health_in_s = beat_every_s, HEALTH_EVERY_S
        while True:
            await asyncio.sleep(pause_s)
            self._look()
            beat_in_s -= pause_s
            health_in_s -= pause_s
            if beat_in_s < pause_s:
                beat_in_s += beat_every_s
                self._notifier.watchdog()
            if health_in_s < pause_s:
                health_in_s += HEALTH_EVERY_S
                self._publish()

    def _look(self) -> None:
        part = self._stuck()
        if part is not None:
            raise StalledError(f"{part} stands still though it has work, for a reason that nothing tells")
