"""StateFile: a small JSON file in the state directory, for what the next process goes on from."""

import json
import logging
from pathlib import Path

from satellite.adapters.disk import write_atomically
from satellite.adapters.settings import FILE_BYTES_MAX

log = logging.getLogger(__name__)


class StateFile:
    """One value; `what` names it in the log. Without a directory nothing is kept."""

    def __init__(self, directory: Path | None, name: str, what: str) -> None:
        self._path = None if directory is None else directory / name
        self._what = what
        self._stored: object = None

    def load(self) -> object:
        """What was kept; None when nothing was, or it cannot be read, which the log tells."""
        if self._path is None:
            return None
        try:
            with self._path.open("rb") as file:
                self._stored = json.loads(file.read(FILE_BYTES_MAX))
        except FileNotFoundError:
            self._stored = None
        except (OSError, ValueError, RecursionError):
            log.warning("%s cannot be read and counts as nothing: %s", self._what, self._path)
        return self._stored

    def save(self, value: object) -> None:
        """Keep it, if it is another than was kept before; one that cannot be written is told in the log."""
        if self._path is None or value == self._stored:
            return
        try:
            write_atomically(self._path, json.dumps(value).encode())
        except OSError as error:
            log.warning("%s cannot be kept over a restart: %s: %s", self._what, self._path, error.strerror)
        else:
            self._stored = value
