"""SpoolFile: messages in a SQLite file, in the order in which they came."""

import contextlib
import fcntl
import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from satellite.adapters.disk import sync_directory
from satellite.errors import LocalMisuse, SatelliteError
from satellite.homeassistant.messages import Message

if TYPE_CHECKING:
    import sqlite3

SCHEMA_VERSION = 1
SET_ASIDE_MAX = 5
"""So many unusable files are kept; a newer one takes the place of the last."""
SALVAGE_BYTES_MAX = 64 * 1024 * 1024

_PRAGMAS = (
    "locking_mode = EXCLUSIVE",  # no shared memory, and nobody else writes
    "journal_mode = WAL",
    "synchronous = FULL",  # a commit is on the disk when it returns
    "wal_autocheckpoint = 256",
    "cache_size = -256",
)
_CREATE = """
    CREATE TABLE message (
        number INTEGER PRIMARY KEY, topic TEXT NOT NULL, payload BLOB NOT NULL, retain INTEGER NOT NULL,
        qos INTEGER NOT NULL, checksum INTEGER NOT NULL
    )
"""
_SIDES = ("", "-wal", "-shm", "-journal")


class SpoolError(SatelliteError):
    """The file cannot be used at the moment; the text says why, and what to do."""


class SpoolTakenError(SpoolError):
    """Another satellite uses the directory."""


class SpoolDamagedError(SpoolError):
    """The file cannot be used at all: set aside, it makes room for a new one."""


@dataclass(frozen=True, slots=True)
class Row:
    """A stored message; rows are numbered in the order in which they were stored."""

    number: int
    message: Message


class SpoolFile:
    """Opened, written and closed by one thread at a time. What was written is on the disk when the call returns."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: int | None = None
        self._connection: sqlite3.Connection | None = None

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._path

    @property
    def is_open(self) -> bool:
        """True between `open` and `close` or `remove`."""
        return self._connection is not None

    def exists(self) -> bool:
        """There is something of this name, be it usable or not."""
        return os.path.lexists(self._path)

    def lock(self) -> None:
        """Keep other processes from it until `close`; they are told. Raises SpoolError when one was here first."""
        if self._lock is not None:
            return
        try:
            directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise SpoolError(f"{self._path.parent}: {error.strerror}") from error
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(directory)
            raise SpoolTakenError(
                f"another satellite uses the state directory {self._path.parent}: each needs one of its own"
            ) from error
        except OSError:
            pass  # a file system without locks, such as some NFS: SQLite's own must do
        self._lock = directory

    def open(self) -> list[Row]:
        """Open or create it; returns what it holds. Raises SpoolError."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _unusable(self._path, error) from error
        self.lock()
        is_new = not self.exists()
        try:
            return self._open()
        except SpoolError as error:
            if not is_new:
                raise
            with contextlib.suppress(SpoolError):
                self.remove()
            # a new file cannot be damaged: it is the disk
            raise SpoolError(str(error)) from error

    def write(self, added: Sequence[Message], deleted: Sequence[int]) -> list[int]:
        """Store and delete in one go; returns the numbers of the new rows. Raises SpoolError."""
        import sqlite3  # noqa: PLC0415 - loaded only when used

        connection = self._connection
        if connection is None:
            raise LocalMisuse("open comes first")
        if not self.exists():  # SQLite would go on writing into a file without a name
            raise SpoolDamagedError(f"{self._path} was deleted")
        try:
            connection.execute("BEGIN IMMEDIATE")
            numbers = [_insert(connection, message) for message in added]
            connection.executemany("DELETE FROM message WHERE number = ?", ((number,) for number in deleted))
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise _explained(self._path, error, is_opening=False) from error
        return numbers

    def salvage(self) -> list[Message]:
        """What can be read of a file that cannot be opened; it stays as it is, a copy is read."""
        import shutil  # noqa: PLC0415 - loaded only when used
        import sqlite3  # noqa: PLC0415 - loaded only when used
        import tempfile  # noqa: PLC0415 - loaded only when used

        found: list[Message] = []
        with contextlib.suppress(OSError, sqlite3.Error, UnicodeError), tempfile.TemporaryDirectory() as name:
            for side in _SIDES[:2]:
                original = Path(f"{self._path}{side}")
                if original.is_file() and original.stat().st_size <= SALVAGE_BYTES_MAX:
                    shutil.copyfile(original, Path(name, f"copy{side}"))
            with contextlib.closing(_connect(Path(name, "copy"))) as connection:
                for row in _rows(connection):
                    if row is not None:
                        found.append(row.message)  # noqa: PERF401 - what was read before an error counts
        return found

    def set_aside(self) -> Path | None:
        """Give it another name, which is returned; None when there is nothing any more. Raises SpoolError."""
        self._disconnect()
        names = [Path(f"{self._path}.set-aside-{number}") for number in range(1, SET_ASIDE_MAX + 1)]
        target = next((name for name in names if not os.path.lexists(name)), names[-1])
        is_there = self.exists()
        try:
            for side in _SIDES:
                with contextlib.suppress(FileNotFoundError):
                    Path(f"{self._path}{side}").replace(f"{target}{side}")
            sync_directory(self._path.parent)
        except OSError as error:
            raise _unusable(self._path, error) from error
        return target if is_there else None

    def remove(self) -> None:
        """Nothing in it is needed any more: close it, and leave no file. Raises SpoolError."""
        self._disconnect()
        try:
            for side in _SIDES:
                Path(f"{self._path}{side}").unlink(missing_ok=True)
            sync_directory(self._path.parent)
        except OSError as error:
            raise _unusable(self._path, error) from error

    def close(self) -> None:
        """Let go of it, and of the lock. Idempotent."""
        self._disconnect()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _open(self) -> list[Row]:
        import sqlite3  # noqa: PLC0415 - loaded only when used

        self._touch()
        connection: sqlite3.Connection | None = None
        try:
            connection = _connect(self._path)
            _prepare(self._path, connection)
            found = list(_rows(connection))
            rows = [row for row in found if row is not None]
            if len(rows) < len(found):
                raise SpoolDamagedError(f"{self._path}: {len(found) - len(rows)} messages in it are not as stored")
        except sqlite3.Error as error:
            raise _explained(self._path, error, is_opening=True) from error
        except UnicodeError as error:  # what SQLite complains about is no text
            raise SpoolDamagedError(f"{self._path}: its schema is damaged") from error
        else:
            self._connection, connection = connection, None
        finally:
            if connection is not None:
                connection.close()
        return rows

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _touch(self) -> None:
        """There is a file, which nobody else may read: it holds what was said."""
        if self.exists():
            if not self._path.is_file():
                raise SpoolDamagedError(f"{self._path} is no file")
            return
        try:
            for side in _SIDES[1:]:
                Path(f"{self._path}{side}").unlink(missing_ok=True)
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            sync_directory(self._path.parent)
        except OSError as error:
            raise _unusable(self._path, error) from error


def _connect(path: Path) -> "sqlite3.Connection":
    import sqlite3  # noqa: PLC0415 - loaded only when used

    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    connection.text_factory = lambda data: data.decode(errors="replace")  # the checksum tells what is damaged
    return connection


def _prepare(path: Path, connection: "sqlite3.Connection") -> None:
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_CREATE)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    elif version != SCHEMA_VERSION:
        raise SpoolDamagedError(f"{path} is of version {version}, this program reads version {SCHEMA_VERSION}")


def _insert(connection: "sqlite3.Connection", message: Message) -> int:
    values = (message.topic, message.payload, message.retain, message.qos, _checksum(message))
    done = connection.execute(
        "INSERT INTO message (topic, payload, retain, qos, checksum) VALUES (?, ?, ?, ?, ?)", values
    )
    return done.lastrowid or 0


def _rows(connection: "sqlite3.Connection") -> Iterator[Row | None]:
    """The messages in order, None for one that is not as it was stored."""
    found = connection.execute("SELECT number, topic, payload, retain, qos, checksum FROM message ORDER BY number")
    for number, topic, payload, retain, qos, checksum in found:
        message = _whole(topic, payload, retain, qos, checksum)
        yield None if message is None else Row(number, message)


def _whole(topic: Any, payload: Any, retain: Any, qos: Any, checksum: Any) -> Message | None:
    """The message, if it is what was stored: SQLite itself does not notice a flipped bit."""
    if not isinstance(topic, str) or not isinstance(payload, bytes):
        return None
    message = Message(topic, payload, bool(retain), qos)
    return message if _checksum(message) == checksum else None


def _checksum(message: Message) -> int:
    head = f"{message.topic}\0{message.qos}\0{message.retain}\0".encode(errors="replace")
    return zlib.crc32(message.payload, zlib.crc32(head))


def _explained(path: Path, error: "sqlite3.Error", *, is_opening: bool) -> SpoolError | SpoolDamagedError:
    """SQLite's error as ours. A file that cannot be opened is one to be set aside, unless that cannot help."""
    import sqlite3  # noqa: PLC0415 - loaded only when used

    primary = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if primary == sqlite3.SQLITE_FULL:
        return SpoolError(f"{path}: the disk is full: make some room on it")
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return SpoolError(f"{path} is in use by another program: end that one")
    if primary == sqlite3.SQLITE_NOMEM:
        return SpoolError(f"{path}: {error}")
    if primary in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY) and not is_opening:
        return SpoolError(f"{path}: {error}: look at the disk, and at the owner of that file")
    return SpoolDamagedError(f"{path}: {error}")


def _unusable(path: Path, error: OSError) -> SpoolError:
    return SpoolError(f"{path}: {error.strerror}: look at the disk, and at the owner of that directory")
