"""Pulse: looks whether the pipeline moves, feeds the watchdog while it does, and tells how it is at a steady pace."""

import asyncio
from collections.abc import Callable

from satellite.errors import StalledError
from satellite.ports import ServiceNotifier

HEALTH_EVERY_S = 30.0
FIRST_HEALTH_AFTER_S = 5.0
"""By then the microphone is heard: whoever waits for a satellite to be well after a start need not wait for long."""
LOOK_EVERY_S = 1.0
STATUS_EVERY_S = 5.0


class Pulse:
    """Looks every LOOK_EVERY_S, beats as often as the watchdog wants, and the rest as often as it is said above."""

    def __init__(
        self,
        publish: Callable[[], None],
        stuck: Callable[[], str | None],
        notifier: ServiceNotifier,
        status: Callable[[], str],
    ) -> None:
        self._publish = publish
        self._stuck = stuck
        self._notifier = notifier
        self._status = status

    async def run(self) -> None:
        """Look for ever. Raises StalledError when a part of the pipeline stands still and nobody knows why."""
        beat_every_s = self._notifier.watchdog_interval_s() or HEALTH_EVERY_S
        pause_s = min(LOOK_EVERY_S, beat_every_s)
        beat_in_s, health_in_s, status_in_s = beat_every_s, FIRST_HEALTH_AFTER_S, STATUS_EVERY_S
        while True:
            await asyncio.sleep(pause_s)
            self._look()
            beat_in_s -= pause_s
            health_in_s -= pause_s
            status_in_s -= pause_s
            if beat_in_s < pause_s:
                beat_in_s += beat_every_s
                self._notifier.watchdog()
            if health_in_s < pause_s:
                health_in_s += HEALTH_EVERY_S
                self._publish()
            if status_in_s < pause_s:
                status_in_s += STATUS_EVERY_S
                self._notifier.status(self._status())

    def _look(self) -> None:
        part = self._stuck()
        if part is not None:
            raise StalledError(f"{part} stands still though it has work, for a reason that nothing tells")
