"""UsageFile: how much was streamed today, kept over restarts in the state directory."""

import json
import logging
from pathlib import Path

from satellite.adapters.settings import write_atomically

log = logging.getLogger(__name__)


class UsageFile:
    """`usage.json`: the day and its streamed seconds. A file that cannot be used counts as nothing used."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "usage.json"

    def load(self, day: str) -> float:
        """Seconds used on that day by earlier processes."""
        try:
            stored = json.loads(self._path.read_bytes())
            return float(stored["used_s"]) if stored["day"] == day else 0.0
        except FileNotFoundError:
            return 0.0
        except (OSError, ValueError, KeyError, TypeError):
            log.warning("the usage of the day cannot be read and counts as none: %s", self._path)
            return 0.0

    def save(self, day: str, used_s: float) -> None:
        """Keep it; one that cannot be written is told in the log."""
        try:
            write_atomically(self._path, json.dumps({"day": day, "used_s": round(used_s, 1)}).encode())
        except OSError as error:
            log.warning("the usage of the day cannot be kept over a restart: %s: %s", self._path, error.strerror)
