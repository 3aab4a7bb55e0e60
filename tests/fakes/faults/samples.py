"""What a process costs while it runs: read off /proc, and the trend of it."""

import csv
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at a process."""

    at_s: float
    rss_mb: float
    pss_mb: float
    fds: int
    threads: int
    cpu_s: float


def look(pid: int, at_s: float) -> Sample | None:
    """The process as it is now; None when it is gone."""
    proc = Path(f"/proc/{pid}")
    try:
        status = (proc / "status").read_text()
        rollup = (proc / "smaps_rollup").read_text()
        times = (proc / "stat").read_text().rpartition(")")[2].split()
        fds = len(list((proc / "fd").iterdir()))
        rss_kb = re.findall(r"VmRSS:\s+(\d+)", status)[0]
        pss_kb = re.findall(r"Pss:\s+(\d+)", rollup)[0]
        threads = re.findall(r"Threads:\s+(\d+)", status)[0]
    except (OSError, IndexError):
        return None
    cpu_s = (int(times[11]) + int(times[12])) / TICKS_PER_S
    return Sample(round(at_s, 1), int(rss_kb) / 1024, int(pss_kb) / 1024, fds, int(threads), cpu_s)


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
