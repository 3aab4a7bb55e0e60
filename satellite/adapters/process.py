"""What this process has cost, read from the kernel."""

import os
import resource
from pathlib import Path

from satellite.ports import ProcessFigures

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def process_figures() -> ProcessFigures:
    """CPU time of all threads, and resident memory now."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    resident_pages = int(Path("/proc/self/statm").read_text().split()[1])
    return ProcessFigures(used.ru_utime + used.ru_stime, resident_pages * _PAGE_BYTES)
