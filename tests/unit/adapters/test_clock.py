"""The clock that everything else gets its time from."""

import asyncio
import time
from pathlib import Path

from satellite.adapters.clock import SystemClock


async def test_monotonic_is_the_event_loops_own_time() -> None:
    before = asyncio.get_running_loop().time()
    now = SystemClock().monotonic()
    assert before <= now <= asyncio.get_running_loop().time()


def test_wall_is_unix_time() -> None:
    before = time.time()
    assert before <= SystemClock().wall() <= time.time()


def test_the_time_since_the_boot_counts_sleep_too() -> None:
    uptime_s = float(Path("/proc/uptime").read_text().split()[0])
    assert SystemClock().since_boot() >= uptime_s - 0.1
    assert SystemClock().since_boot() >= SystemClock().monotonic() - 1.0
