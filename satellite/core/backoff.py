"""Backoff: how long to wait before the next try, or not to try at all. Pure: time and randomness come in."""

from collections.abc import Callable
from dataclasses import dataclass

from satellite.errors import ErrorCategory

FACTOR = 2.0
JITTER = 0.5
"""Share of a delay that is left to chance: what lies below it is certain, so that tries can be counted on."""
SERVER_FIRST_S = 2.0
"""Least ceiling after an answer that says the service itself is in trouble."""
RATE_LIMIT_FIRST_S = 5.0
"""Least ceiling after the service asked for fewer requests."""
NO_ANSWER_CAP_S = 10.0
"""Nobody is burdened by a try that reaches nobody, and what is said meanwhile must fit into the backlog."""
QUICK_S = 2.0
"""A connection that is accepted and closed within this time is a quick failure."""
MAX_QUICK_FAILURES = 3
"""After so many in a row the service does not want us; from then on it is asked slowly."""


@dataclass(frozen=True, slots=True)
class Wait:
    """What to do after a loss: try again in `delay_s`.

    `parked` says that waiting will not mend it: the delay is that of a slow probe.
    """

    delay_s: float
    parked: bool


@dataclass(frozen=True, slots=True)
class SlowPace:
    """How a service is asked that keeps accepting and closing at once."""

    first_s: float = 60.0
    cap_s: float = 900.0


class Backoff:
    """Jittered delays below a ceiling that doubles with every loss, whether or not a connection was made.

    Only a connection that lived for `stable_period_s` brings the ceiling back to `first_s`; one that lived for less,
    but longer than the ceiling, leaves it as it is: it was worth the wait. A service that accepts and closes at once
    is a failing one. With a `slow_pace` it is left alone after MAX_QUICK_FAILURES of those.
    """

    def __init__(
        self,
        random: Callable[[], float],
        first_s: float = 1.0,
        cap_s: float = 60.0,
        stable_period_s: float = 60.0,
        park_probe_s: float = 3600.0,
        slow_pace: SlowPace | None = None,
    ) -> None:
        self._random = random
        self._first_s = first_s
        self._cap_s = cap_s
        self._stable_period_s = stable_period_s
        self._park_probe_s = park_probe_s
        self._slow_pace = slow_pace
        self._ceiling_s = first_s
        self._connected_at: float | None = None
        self._quick_failures = 0
        self._was_rejected = False

    @property
    def quick_failures(self) -> int:
        """Connections in a row that were accepted and closed within QUICK_S."""
        return self._quick_failures

    def connected(self, now: float) -> None:
        """A connection was made; its life counts from the latest call."""
        self._connected_at = now

    def lost(self, category: ErrorCategory, now: float, retry_after_s: float | None = None) -> Wait:
        """A connection ended or was never made. `retry_after_s` is the service's own wish, the least delay.

        A wish longer than `park_probe_s` is cut to it: nobody else may silence the satellite for days.
        """
        lived_s = None if self._connected_at is None else now - self._connected_at
        self._connected_at = None
        if lived_s is not None:
            self._judge_life(lived_s)
        if not category.is_retryable and not self._may_be_a_mishap(category, lived_s is not None):
            return Wait(self._park_probe_s, parked=True)
        least_s = min(retry_after_s or 0.0, self._park_probe_s)
        ceiling_s = self._next_ceiling_s(category, lived_s or 0.0)
        return Wait(max(self._jittered(ceiling_s), least_s), parked=False)

    def _judge_life(self, lived_s: float) -> None:
        """Reset after a stable connection, count a quick failure."""
        self._quick_failures = self._quick_failures + 1 if lived_s <= QUICK_S else 0
        if lived_s >= self._stable_period_s:
            self._ceiling_s = self._first_s
            self._was_rejected = False

    def _may_be_a_mishap(self, category: ErrorCategory, was_connected: bool) -> bool:
        """A request that was good enough to be let in and is rejected later deserves one more try."""
        if category is not ErrorCategory.INVALID_REQUEST or not was_connected or self._was_rejected:
            return False
        self._was_rejected = True
        return True

    def _next_ceiling_s(self, category: ErrorCategory, lived_s: float) -> float:
        """The most that may be waited; it is raised for the next time, unless the connection was worth it."""
        slow = self._slow_pace
        if slow is not None and self._quick_failures >= MAX_QUICK_FAILURES:
            doublings = min(self._quick_failures - MAX_QUICK_FAILURES, 16)
            # what is certain of it, not only its most, is `first_s` and more
            return float(min(slow.first_s * FACTOR**doublings, slow.cap_s)) / (1 - JITTER)
        ceiling_s = max(self._ceiling_s, _FIRST_S.get(category, 0.0))
        was_worth_it = lived_s > max(ceiling_s, QUICK_S)
        self._ceiling_s = min(ceiling_s if was_worth_it else ceiling_s * FACTOR, self._cap_s)
        return min(ceiling_s, _CAP_S.get(category, self._cap_s))

    def _jittered(self, ceiling_s: float) -> float:
        return ceiling_s * (1 - JITTER + JITTER * self._random())


_FIRST_S = {ErrorCategory.RATE_LIMIT: RATE_LIMIT_FIRST_S, ErrorCategory.SERVER: SERVER_FIRST_S}
_CAP_S = {ErrorCategory.CONNECTIVITY: NO_ANSWER_CAP_S}
