"""SettingsStore: what commands changed, kept over restarts in the state directory."""

import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from satellite.adapters.disk import write_atomically
from satellite.adapters.worker import Worker

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

log = logging.getLogger(__name__)

SYSTEM_STATE_DIRECTORY = Path("/var/lib/voice-satellite")
FILE_BYTES_MAX = 64 * 1024
RETRY_S = 30.0
"""What could not be written is tried again at this pace."""

SettingValue = bool | int | str | tuple[str, ...] | None
SettingsT = TypeVar("SettingsT", bound="DataclassInstance")


def state_directory(environ: Mapping[str, str], system: Path = SYSTEM_STATE_DIRECTORY) -> Path:
    """Where state is kept: what systemd says, else the system's place if we may write there, else the user's own.

    The directory need not exist yet.
    """
    by_systemd = environ.get("STATE_DIRECTORY", "").split(":")[0]
    if by_systemd:
        return Path(by_systemd)
    if os.access(system, os.W_OK | os.X_OK):
        return system
    state_home = environ.get("XDG_STATE_HOME") or str(Path(environ.get("HOME") or Path.home(), ".local", "state"))
    return Path(state_home, "voice-satellite")


class SettingsStore:
    """`settings.json` in a directory, with the settings that differ from the configuration.

    Settings are a dataclass whose fields are SettingValues. Each one stored is kept beside the configured value it
    overrode and holds only as long as the configuration still says the same. A file that cannot be read or written
    is told in the log and otherwise left out of account. Writing is left to a thread: a card may take seconds.
    """

    def __init__(self, directory: Path, retry_s: float = RETRY_S) -> None:
        self._path = directory / "settings.json"
        self._retry_s = retry_s
        self._stored: Mapping[str, object] = {}
        self._wanted: Mapping[str, object] = {}
        self._is_told = False
        self._worker = Worker("satellite.settings", self._write)

    def load(self, configured: SettingsT) -> SettingsT:
        """The configured settings with what was stored for them in place."""
        self._stored = self._wanted = self._read()
        values = {name: self._override(name, value) for name, value in _values(configured).items()}
        return replace(configured, **values)

    def save(self, settings: SettingsT, configured: SettingsT) -> None:
        """Store soon what differs from the configuration; nothing is written when that is what was stored before."""
        before = _values(configured)
        self._wanted = {
            name: {"value": _plain(value), "configured": _plain(before[name])}
            for name, value in _values(settings).items()
            if value != before[name]
        }
        if self._wanted != self._stored:
            self._worker.wake()

    def close(self, timeout_s: float) -> None:
        """Write what is left to write, blocking."""
        self._worker.finish(timeout_s)

    def _write(self) -> float | None:
        """The file as wanted; on the worker's thread."""
        wanted = self._wanted
        if wanted == self._stored:
            return None
        try:
            write_atomically(self._path, json.dumps(wanted, indent=1).encode())
        except OSError as error:
            if not self._is_told:
                log.warning("settings cannot be kept over a restart: %s: %s", self._path, error.strerror)
            self._is_told = True
            return self._retry_s
        self._stored = wanted
        self._is_told = False
        return None

    def _override(self, name: str, configured: SettingValue) -> SettingValue:
        """The stored value, if it is fit and the configuration has not changed since; else the configured one."""
        stored = self._stored.get(name)
        if not isinstance(stored, dict) or stored.get("configured") != _plain(configured):
            return configured
        value, is_fit = stored.get("value"), _FIT.get(name)
        if is_fit is None or not is_fit(value):
            log.warning("the stored setting %s is of no use and ignored: %s", name, self._path)
            return configured
        return tuple(value) if isinstance(value, list) else value

    def _read(self) -> Mapping[str, object]:
        try:
            with self._path.open("rb") as file:
                stored = json.loads(file.read(FILE_BYTES_MAX))
        except FileNotFoundError:
            return {}
        except OSError as error:
            log.warning("stored settings cannot be read, using the configured ones: %s: %s", self._path, error.strerror)
            return {}
        except (ValueError, RecursionError):
            stored = None
        if not isinstance(stored, dict):
            log.warning("stored settings are damaged, using the configured ones: %s", self._path)
            return {}
        return stored


def _values(settings: "DataclassInstance") -> dict[str, SettingValue]:
    return {field.name: getattr(settings, field.name) for field in fields(settings)}


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


_FIT: Mapping[str, Callable[[object], bool]] = {
    "mute": lambda value: isinstance(value, bool),
    "volume": lambda value: isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 100,
    "source_language": _is_text,
    "target_languages": lambda value: isinstance(value, list) and all(map(_is_text, value)),
    "speech_language": lambda value: value is None or _is_text(value),
}


def _plain(value: SettingValue) -> object:
    """The value as it comes back from JSON."""
    return list(value) if isinstance(value, tuple) else value
