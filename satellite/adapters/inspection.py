"""A look at files and directories without changing what is in them."""

import os
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from satellite.adapters.spool_file import SpoolFile

TRIAL_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class Place:
    """A directory to write to; `refusal` says why that cannot be.

    `made_in` is where it would be made when it is not there yet.
    """

    path: Path
    made_in: Path | None
    free_bytes: int
    refusal: str | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits in a state directory for the broker; `messages` is None without a spool."""

    messages: int | None
    set_aside: tuple[str, ...]


def mode_of(path: Path) -> int | None:
    """The permission bits of a file, None when there is none, or none that we may see."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None


def written_at(path: Path) -> float:
    """Unix seconds at which a file was written. Raises OSError."""
    return path.stat().st_mtime


def try_place(path: Path) -> Place:
    """Write a file into the directory and take it away again; blocks as long as the disk does."""
    made_in = next((parent for parent in path.absolute().parents if _is_directory(parent)), Path("/"))
    is_there = _is_directory(path)
    place = path if is_there else made_in
    try:
        free_bytes = shutil.disk_usage(place).free
        if is_there:
            _write(place)
        elif os.path.lexists(path):
            return Place(path, None, free_bytes, "it is no directory")
        elif not os.access(place, os.W_OK | os.X_OK):
            return Place(path, made_in, free_bytes, f"it cannot be made in {place}: permission denied")
    except OSError as error:
        return Place(path, None if is_there else made_in, 0, (error.strerror or type(error).__name__).lower())
    return Place(path, None if is_there else made_in, free_bytes, None)


def waiting_in(directory: Path) -> Waiting:
    """What a satellite has put aside there; a copy is read, so that one that runs is not disturbed. Blocks."""
    spool = SpoolFile(directory / "spool.db")
    messages = len(spool.salvage()) if spool.exists() else None
    if not spool.exists():  # a running satellite has just delivered the last of it
        messages = None
    try:
        names = sorted(entry.name for entry in directory.glob("spool.db.set-aside-?"))
    except OSError:
        names = []
    return Waiting(messages, tuple(names))


def _is_directory(path: Path) -> bool:
    """False as well when we are kept from looking."""
    return os.path.isdir(path)  # noqa: PTH112 - a Path would raise then


def _write(directory: Path) -> None:
    """Raises OSError."""
    with tempfile.TemporaryFile(dir=directory) as file:
        file.write(bytes(TRIAL_BYTES))
        file.flush()
        os.fsync(file.fileno())
