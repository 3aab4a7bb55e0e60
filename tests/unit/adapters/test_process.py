import re
from pathlib import Path

from satellite.adapters.process import process_figures


def test_figures_are_those_of_the_kernel() -> None:
    before = process_figures()
    ballast = bytes(range(256)) * (1 << 18)
    sum(ballast)
    after = process_figures()
    status = Path("/proc/self/status").read_text()
    assert after.rss_bytes - before.rss_bytes > 32 << 20
    assert abs(after.rss_bytes - int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) * 1024) < 8 << 20
    assert after.cpu_s > before.cpu_s > 0
    assert len(ballast) == 64 << 20
