"""Logging to standard error: plain lines for people, journal priorities under systemd, and neither speech nor secrets.

Only the loggers of this package follow the configured level. Those of libraries stay at warnings whatever it is: below
them websockets writes whole messages, request lines with their tokens, and headers with keys. What libraries say, and
the texts of exceptions that are not ours, may quote what they were working on: only where they arose is written.
"""

import copy
import logging
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import TextIO

from satellite.errors import SatelliteError

log = logging.getLogger(__name__)

WITHHELD = "what it says may hold speech or secrets"
TEXT_CHARACTERS_MAX = 500
CHAIN_MAX = 16
"""Causes and members of groups that are followed, however they are nested."""

_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
_NAMING_ONLY = (AttributeError, ImportError, IndexError, MemoryError, NameError, RecursionError, ZeroDivisionError)
"""Raised by the interpreter, in words about the program and not about its data."""


class DiscreetFormatter(logging.Formatter):
    """Our own records as they are, of those of libraries only the place; traces without the texts of strangers."""

    def format(self, record: logging.LogRecord) -> str:
        """The record with its trace."""
        if record.name.partition(".")[0] != "satellite":
            record = copy.copy(record)
            record.msg, record.args = f"a word from %s:%d ({WITHHELD})", (record.module, record.lineno)
        return super().format(record)

    def formatException(  # noqa: N802 - the library's name for it
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
    ) -> str:
        """The trace of an exception, its causes and its members."""
        return "" if ei[1] is None else "\n".join(_trace(ei[1], set()))


class JournalFormatter(DiscreetFormatter):
    """Prefixes each line with the priority the journal reads (sd-daemon(3)); the journal has its own clock."""

    def format(self, record: logging.LogRecord) -> str:
        """The record with its trace, all of it at its own priority."""
        prefix = f"<{_PRIORITIES.get(record.levelno, 6)}>"
        return "\n".join(prefix + line for line in super().format(record).splitlines())


def set_up_logging(level: str) -> None:
    """One handler for everything of ours from `level` (a name) on, and for warnings of libraries. Idempotent.

    What Python itself would print about a fault, in any thread, goes the same way.
    """
    handler = logging.StreamHandler(sys.stderr)
    if is_journal(sys.stderr, os.environ.get("JOURNAL_STREAM", "")):
        handler.setFormatter(JournalFormatter("%(name)s: %(message)s"))
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
