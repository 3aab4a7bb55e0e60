"""The daemon with a fault put into it from outside: `python -m tests.fakes.faulty FAULT run -c FILE`.

FAULT is one of FAULTS, or a service that runs into a bug. Everything else is as its users run it. What a bug says
looks like speech with a key in it, which no log may show.
"""

import asyncio
import ctypes
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import satellite.app
from satellite.adapters.capture import BlockMaker, SilenceWatch
from satellite.adapters.detectors import WebRtcDetector
from satellite.adapters.playback import DeviceOutput
from satellite.cli import main

SECRET = "good-morning-my-key-is-0123"
FAULT_AFTER_S = 1.0
HEALTHY_BLOCKS = 20
HEALTHY_FRAMES = 100

Service = Callable[[], Awaitable[None]]


def bug(*_: object) -> Any:
    """Any mistake of ours."""
    raise KeyError(SECRET)


async def late_bug() -> None:
    """One that takes a while to show."""
    await asyncio.sleep(FAULT_AFTER_S)
    bug()


def in_service(name: str) -> None:
    """A service runs into a bug."""
    with_service(name, lambda service: lambda: beside(service, late_bug))


def in_call_back() -> None:
    """A call-back of the loop runs into a bug."""

    async def call_back() -> None:
        asyncio.get_running_loop().call_later(FAULT_AFTER_S, bug)

    with_service("sounds", lambda service: lambda: beside(service, call_back))


def with_service(name: str, change: Callable[[Service], Service]) -> None:
    """Put something else in the place of a service."""

    class Faulty(satellite.app.App):
        def _services(self) -> dict[str, Service]:
            services = super()._services()
            return services | {name: change(services[name])}

    satellite.app.App = Faulty  # type: ignore[misc]  # that is the fault


async def beside(service: Service, fault: Service) -> None:
    """A service that works, until it does not."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(awaiting(service))
        try:
            await fault()
        except KeyError:
            task.cancel()
            raise


async def awaiting(service: Service) -> None:
    """As a coroutine."""
    await service()


def replace(owner: type, name: str, call: Callable[..., Any]) -> None:
    """Put something else in the place of a method."""
    setattr(owner, name, call)


def after(count: int, works: Callable[..., Any], fails: Callable[..., Any]) -> Callable[..., Any]:
    """What works so many times and then no more."""
    left = iter(range(count))

    def call(*arguments: object) -> Any:
        return works(*arguments) if next(left, None) is not None else fails(*arguments)

    return call


def hang_in_c(*_: object) -> None:
    """In C, with the interpreter's lock held: no Python runs any more."""
    ctypes.PyDLL(None).sleep(1000)


def stuck_worker() -> None:
    """A call that blocks never comes back, as a name look-up whose server is away, or a file on one."""

    async def block() -> None:
        asyncio.get_running_loop().run_in_executor(None, time.sleep, 1000)

    with_service("sounds", lambda service: lambda: beside(service, block))


FAULTS: dict[str, Callable[[], None]] = {
    "call-back": in_call_back,
    "capture": lambda: replace(BlockMaker, "push", after(HEALTHY_BLOCKS, BlockMaker.push, bug)),
    "playback": lambda: replace(DeviceOutput, "play", bug),
    "deaf": lambda: replace(SilenceWatch, "_check", lambda _: None),
    "hanging-detector": lambda: replace(
        WebRtcDetector, "probability", after(HEALTHY_FRAMES, WebRtcDetector.probability, hang_in_c)
    ),
    "stuck-worker": stuck_worker,
}
"""`deaf` breaks the check that notices a silent device, so that nothing but the watchdog is left."""

if __name__ == "__main__":
    if sys.argv[1] in FAULTS:
        FAULTS[sys.argv[1]]()
    else:
        in_service(sys.argv[1])
    sys.exit(main(sys.argv[2:]))
