"""UsageFile: how much was streamed today, kept over restarts in the state directory."""

import logging
from collections.abc import Mapping
from pathlib import Path

from satellite.adapters.statefile import StateFile

DAY_S_MAX = 25 * 3600.0
"""A day that ends summer time."""

log = logging.getLogger(__name__)


class UsageFile:
    """`usage.json`: days and their streamed seconds. A file that cannot be used counts as nothing used."""

    def __init__(self, directory: Path) -> None:
        self._file = StateFile(directory, "usage.json", "the usage of the day")

    def load(self) -> dict[str, float]:
        """Seconds used by earlier processes on each day that is kept."""
        stored = self._file.load()
        if stored is None:
            return {}
        try:
            days = {day: float(used_s) for day, used_s in stored.items()} if isinstance(stored, dict) else {"": -1.0}
        except (ValueError, TypeError, OverflowError):
            days = {"": -1.0}
        if not all(0.0 <= used_s <= DAY_S_MAX for used_s in days.values()):
            log.warning("the usage of the day makes no sense and counts as nothing")
            return {}
        return days

    def save(self, days: Mapping[str, float]) -> None:
        """Keep it; one that cannot be written is told in the log."""
        self._file.save({day: round(used_s, 1) for day, used_s in days.items()})
