"""Percentiles: the recent distribution of one figure, in bounded memory."""

from collections import deque


class Percentiles:
    """Keeps the last `keep` values."""

    def __init__(self, keep: int = 600) -> None:
        self._values: deque[float] = deque(maxlen=keep)

    def add(self, value: float) -> None:
        """Note one value."""
        self._values.append(value)

    def at(self, share: float) -> float | None:
        """The value below which that share (0..1) of the recent ones lie; None while there is none."""
        if not self._values:
            return None
        ordered = sorted(self._values)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
