"""DayBudget: what was streamed today, over restarts, and the daily limit on it."""

import math
from pathlib import Path

from satellite.adapters.clock import SystemClock
from satellite.adapters.usage import UsageFile
from satellite.core.allowance import Allowance


class DayBudget:
    """Without a limit there is always something left. Written only by `save`: not while the satellite works."""

    def __init__(self, limit_min: float | None, clock: SystemClock, state_directory: Path | None) -> None:
        self._clock = clock
        self._file = None if state_directory is None else UsageFile(state_directory)
        carried = None if self._file is None else self._file.load()
        limit_s = math.inf if limit_min is None else limit_min * 60
        self._allowance = Allowance(limit_s, clock.day(), carried)

    def is_spent(self, streamed_s: float) -> bool:
        """True when this process's streamed total leaves nothing for today."""
        return self._allowance.is_spent(streamed_s, self._clock.day())

    def today(self, streamed_s: float) -> tuple[str, float]:
        """The day, and the seconds streamed on it; `streamed_s` is this process's total."""
        day = self._clock.day()
        return day, self._allowance.days(streamed_s, day)[day]

    def save(self, streamed_s: float) -> None:
        """Keep today's use for the next process, if there was any."""
        if self._file is not None and streamed_s > 0:
            self._file.save(self._allowance.days(streamed_s, self._clock.day()))
