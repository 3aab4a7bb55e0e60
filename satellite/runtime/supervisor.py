"""Supervisor: owns every long-lived task, and ends them in order or all at once."""

import asyncio
import enum
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

log = logging.getLogger(__name__)


class StopCause(enum.Enum):
    """Why the run is over."""

    SIGNAL = "signal"
    INPUT_ENDED = "input_ended"
    RELOAD = "reload"
    RESTART = "restart"


class Supervisor:
    """Runs services in one TaskGroup until `stop`; one that raises ends them all. Runs once."""

    def __init__(
        self,
        services: Mapping[str, Callable[[], Awaitable[None]]],
        stop_in_order: Callable[[StopCause], Awaitable[None]],
    ) -> None:
        self._services = services
        self._stop_in_order = stop_in_order
        self._stopped: asyncio.Future[StopCause] | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def stop(self, cause: StopCause) -> None:
        """Ask for an ordered stop; the first cause counts."""
        if self._stopped is not None and not self._stopped.done():
            self._stopped.set_result(cause)

    def fault(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """The loop's exception handler: a call-back that raises is a bug and ends everything, as in a service."""
        error = context.get("exception")
        if isinstance(error, Exception) and self._stopped is not None and not self._stopped.done():
            self._stopped.set_exception(error)
        else:
            loop.default_exception_handler(context)

    async def run(self) -> StopCause:
        """Run until stopped; returns why. Raises an ExceptionGroup with what a service or a call-back raised."""
        loop = asyncio.get_running_loop()
        self._stopped = loop.create_future()
        loop.set_exception_handler(self.fault)
        async with asyncio.TaskGroup() as group:
            for name, service in self._services.items():
                self._tasks[name] = group.create_task(_run(service), name=f"satellite.{name}")
            cause = await self._stopped
            log.info("stopping (%s)", cause.value)
            await self._stop_in_order(cause)
            for task in self._tasks.values():
                task.cancel()
        return cause

    async def ended(self, name: str, timeout_s: float) -> bool:
        """Wait for a service to end by itself; False when it did not in time."""
        done, _ = await asyncio.wait([self._tasks[name]], timeout=timeout_s)
        return bool(done)


async def _run(service: Callable[[], Awaitable[None]]) -> None:
    await service()
