"""DayBudget: the daily limit on streamed audio, over restarts."""

from pathlib import Path

from satellite.adapters.clock import SystemClock
from satellite.adapters.usage import UsageFile
from satellite.core.allowance import Allowance


class DayBudget:
    """Without a limit nothing is counted and nothing is written."""

    def __init__(self, limit_min: float | None, clock: SystemClock, state_directory: Path | None) -> None:
        self._clock = clock
        self._file = None if state_directory is None or limit_min is None else UsageFile(state_directory)
        carried = None if self._file is None else self._file.load()
        self._allowance = None if limit_min is None else Allowance(limit_min * 60, clock.day(), carried)

    def is_spent(self, streamed_s: float) -> bool:
        """True when this process's streamed total leaves nothing for today."""
        return self._allowance is not None and self._allowance.is_spent(streamed_s, self._clock.day())

    def save(self, streamed_s: float) -> None:
        """Keep today's use for the next process."""
        if self._file is not None and self._allowance is not None:
            self._file.save(self._allowance.days(streamed_s, self._clock.day()))
