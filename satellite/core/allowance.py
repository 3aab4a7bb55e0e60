"""Allowance: how much audio may still be streamed today. Pure: the total and the day come in."""


class Allowance:
    """A limit in seconds per day over a running total; `carried_s` is what earlier processes used of that day."""

    def __init__(self, limit_s: float, day: str, carried_s: float = 0.0) -> None:
        self._limit_s = limit_s
        self._day = day
        self._carried_s = carried_s
        self._base_s = 0.0

    def is_spent(self, total_s: float, day: str) -> bool:
        """True when the streamed total of this process leaves nothing for that day; a new day begins anew."""
        return self.used_s(total_s, day) >= self._limit_s

    def used_s(self, total_s: float, day: str) -> float:
        """Seconds streamed on that day so far."""
        if day != self._day:
            self._day, self._base_s, self._carried_s = day, total_s, 0.0
        return self._carried_s + total_s - self._base_s
