"""What this process has cost, and what others may see of it."""

import contextlib
import os
import resource
from pathlib import Path

from satellite.ports import ProcessFigures

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def keep_to_ourselves() -> None:
    """Others read no file that is made from now on, and no memory: a core dump would hold speech and keys."""
    os.umask(0o077)
    with contextlib.suppress(ValueError, OSError):  # a unit may deny the call, and sets the limit itself
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def process_figures() -> ProcessFigures:
    """CPU time of all threads, and resident memory now."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    resident_pages = int(Path("/proc/self/statm").read_text().split()[1])
    return ProcessFigures(used.ru_utime + used.ru_stime, resident_pages * _PAGE_BYTES)
