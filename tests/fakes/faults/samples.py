"""What a process costs while it runs: read off /proc, and the trend of it."""

import contextlib
import csv
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at a process; `pss_mb` and `cpu_s` with its helpers, the rest without."""

    at_s: float
    rss_mb: float
    pss_mb: float
    fds: int
    threads: int
    cpu_s: float
    helpers: int = 0
    """Processes of its own that hold its devices."""


def look(pid: int, at_s: float) -> Sample | None:
    """The process as it is now; None when it is gone."""
    proc = Path(f"/proc/{pid}")
    try:
        status = (proc / "status").read_text()
        fds = len(list((proc / "fd").iterdir()))
        rss_kb = re.findall(r"VmRSS:\s+(\d+)", status)[0]
        threads = re.findall(r"Threads:\s+(\d+)", status)[0]
        pss_kb, cpu_s = _cost(proc)
    except (OSError, IndexError):
        return None
    helpers = 0
    for helper in _children(pid):
        with contextlib.suppress(OSError, IndexError):  # it may end at this moment
            more_kb, more_s = _cost(Path(f"/proc/{helper}"))
            helpers, pss_kb, cpu_s = helpers + 1, pss_kb + more_kb, cpu_s + more_s
    return Sample(round(at_s, 1), int(rss_kb) / 1024, pss_kb / 1024, fds, int(threads), round(cpu_s, 2), helpers)


def _cost(proc: Path) -> tuple[int, float]:
    """PSS in KiB and CPU seconds, those of children that have ended included."""
    pss_kb = int(re.findall(r"Pss:\s+(\d+)", (proc / "smaps_rollup").read_text())[0])
    times = (proc / "stat").read_text().rpartition(")")[2].split()
    return pss_kb, sum(int(ticks) for ticks in times[11:15]) / TICKS_PER_S


def _children(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []


def slope_per_hour(samples: Sequence[Sample], name: str = "rss_mb") -> float:
    """Least squares: how much a figure grows in an hour; 0 for fewer than two samples."""
    if len(samples) < 2:
        return 0.0
    times = [sample.at_s / 3600 for sample in samples]
    values = [float(getattr(sample, name)) for sample in samples]
    mean_time, mean_value = sum(times) / len(times), sum(values) / len(values)
    spread = sum((time - mean_time) ** 2 for time in times)
    both = sum((time - mean_time) * (value - mean_value) for time, value in zip(times, values, strict=True))
    return both / spread if spread else 0.0


def write_csv(path: Path, samples: Sequence[Sample]) -> None:
    """One line a sample."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Sample)])
        writer.writeheader()
        writer.writerows(asdict(sample) for sample in samples)
