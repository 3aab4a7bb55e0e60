"""What the satellite's processes have cost, and what others may see of them."""

import contextlib
import os
import resource
from pathlib import Path

from satellite.ports import ProcessFigures

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def keep_to_ourselves() -> None:
    """Others read no file that is made from now on, and no memory: a core dump would hold speech and keys."""
    os.umask(0o077)
    with contextlib.suppress(ValueError, OSError):  # a unit may deny the call, and sets the limit itself
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def process_figures() -> ProcessFigures:
    """CPU time of all threads and processes; memory that is resident here, or that a companion has to itself."""
    cpu_s = sum(_cpu_s(resource.getrusage(who)) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    resident_bytes = int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES
    for pid in _companions:
        with contextlib.suppress(OSError):  # gone meanwhile: its time is among that of the ended ones
            cpu_s += _cpu_s_of(pid)
            resident_bytes += _own_bytes_of(pid)
    return ProcessFigures(cpu_s, resident_bytes)


def companion_started(pid: int) -> None:
    """A process works for this one; its cost is ours."""
    _companions.add(pid)


def companion_ended(pid: int) -> None:
    """It is gone and was waited for. Unknown ones are ignored."""
    _companions.discard(pid)


_companions: set[int] = set()


def _cpu_s(used: resource.struct_rusage) -> float:
    return used.ru_utime + used.ru_stime


def _cpu_s_of(pid: int) -> float:
    """User and system time of a living process; fields 14 and 15 of proc_pid_stat(5), behind a name in parentheses."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND


def _own_bytes_of(pid: int) -> int:
    """Memory that it shares with nobody; an ended process that was not waited for has none."""
    status = Path(f"/proc/{pid}/status").read_text()
    return sum(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("RssAnon:"))
