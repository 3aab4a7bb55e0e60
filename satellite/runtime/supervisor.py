"""Supervisor: owns every long-lived task, and ends them in order or all at once."""

import asyncio
import enum
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

log = logging.getLogger(__name__)

FAULTS_MAX = 16
"""The first one ends the run; a call-back may raise on and on until it is over."""


class StopCause(enum.Enum):
    """Why the run is over."""

    SIGNAL = "signal"
    INPUT_ENDED = "input_ended"
    RELOAD = "reload"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class Endings:
    """What is done at the end, while all services still run that can."""

    in_order: Callable[[StopCause], Awaitable[None]]
    after_fault: Callable[[], Awaitable[None]]
    """A last word to the world; has its own limits of time."""


class Supervisor:
    """Runs services in one TaskGroup until `stop`, or until something raises that nobody expected. Runs once."""

    def __init__(self, services: Mapping[str, Callable[[], Awaitable[None]]], endings: Endings) -> None:
        self._services = services
        self._endings = endings
        self._stopped: asyncio.Future[StopCause] | None = None
        self._is_over = False
        self._failed = asyncio.Event()
        self._faults: list[Exception] = []
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def stop(self, cause: StopCause) -> None:
        """Ask for an ordered stop; the first cause counts."""
        if self._stopped is not None and not self._stopped.done():
            self._stopped.set_result(cause)

    def fail(self, error: Exception) -> None:
        """Something raised what nobody expected, which is a bug: everything ends."""
        if len(self._faults) < FAULTS_MAX:
            self._faults.append(error)
        self._failed.set()

    def complaint(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """The loop's exception handler: a call-back that raises is a bug as it is in a service."""
        error = context.get("exception")
        if isinstance(error, Exception) and not self._is_over:
            self.fail(error)
        else:
            loop.default_exception_handler(context)

    async def run(self) -> StopCause:
        """Run until stopped; returns why. Raises an ExceptionGroup of all that was not expected."""
        loop = asyncio.get_running_loop()
        self._stopped = loop.create_future()
        loop.set_exception_handler(self.complaint)
        async with asyncio.TaskGroup() as group:
            for name, service in self._services.items():
                self._tasks[name] = group.create_task(self._guarded(service), name=f"satellite.{name}")
            ending = group.create_task(self._guarded(self._end_in_order), name="satellite.ending")
            failing = group.create_task(self._failed.wait(), name="satellite.failing")
            await asyncio.wait({ending, failing}, return_when=asyncio.FIRST_COMPLETED)
            if self._faults:
                ending.cancel()
                await self._guarded(self._endings.after_fault)
            for task in (ending, failing, *self._tasks.values()):
                task.cancel()
        self._is_over = True
        if self._faults:
            raise ExceptionGroup("the run was ended by a fault", self._faults)
        return self._stopped.result()

    async def ended(self, name: str, timeout_s: float) -> bool:
        """Wait for a service to end by itself; False when it did not in time."""
        done, _ = await asyncio.wait([self._tasks[name]], timeout=timeout_s)
        return bool(done)

    async def _end_in_order(self) -> None:
        assert self._stopped is not None  # noqa: S101 - made by `run`
        cause = await self._stopped
        log.info("stopping (%s)", cause.value)
        await self._endings.in_order(cause)

    async def _guarded(self, service: Callable[[], Awaitable[None]]) -> None:
        try:
            await service()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is kept, told, and ends the run
            self.fail(error)
