"""What every emulated voice service is, whichever protocol it speaks."""

import abc
import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from satellite.emulator.doors import Doors
from satellite.emulator.faults import Fault, FaultBox
from satellite.emulator.report import ConnectionLog, Ledger, Spoken, Violation


class SessionLog(Protocol):
    """One session of a client's."""

    @property
    def number(self) -> int:
        """Counted from 1."""

    @property
    def connections(self) -> Sequence[ConnectionLog]:
        """Its connections, with their audio."""

    @property
    def audio_ms(self) -> float:
        """Playback time of all audio received."""


class Emulator(abc.ABC):
    """An emulated service, used by `async with`; MediaError on files that cannot be used."""

    name: str
    """The backend that it is there for."""
    title = "voice service"
    """What people call the service."""

    def __init__(self, doors: Doors, ledger: Ledger, faults: FaultBox, planned: Sequence[Fault]) -> None:
        self.doors = doors
        self._ledger = ledger
        self._faults = faults
        self._planned = planned
        self._group = asyncio.TaskGroup()
        self._outages: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        await self.doors.open()
        for fault in self._planned:
            self.inject(fault)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for outage in self._outages:
            outage.cancel()
        await self.disconnect()
        await self.doors.close()
        self.settle()
        await self._group.__aexit__(None, None, None)

    @property
    @abc.abstractmethod
    def options(self) -> dict[str, object]:
        """What stands below `voice.<name>` in the configuration of a satellite that uses it."""

    @property
    @abc.abstractmethod
    def sessions(self) -> Sequence[SessionLog]:
        """Every session ever opened."""

    @property
    @abc.abstractmethod
    def spoken(self) -> list[Spoken]:
        """Every segment that was synthesised, in order."""

    @property
    @abc.abstractmethod
    def billed_ms(self) -> int:
        """What the service would bill."""

    @abc.abstractmethod
    def report(self) -> dict[str, object]:
        """Everything that was seen, ready for JSON."""

    @abc.abstractmethod
    async def disconnect(self) -> None:
        """Close every open connection: the service goes away."""

    def settle(self) -> None:  # noqa: B027 - most services have nothing to judge afterwards
        """Judge what only the end can show."""

    @property
    def violations(self) -> list[Violation]:
        """Every published rule broken so far."""
        return self._ledger.violations

    def inject(self, fault: Fault) -> None:
        """Arm a fault; `refuse` acts at once (`at_s` later when given), the others at their occasion."""
        if fault.kind == "refuse":
            self._outages.append(self._group.create_task(self._refuse(fault)))
        else:
            self._faults.add(fault)

    async def _refuse(self, fault: Fault) -> None:
        await asyncio.sleep(fault.at_s or 0)
        self.doors.refuse()
        await asyncio.sleep(fault.for_s)
        await self.doors.reopen()
