"""Flood: messages of no use, counted; a service may learn new words, but not shout them."""

from satellite.backends.base import SessionCounters
from satellite.core.events import SessionFailed
from satellite.errors import ErrorCategory

FLOOD_S = 10.0
FLOOD_MESSAGES = 1_000
"""More of no use within FLOOD_S are no new feature of the service, but cost as much as sound."""


class Flood:
    """Counts what is ignored in one session."""

    def __init__(self, counters: SessionCounters) -> None:
        self._counters = counters
        self._since = float("-inf")
        self._ignored = 0

    def ignored(self, now: float) -> SessionFailed | None:
        """One more message of no use; the failure that a flood of them is."""
        self._counters.ignored_messages += 1
        if now > self._since + FLOOD_S:
            self._since, self._ignored = now, 0
        self._ignored += 1
        if self._ignored <= FLOOD_MESSAGES:
            return None
        detail = f"the service sent {self._ignored} messages of no use within {FLOOD_S:.0f} s"
        return SessionFailed(ErrorCategory.SERVER, detail)
