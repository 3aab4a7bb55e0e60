"""Nonsense: messages of a service that are of no use: counted, and the end of the session when they are a flood."""

from satellite.backends.base import SessionCounters
from satellite.backends.lifecycle import Lifecycle
from satellite.core.events import SessionFailed
from satellite.errors import ErrorCategory

FLOOD_S = 10.0
FLOOD_MESSAGES = 1_000
"""More of no use within FLOOD_S are no new feature of the service, but cost as much as sound."""


class Nonsense:
    """Counts what was not understood or not asked for."""

    def __init__(self, life: Lifecycle, counters: SessionCounters) -> None:
        self._life = life
        self._counters = counters
        self._since = float("-inf")
        self._messages = 0

    def ignore(self, now: float) -> None:
        """One more message of no use."""
        self._counters.ignored_messages += 1
        if now > self._since + FLOOD_S:
            self._since, self._messages = now, 0
        self._messages += 1
        if self._messages > FLOOD_MESSAGES:
            detail = f"the service sent {self._messages} messages of no use within {FLOOD_S:.0f} s"
            self._life.fail(SessionFailed(ErrorCategory.SERVER, detail))

    def broken(self, detail: str) -> None:
        """What came is no message at all: nothing that follows can be trusted."""
        self._counters.ignored_messages += 1
        self._life.fail(SessionFailed(ErrorCategory.SERVER, f"the service sent {detail}"))
