"""Moments: when something happened, told in wall-clock time that may be set meanwhile."""

from satellite.ports import SleeplessClock

SET_S = 1.0
"""A wall clock that is further off than this was set: what is smaller is left to clocks that run unequally."""


class Moments:
    """Keeps moments as seconds since the machine was started; what is told of them moves when the clock is set."""

    def __init__(self, clock: SleeplessClock) -> None:
        self._clock = clock
        self._offset_s: float | None = None

    def now(self) -> float:
        """The present moment."""
        return self._clock.since_boot()

    def wall(self, moment: float) -> float:
        """Unix seconds of a moment, by the clock as it is set now."""
        offset_s = self._clock.wall() - self._clock.since_boot()
        if self._offset_s is None or abs(offset_s - self._offset_s) > SET_S:
            self._offset_s = offset_s
        return self._offset_s + moment
