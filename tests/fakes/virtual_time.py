"""An event loop whose clock jumps to the next timer instead of waiting for it."""

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from typing import Any


class _JumpingSelector(selectors.DefaultSelector):
    """Polls without waiting; what would have been waited moves the clock."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is not None and timeout > 0:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Starts at 1000 s, so that no test passes because zero is false."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        self._jumping.now = 1000.0
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


class VirtualClock:
    """ports.Clock over the running loop; `wall_s` is the wall clock at loop time 1000."""

    def __init__(self, wall_s: float = 1_700_000_000.0) -> None:
        self.wall_s = wall_s

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        return self.wall_s + self.monotonic() - 1000.0


def run_virtual(play: Callable[[], Awaitable[Any]]) -> None:
    """Run a test's coroutine in virtual time; leaked tasks fail it."""

    async def main() -> None:
        before = asyncio.all_tasks()
        async with asyncio.timeout(3600):
            await play()
        leaked = asyncio.all_tasks() - before
        assert not leaked, f"tasks left running: {leaked}"

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())
