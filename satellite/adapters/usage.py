"""UsageFile: how much was streamed today, kept over restarts in the state directory."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from satellite.adapters.disk import write_atomically
from satellite.adapters.settings import FILE_BYTES_MAX

DAY_S_MAX = 25 * 3600.0
"""A day that ends summer time."""

log = logging.getLogger(__name__)


class UsageFile:
    """`usage.json`: days and their streamed seconds. A file that cannot be used counts as nothing used."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "usage.json"

    def load(self) -> dict[str, float]:
        """Seconds used by earlier processes on each day that is kept."""
        try:
            with self._path.open("rb") as file:
                stored = json.loads(file.read(FILE_BYTES_MAX))
            days = {str(day): float(used_s) for day, used_s in stored.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            days = {"": -1.0}
        if not all(0.0 <= used_s <= DAY_S_MAX for used_s in days.values()):
            log.warning("the usage of the day cannot be read and counts as none: %s", self._path)
            return {}
        return days

    def save(self, days: Mapping[str, float]) -> None:
        """Keep it; one that cannot be written is told in the log."""
        stored = {day: round(used_s, 1) for day, used_s in days.items()}
        try:
            write_atomically(self._path, json.dumps(stored).encode())
        except OSError as error:
            log.warning("the usage of the day cannot be kept over a restart: %s: %s", self._path, error.strerror)
