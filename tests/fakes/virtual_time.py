"""An event loop whose clock jumps to the next timer instead of waiting for it."""

import asyncio
import functools
import selectors
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, ParamSpec

P = ParamSpec("P")


class _JumpingSelector(selectors.DefaultSelector):
    """Polls without waiting; what would have been waited moves the clock."""

    now = 0.0
    patience_s = 0.0
    """Real time in which something may still come out of a socket before the clock jumps."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(min(self.patience_s, timeout or 0.0))
        if not ready and timeout is not None and timeout > 0:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Starts at 1000 s, so that no test passes because zero is false."""

    def __init__(self, patience_s: float = 0.0) -> None:
        self._jumping = _JumpingSelector()
        self._jumping.patience_s = patience_s
        self._jumping.now = 1000.0
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


class VirtualClock:
    """ports.Clock over the running loop; `wall_s` is the wall clock at loop time 1000. May be set, and put to sleep."""

    def __init__(self, wall_s: float = 1_700_000_000.0) -> None:
        self.wall_s = wall_s
        self._slept_s = 0.0

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        return self.wall_s + self.since_boot() - 1000.0

    def since_boot(self) -> float:
        return self.monotonic() + self._slept_s

    def sleep(self, seconds: float) -> None:
        """The machine is suspended for so long: the loop's time stands still meanwhile."""
        self._slept_s += seconds


def run_virtual(play: Callable[[], Awaitable[Any]]) -> None:
    """Run a test's coroutine in virtual time; leaked tasks and call-backs that raise fail it."""
    faults: list[object] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: faults.append(context.get("exception") or context["message"]))
        before = asyncio.all_tasks()
        async with asyncio.timeout(3600):
            await play()
        leaked = asyncio.all_tasks() - before
        assert not leaked, f"tasks left running: {leaked}"

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())
    assert not faults, f"call-backs raised: {faults}"


def virtual(test: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Decorator: an async test that is run in virtual time."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        run_virtual(lambda: test(*args, **kwargs))

    return run


@asynccontextmanager
async def running(*services: Callable[[], Awaitable[None]]) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Services that run until the end of the block; one that raises ends it with what it raised."""

    async def serve(service: Callable[[], Awaitable[None]]) -> None:
        await service()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(serve(service)) for service in services]
        yield tasks
        for task in tasks:
            task.cancel()


async def pass_time(seconds: float = 0.0) -> None:
    """Let this much time pass, and everything that is due at its end happen."""
    await asyncio.sleep(seconds)
    for _ in range(20):
        await asyncio.sleep(0)
