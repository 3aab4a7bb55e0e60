"""Logging to standard error: plain lines for people, journal priorities under systemd.

Only the loggers of this package follow the configured level. Those of libraries stay at warnings whatever it is: below
them websockets writes whole messages, request lines with their tokens, and headers with keys.
"""

import logging
import os
import sys
from typing import TextIO

_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class JournalFormatter(logging.Formatter):
    """Prefixes each line with the priority the journal reads (sd-daemon(3)); the journal has its own clock."""

    def format(self, record: logging.LogRecord) -> str:
        """The record with its trace, all of it at its own priority."""
        prefix = f"<{_PRIORITIES.get(record.levelno, 6)}>"
        return "\n".join(prefix + line for line in super().format(record).splitlines())


def set_up_logging(level: str) -> None:
    """One handler for everything of ours from `level` (a name) on, and for warnings of libraries. Idempotent."""
    handler = logging.StreamHandler(sys.stderr)
    if is_journal(sys.stderr, os.environ.get("JOURNAL_STREAM", "")):
        handler.setFormatter(JournalFormatter("%(name)s: %(message)s"))
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("satellite").setLevel(level.upper())


def is_journal(stream: TextIO, journal_stream: str) -> bool:
    """True when the stream is the one that systemd.exec(5) names as "device:inode": children inherit the variable."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return journal_stream == f"{status.st_dev}:{status.st_ino}"
