"""The end of a run in order: capture stops, what was said is concluded and published, then we are offline."""

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import Protocol

from satellite.adapters.outbox import Outbox
from satellite.adapters.spool import DiskSpool
from satellite.ports import Publisher
from satellite.runtime.listener import Listener
from satellite.runtime.router import Router
from satellite.runtime.speaker import Speaker
from satellite.runtime.supervisor import StopCause, Supervisor
from satellite.runtime.uplink import Uplink

log = logging.getLogger(__name__)

STOP_WITHIN_S = 6.0
"""An ordered stop waits this long for the last text of the service."""
INPUT_ENDED_WITHIN_S = 120.0
"""After the end of a recording everything said is worth waiting for."""
STOP_ENDS_WITHIN_S = 18.0
"""An ordered stop that takes longer than all its parts may is stuck; systemd would kill it after 20 s."""
FAULT_ENDS_WITHIN_S = 10.0
"""The same after a fault: a last word to the broker, and the devices let go."""
SILENCE_WITHIN_S = 1.0
"""How long the loudspeaker has to fall silent."""
GOODBYE_WITHIN_S = 2.0
"""How long the broker has to take what is left."""
STORED_WITHIN_S = 3.0
"""How long the disk has to take what the broker did not."""


class PublisherService(Publisher, Protocol):
    """A publisher with a life of its own: the broker link, or a terminal."""

    async def run(self) -> None:
        """Serve until closed."""

    async def close(self, *, timeout_s: float = 5.0) -> bool:
        """Flush, say goodbye, end."""


@dataclass(frozen=True, slots=True)
class Services:
    """What has to be ended, in this order."""

    listener: Listener
    uplink: Uplink
    router: Router
    speaker: Speaker
    publisher: PublisherService


async def end_in_order(services: Services, supervisor: Supervisor, cause: StopCause, hurry: asyncio.Event) -> None:
    """Conclude what was said, publish it, say offline.

    After the end of a recording its text and speech are waited for, unless `hurry` is set meanwhile.
    """
    services.listener.stop()
    services.uplink.finish()
    if cause is StopCause.INPUT_ENDED:
        await _wait_for_everything(services, supervisor, hurry)
    if not await supervisor.ended("uplink", STOP_WITHIN_S):
        log.warning("the voice service did not finish in time; going without its last words")
    services.router.finish()
    services.speaker.cut("stopping")
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SILENCE_WITHIN_S):
            await services.speaker.settled()
    # also before a restart, which may not come to anything
    await services.publisher.close(timeout_s=GOODBYE_WITHIN_S)


async def end_after_fault(publisher: PublisherService) -> None:
    """Publish what is left and say offline, as far as that still can be done."""
    await publisher.close(timeout_s=GOODBYE_WITHIN_S)


def store_what_waits(spool: DiskSpool | None, outbox: Outbox) -> None:
    """The very last: what nobody took is kept for the next process, and what is not is told. Blocks, with a bound."""
    lost = outbox.text_waiting if spool is None else spool.close(STORED_WITHIN_S)
    waiting = outbox.text_waiting - lost
    if waiting:
        log.info("%d messages wait for the broker; they are delivered after the next start", waiting)
    if lost:
        log.warning("%d messages could not be delivered to the broker and are lost", lost)


async def _wait_for_everything(services: Services, supervisor: Supervisor, hurry: asyncio.Event) -> None:
    async def everything() -> None:
        await supervisor.ended("uplink", INPUT_ENDED_WITHIN_S)
        await services.speaker.settled()

    async with asyncio.TaskGroup() as group:
        rest = group.create_task(everything(), name="satellite.rest")
        hurried = group.create_task(hurry.wait(), name="satellite.hurry")
        await asyncio.wait({rest, hurried}, return_when=asyncio.FIRST_COMPLETED)
        rest.cancel()
        hurried.cancel()
