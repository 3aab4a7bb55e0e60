"""DiskSpool: messages that wait for a broker, in the state directory. Nothing is opened before the first of them."""

import logging
import os.path
import threading
from collections.abc import Sequence
from pathlib import Path

from satellite.adapters.outbox import Entry
from satellite.adapters.spool_file import Row, SpoolDamagedError, SpoolError, SpoolFile, SpoolTakenError
from satellite.adapters.worker import Worker
from satellite.homeassistant.messages import Message

log = logging.getLogger(__name__)

RETRY_S = 2.0
"""A disk that is full, broken or in use by another program is tried again at this pace; a kill before costs text."""


class DiskSpool:
    """outbox.Spool as a file, `spool.db`, that is there only while messages wait.

    Calls do not block: a thread of its own brings the file up to date with what is wanted in it, all that has piled
    up in one transaction. What cannot be stored stays in memory and is tried again.
    """

    def __init__(self, directory: Path, retry_s: float = RETRY_S) -> None:
        self._file = SpoolFile(directory / "spool.db")
        self._retry_s = retry_s
        self._plan = _Plan()
        self._worker = Worker("satellite.spool", self._write)
        self._has_read = False
        self._is_shared = False
        self._is_unremoved = False
        self._is_closed = False
        self.is_taken = False
        """True when another satellite used the directory at the start: nothing in it is ours."""
        self._told: str | None = None

    def load(self) -> list[Entry]:
        """What an earlier process left, oldest first. Blocks: called once, at the start."""
        rows: list[Row] = []
        salvaged: list[Message] = []
        try:
            if os.path.isdir(self._file.path.parent):  # noqa: PTH112 - a Path raises when kept from looking
                self._file.lock()
                self._has_read = not self._file.exists()
            if self._file.exists():
                rows = self._file.open()
                self._has_read = True
        except SpoolDamagedError as damage:
            self._has_read = True
            salvaged = self._salvage(damage)
        except SpoolError as error:
            self.is_taken = isinstance(error, SpoolTakenError)
            self._tell(error)
        entries = self._plan.begin(rows, salvaged)
        if salvaged or self._file.is_open:
            self._worker.wake()
        return entries

    def keep(self, entry: Entry) -> None:
        """Store a message soon."""
        if not self._is_closed and self._plan.keep(entry):
            self._worker.wake()

    def forget(self, number: int) -> None:
        """A message need not be stored any longer."""
        if not self._is_closed and self._plan.forget(number):
            self._worker.wake()

    def settle(self, timeout_s: float) -> bool:
        """Block until the file is as wanted; False when time ran out."""
        return self._worker.settle(timeout_s)

    def close(self, timeout_s: float) -> int:
        """Write what is left and let go of the file, blocking; returns how many messages could not be stored."""
        self._is_closed = True
        if self._worker.finish(timeout_s):
            self._file.close()
        return self._plan.unstored

    # --- on the worker's thread ----------------------------------------------------------------------------------

    def _write(self) -> float | None:
        """Bring the file up to date."""
        try:
            self._catch_up()
        except SpoolError as error:
            self._tell(error)
            return self._retry_s
        if self._told is not None:
            log.info("what waits for the broker is stored again in %s", self._file.path)
            self._told = None
        return None

    def _catch_up(self) -> None:
        if self._plan.is_empty and not self._is_shared:
            if self._file.is_open or self._is_unremoved:
                self._is_unremoved = True  # until it went through: left behind, it would all be delivered again
                self._file.remove()
                self._is_unremoved = False
            self._plan.emptied()
            return
        try:
            self._write_due()
        except SpoolDamagedError as damage:
            self._plan.start_over()
            self._is_shared = False
            self._make_room(damage, "what was in it is stored anew")
            self._write_due()

    def _write_due(self) -> None:
        """One transaction."""
        leftover = [] if self._file.is_open else self._open()
        added, deleted = self._plan.due()
        numbers = self._file.write([entry.message for entry in added], [*leftover, *deleted.values()])
        self._plan.done(added, numbers, deleted)

    def _open(self) -> list[int]:
        """Open the file in the middle of the run; returns rows in it that are of no use any more."""
        rows = self._file.open()
        if rows and not self._has_read:
            self._is_shared = True
            log.info(
                "%s holds %d messages of an earlier run: they go out at the next start", self._file.path, len(rows)
            )
            return []
        return [row.number for row in rows]

    # --- damage, and what is told ---------------------------------------------------------------------------------

    def _salvage(self, damage: SpoolDamagedError) -> list[Message]:
        """The messages in a file that cannot be used."""
        messages = self._file.salvage()
        try:
            self._make_room(damage, f"{len(messages)} messages were read from it")
        except SpoolError as error:
            self._tell(error)
        return messages

    def _make_room(self, damage: SpoolDamagedError, rest: str) -> None:
        """Set the file aside. Raises SpoolError."""
        try:
            target = self._file.set_aside()
        except SpoolError as error:
            raise SpoolError(f"{damage}; it cannot be set aside either: {error}") from error
        if target is None:
            log.warning("%s; %s", damage, rest)
        else:
            log.warning(
                "%s; %s, and it is now called %s: delete it when nothing in it is missed", damage, rest, target.name
            )

    def _tell(self, error: SpoolError) -> None:
        """Once for each reason, until it works again."""
        if str(error) != self._told:
            self._told = str(error)
            log.warning("what waits for the broker is kept in memory only: %s", error)


class _Plan:
    """What is wanted in the file, and what is in it. Shared by two threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted: dict[int, Entry] = {}
        """To be stored, oldest first."""
        self._stored: dict[int, tuple[int, Entry]] = {}
        """In the file, with the row, oldest first."""
        self._unwanted: dict[int, int] = {}
        """In the file for no reason: number → row."""

    @property
    def is_empty(self) -> bool:
        """No message needs a file."""
        with self._lock:
            return not self._wanted and not self._stored

    @property
    def unstored(self) -> int:
        """Messages that are in memory only."""
        with self._lock:
            return len(self._wanted)

    def begin(self, rows: Sequence[Row], salvaged: Sequence[Message]) -> list[Entry]:
        """Number what an earlier process left: in the file, or only read from it."""
        with self._lock:
            self._stored = {at: (row.number, Entry(at, row.message)) for at, row in enumerate(rows, 1)}
            first = 1 + len(self._stored)
            self._wanted = {at: Entry(at, message) for at, message in enumerate(salvaged, first)}
            return [entry for _, entry in self._stored.values()] + list(self._wanted.values())

    def keep(self, entry: Entry) -> bool:
        """False when it is known already."""
        with self._lock:
            if entry.number in self._stored or entry.number in self._wanted:
                return False
            self._wanted[entry.number] = entry
            return True

    def forget(self, number: int) -> bool:
        """True when the file has to change."""
        with self._lock:
            if self._wanted.pop(number, None) is not None:
                return True  # it may be on its way into the file
            stored = self._stored.pop(number, None)
            if stored is not None:
                self._unwanted[number] = stored[0]
            return stored is not None

    def due(self) -> tuple[list[Entry], dict[int, int]]:
        """What to store, and what to delete: number → row."""
        with self._lock:
            return list(self._wanted.values()), dict(self._unwanted)

    def done(self, added: Sequence[Entry], rows: Sequence[int], deleted: dict[int, int]) -> None:
        """What was due is in the file, and gone from it. It may have been forgotten meanwhile."""
        with self._lock:
            for entry, row in zip(added, rows, strict=True):
                if self._wanted.pop(entry.number, None) is not None:
                    self._stored[entry.number] = row, entry
                else:
                    self._unwanted[entry.number] = row
            for number in deleted:
                del self._unwanted[number]

    def emptied(self) -> None:
        """There is no file."""
        with self._lock:
            self._unwanted.clear()

    def start_over(self) -> None:
        """The file is lost: all that was in it is wanted in a new one, in the order in which it came."""
        with self._lock:
            again = {number: entry for number, (_, entry) in self._stored.items()}
            self._wanted = dict(sorted({**again, **self._wanted}.items()))
            self._stored.clear()
            self._unwanted.clear()
