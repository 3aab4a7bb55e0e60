"""What processes hold, as the kernel tells it."""

import contextlib
import re
from pathlib import Path


def family(pid: int) -> set[int]:
    """A process and all below it."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def open_files(pid: int) -> list[str]:
    """What a process and those below it have open: paths, and `socket:[number]`."""
    opened = []
    for process in family(pid):
        for link in descriptors(process):
            with contextlib.suppress(OSError):  # it was closed
                opened.append(str(link.readlink()))
    return opened


def descriptors(pid: int) -> list[Path]:
    """One for each; none for a process that has ended."""
    try:
        return list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return []


def holders(path: Path, pid: int) -> list[str]:
    """Every opening of this file by a process and those below it."""
    return [opened for opened in open_files(pid) if opened == str(path)]


def listening(pid: int) -> list[str]:
    """TCP sockets that listen, and UDP sockets with a port and no peer, of a process and those below it."""
    held, found = set(re.findall(r"socket:\[(\d+)\]", str(open_files(pid)))), []
    for table, state in (("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in held and fields[3] == state:
                found.append(f"{table} {fields[1]}")
    return found
