"""The only reader of clocks."""

import time


class SystemClock:
    """ports.Clock by the machine: CLOCK_MONOTONIC, which is what asyncio's `loop.time()` reads, and the wall clock."""

    def monotonic(self) -> float:
        """Seconds that never jump; the same scale as `loop.time()`."""
        return time.monotonic()  # noqa: TID251 - this is the one place that reads it

    def wall(self) -> float:
        """Unix seconds, for timestamps in payloads only."""
        return time.time()  # noqa: TID251 - this is the one place that reads it

    def since_boot(self) -> float:
        """Seconds since the machine was started, asleep or awake."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def day(self) -> str:
        """The local calendar day, for what is counted per day."""
        return time.strftime("%Y-%m-%d")
