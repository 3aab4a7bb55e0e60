"""Allowance: how much audio may still be streamed today. Pure: the total and the day come in."""

from collections.abc import Mapping

DAYS_KEPT = 3
"""A clock that is set goes to another day and perhaps back: what was used on a day counts when it comes again."""


class Allowance:
    """A limit in seconds per day over a running total; `carried` is what earlier processes used of each day."""

    def __init__(self, limit_s: float, day: str, carried: Mapping[str, float] | None = None) -> None:
        self._limit_s = limit_s
        self._used_s = dict(carried or {})
        self._day = day
        self._total_s = 0.0

    def is_spent(self, total_s: float, day: str) -> bool:
        """True when the streamed total of this process leaves nothing for that day; a new day begins anew."""
        return self.days(total_s, day)[day] >= self._limit_s

    def days(self, total_s: float, day: str) -> dict[str, float]:
        """Seconds streamed on that day, and on the few before it."""
        used_s = self._used_s.get(self._day, 0.0) + total_s - self._total_s
        self._total_s = total_s
        self._remember(self._day, used_s)
        if day != self._day:
            self._day = day
            self._remember(day, self._used_s.get(day, 0.0))
        return dict(self._used_s)

    def _remember(self, day: str, used_s: float) -> None:
        """The day is the newest now."""
        self._used_s.pop(day, None)
        self._used_s[day] = used_s
        while len(self._used_s) > DAYS_KEPT:
            del self._used_s[next(iter(self._used_s))]
