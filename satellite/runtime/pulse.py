"""Pulse: publishes health at a steady pace, and feeds the watchdog while the pipeline moves."""

import asyncio
from collections.abc import Callable

from satellite.ports import ServiceNotifier

HEALTH_EVERY_S = 30.0


class Pulse:
    """Beats as often as the watchdog wants, and publishes every HEALTH_EVERY_S."""

    def __init__(self, publish: Callable[[], None], is_alive: Callable[[], bool], notifier: ServiceNotifier) -> None:
        self._publish = publish
        self._is_alive = is_alive
        self._notifier = notifier

    async def run(self) -> None:
        """Beat for ever."""
        pause_s = min(HEALTH_EVERY_S, self._notifier.watchdog_interval_s() or HEALTH_EVERY_S)
        left_s = HEALTH_EVERY_S
        while True:
            await asyncio.sleep(pause_s)
            if self._is_alive():
                self._notifier.watchdog()
            left_s -= pause_s
            if left_s <= 0:
                left_s = HEALTH_EVERY_S
                self._publish()
