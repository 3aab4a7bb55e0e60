"""Logging to standard error, or under systemd to the journal with fields; neither speech nor secrets in either.

Only the loggers of this package follow the configured level. Those of libraries stay at warnings whatever it is: below
them websockets writes whole messages, request lines with their tokens, and headers with keys. What libraries say, and
the texts of exceptions that are not ours, may quote what they were working on: only where they arose is written.
"""

import copy
import errno
import logging
import os
import re
import socket
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from itertools import starmap
from types import TracebackType
from typing import TextIO

from satellite.errors import SatelliteError

log = logging.getLogger(__name__)

WITHHELD = "what it says may hold speech or secrets"
TEXT_CHARACTERS_MAX = 500
CHAIN_MAX = 16
"""Causes and members of groups that are followed, however they are nested."""

JOURNAL_SOCKET = "/run/systemd/journal/socket"
FIELDS = {
    "session_id": "VOICE_SATELLITE_SESSION",
    "utterance_id": "VOICE_SATELLITE_UTTERANCE",
    "code": "VOICE_SATELLITE_CODE",
}
"""What a call may hand over in `extra`, as the journal names it."""

_ID = re.compile(r"[\w.:-]{1,64}", re.ASCII)
"""A field holds an id or a code of ours, and nothing that could be a word of somebody."""
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
_NAMING_ONLY = (AttributeError, ImportError, IndexError, MemoryError, NameError, RecursionError, ZeroDivisionError)
"""Raised by the interpreter, in words about the program and not about its data."""


class DiscreetFormatter(logging.Formatter):
    """Our own records as they are, of those of libraries only the place; traces without the texts of strangers."""

    def format(self, record: logging.LogRecord) -> str:
        """The record with its trace."""
        if not _is_ours(record):
            record = copy.copy(record)
            record.msg, record.args = f"a word from %s:%d ({WITHHELD})", (record.module, record.lineno)
        return super().format(record)

    def formatException(  # noqa: N802 - the library's name for it
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
    ) -> str:
        """The trace of an exception, its causes and its members."""
        return "" if ei[1] is None else "\n".join(_trace(ei[1], set()))


class JournalHandler(logging.Handler):
    """To journald's own socket: a trace stays one entry, and fields tell what it is about.

    What the socket does not take goes to `otherwise`.
    """

    def __init__(self, address: str, otherwise: logging.Handler) -> None:
        super().__init__()
        self.setFormatter(DiscreetFormatter("%(name)s: %(message)s"))
        self._address = address
        self._otherwise = otherwise
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def emit(self, record: logging.LogRecord) -> None:
        """One record, one datagram; never waits."""
        try:
            fields = self._fields(record)
            self._socket.sendto(b"".join(starmap(_field, fields.items())), socket.MSG_DONTWAIT, self._address)
        except OSError as error:  # journald is away or behind, or this is longer than a datagram
            if error.errno != errno.EMSGSIZE or not _sent_as_file(fields):
                self._otherwise.handle(record)
        except Exception:  # noqa: BLE001 - as every handler does: nobody expects a log call to raise
            self.handleError(record)

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()
        super().close()

    def _fields(self, record: logging.LogRecord) -> dict[str, str]:
        """What the journal is told, by name; see systemd.journal-fields(7)."""
        fields = {
            "MESSAGE": self.format(record),
            "PRIORITY": str(_priority(record)),
            "SYSLOG_IDENTIFIER": "voice-satellite",
            "CODE_FILE": record.pathname,
            "CODE_LINE": str(record.lineno),
            "CODE_FUNC": record.funcName or "",
        }
        if _is_ours(record):
            told = {name: getattr(record, attribute, None) for attribute, name in FIELDS.items()}
            fields |= {name: value for name, value in told.items() if isinstance(value, str) and _ID.fullmatch(value)}
        return fields


class JournalFormatter(DiscreetFormatter):
    """Prefixes each line with the priority the journal reads (sd-daemon(3)); the journal has its own clock."""

    def format(self, record: logging.LogRecord) -> str:
        """The record with its trace, all of it at its own priority."""
        prefix = f"<{_priority(record)}>"
        return "\n".join(prefix + line for line in super().format(record).splitlines())


def set_up_logging(level: str) -> None:
    """One handler for everything of ours from `level` (a name) on, and for warnings of libraries. Idempotent.

    What Python itself would print about a fault, in any thread, goes the same way.
    """
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    if is_journal(sys.stderr, os.environ.get("JOURNAL_STREAM", "")):
        handler.setFormatter(JournalFormatter("%(name)s: %(message)s"))
        handler = JournalHandler(JOURNAL_SOCKET, handler)
    else:
        handler.setFormatter(DiscreetFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    logging.getLogger("satellite").setLevel(level.upper())
    sys.excepthook = lambda _, error, __: _fault(error)
    threading.excepthook = lambda fault: _fault(fault.exc_value)
    sys.unraisablehook = lambda fault: _fault(fault.exc_value)


def is_journal(stream: TextIO, journal_stream: str) -> bool:
    """True when the stream is the one that systemd.exec(5) names as "device:inode": children inherit the variable."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return journal_stream == f"{status.st_dev}:{status.st_ino}"


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] == "satellite"


def _priority(record: logging.LogRecord) -> int:
    return _PRIORITIES.get(record.levelno, 6)


def _field(name: str, value: str) -> bytes:
    """As journald's protocol has it: what may hold line ends is led by its length."""
    data = value.encode(errors="replace")
    if b"\n" in data:
        return b"%s\n%s%s\n" % (name.encode(), len(data).to_bytes(8, "little"), data)
    return b"%s=%s\n" % (name.encode(), data)


def _sent_as_file(fields: Mapping[str, str]) -> bool:
    """By systemd-python, which hands over what is long as a file; False without it, or when journald takes none."""
    try:
        from systemd.journal import sendv  # noqa: PLC0415 - loaded only for what is too long for a datagram
    except ImportError:
        return False
    try:
        sendv(*(f"{name}={value}" for name, value in fields.items()))
    except OSError:
        return False
    return True


def _fault(error: BaseException | None) -> None:
    """An exception that nobody caught."""
    log.critical("a fault that nothing expected", exc_info=error)


def _trace(error: BaseException, seen: set[int]) -> Iterator[str]:
    """The lines for an exception: causes first, as Python prints them, members of a group behind it."""
    if id(error) in seen or len(seen) >= CHAIN_MAX:
        return
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _trace(before, seen)
        yield "which led to:" if error.__cause__ is not None else "and while that was dealt with:"
    yield "Traceback (most recent call last):"
    yield from "".join(traceback.format_tb(error.__traceback__)).splitlines()
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    yield f"{name}: {_text(error)}"
    for member in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        yield from ("  " + line for line in _trace(member, seen))


def _text(error: BaseException) -> str:
    """What an exception says, as far as it can be told without telling what it was about."""
    if isinstance(error, SatelliteError) or type(error) in _NAMING_ONLY:
        text = " ".join(str(error).split())[:TEXT_CHARACTERS_MAX]
        return "".join(character if character.isprintable() else "?" for character in text)
    if isinstance(error, OSError) and type(error).__module__ == "builtins" and error.errno is not None:
        return os.strerror(error.errno)
    return f"({WITHHELD})"
