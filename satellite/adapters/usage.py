"""UsageFile: how much was streamed today, kept over restarts in the state directory."""

import json
import logging
from pathlib import Path

from satellite.adapters.settings import FILE_BYTES_MAX, write_atomically

DAY_S_MAX = 25 * 3600.0
"""A day that ends summer time."""

log = logging.getLogger(__name__)


class UsageFile:
    """`usage.json`: the day and its streamed seconds. A file that cannot be used counts as nothing used."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "usage.json"

    def load(self, day: str) -> float:
        """Seconds used on that day by earlier processes."""
        try:
            with self._path.open("rb") as file:
                stored = json.loads(file.read(FILE_BYTES_MAX))
            used_s = float(stored["used_s"]) if stored["day"] == day else 0.0
        except FileNotFoundError:
            return 0.0
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
            used_s = -1.0
        if not 0.0 <= used_s <= DAY_S_MAX:
            log.warning("the usage of the day cannot be read and counts as none: %s", self._path)
            return 0.0
        return used_s

    def save(self, day: str, used_s: float) -> None:
        """Keep it; one that cannot be written is told in the log."""
        try:
            write_atomically(self._path, json.dumps({"day": day, "used_s": round(used_s, 1)}).encode())
        except OSError as error:
            log.warning("the usage of the day cannot be kept over a restart: %s: %s", self._path, error.strerror)
