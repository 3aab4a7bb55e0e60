"""Backoff: how long to wait before the next try, or not to try at all. Pure: time and randomness come in."""

from collections.abc import Callable
from dataclasses import dataclass

from satellite.errors import ErrorCategory

MIN_DELAY_S = 0.25
"""No retry comes sooner, however the dice fall: a refused connection costs the service and the radio something too."""
RATE_LIMIT_FIRST_S = 5.0
"""Least ceiling after the service asked for fewer requests."""
QUICK_S = 2.0
"""A connection that is accepted and closed within this time is a quick failure."""


@dataclass(frozen=True, slots=True)
class Wait:
    """What to do after a loss: try again in `delay_s`, None for not until somebody asks for it.

    `parked` says that waiting will not mend it; a parked wait with a delay is a slow probe.
    """

    delay_s: float | None
    parked: bool


class Backoff:
    """Delays with full jitter below a ceiling that doubles with every loss, whether or not a connection was made.

    Only a connection that lived for `stable_period_s` brings the ceiling back to `first_s`: a service that accepts
    and closes at once is a failing one.
    """

    def __init__(
        self,
        random: Callable[[], float],
        first_s: float = 1.0,
        factor: float = 2.0,
        cap_s: float = 60.0,
        stable_period_s: float = 60.0,
        park_probe_s: float = 3600.0,
    ) -> None:
        self._random = random
        self._first_s = first_s
        self._factor = factor
        self._cap_s = cap_s
        self._stable_period_s = stable_period_s
        self._park_probe_s = park_probe_s
        self._ceiling_s = first_s
        self._connected_at: float | None = None
        self._quick_failures = 0

    @property
    def quick_failures(self) -> int:
        """Connections since the last stable one that were accepted and closed within QUICK_S."""
        return self._quick_failures

    def connected(self, now: float) -> None:
        """A connection was made; its life counts from the latest call."""
        self._connected_at = now

    def lost(self, category: ErrorCategory, now: float, retry_after_s: float | None = None) -> Wait:
        """A connection ended or was never made. `retry_after_s` is the service's own wish, the least delay.

        A wish longer than `park_probe_s` is cut to it: nobody else may silence the satellite for days.
        """
        self._judge_life(now)
        if category is ErrorCategory.INVALID_REQUEST:
            return Wait(None, parked=True)
        if not category.is_retryable:
            return Wait(self._park_probe_s, parked=True)
        least_s = min(retry_after_s or 0.0, self._park_probe_s)
        return Wait(max(self._jittered(category), least_s), parked=False)

    def _judge_life(self, now: float) -> None:
        """Reset after a stable connection, count a quick failure."""
        if self._connected_at is None:
            return
        lived_s = now - self._connected_at
        self._connected_at = None
        if lived_s >= self._stable_period_s:
            self._ceiling_s = self._first_s
            self._quick_failures = 0
        elif lived_s <= QUICK_S:
            self._quick_failures += 1

    def _jittered(self, category: ErrorCategory) -> float:
        """A random delay below the ceiling, which is raised for the next time."""
        ceiling_s = self._ceiling_s
        if category is ErrorCategory.RATE_LIMIT:
            ceiling_s = max(ceiling_s, RATE_LIMIT_FIRST_S)
        self._ceiling_s = min(ceiling_s * self._factor, self._cap_s)
        return max(self._random() * ceiling_s, MIN_DELAY_S)
