"""Faults that strike an open connection when their moment has come."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from websockets.asyncio.server import ServerConnection

from satellite.emulator.faults import Fault, FaultBox
from satellite.emulator.http import RequestResetError, reset
from satellite.emulator.report import ConnectionLog
from satellite.emulator.stalls import Stalls

USUAL_CODES = {"cut": 1011, "duration_limit": 1000, "accept_close": 1011, "no_end": 1000}


class Victim(Protocol):
    """The connection that a fault strikes."""

    socket: ServerConnection
    log: ConnectionLog

    async def strike_error(self, fault: Fault) -> None:
        """Send the fatal error message, and close as the service does."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Close from the server's side."""
        ...

    def garbage(self, what: str) -> str | bytes:
        """A message that the service should not send."""
        ...

    def stalled(self, is_stalled: bool) -> None:
        """Nothing is read, answered or sent from now on; False when it goes on."""
        ...


def usual_code(fault: Fault) -> int:
    """The close code of a fault: its own, else its kind's usual one."""
    return fault.code or USUAL_CODES.get(fault.kind, 1011)


async def strike_handshake(faults: FaultBox, connection: ServerConnection) -> int | None:
    """Act out what goes wrong with this handshake: the status that it is answered with, None lets it go on."""
    if (slow := faults.take("slow", "ws")) is not None:
        await asyncio.sleep(slow.delay_s)
    if faults.take("reset", "ws") is not None:
        reset(connection.transport)
        return 503
    fault = faults.take("handshake")
    return None if fault is None else fault.status


async def strike_request(faults: FaultBox, method: str) -> Fault | None:
    """Act out what goes wrong with this request: the `http` fault that it is answered with; RequestResetError cuts."""
    if (slow := faults.take("slow", method)) is not None:
        await asyncio.sleep(slow.delay_s)
    if faults.take("reset", method) is not None:
        raise RequestResetError
    return faults.take("http", method)


class Trouble:
    """Acts out the stream faults of one connection; `is_excused` once the client may leave as it likes."""

    def __init__(self, faults: FaultBox, stalls: Stalls, clock: Callable[[], float], victim: Victim) -> None:
        self._faults = faults
        self._stalls = stalls
        self._clock = clock
        self._victim = victim
        self._ordinal = faults.connections
        self.is_excused = False
        self.flow = asyncio.Event()
        self.flow.set()

    def let_go(self) -> None:
        """End a stall."""
        self.flow.set()

    async def act(self) -> None:
        """Do what is due by now, if anything."""
        log = self._victim.log
        fault = self._faults.due(self._ordinal, len(log.arrivals), self._clock() - log.opened_s)
        if fault is None:
            return
        self.is_excused = True
        if fault.kind == "error":
            await self._victim.strike_error(fault)
        elif fault.kind == "cut" and fault.how == "rst":
            reset(self._victim.socket.transport)
        elif fault.kind in ("cut", "duration_limit"):
            await self._victim.close(usual_code(fault), "")
        elif fault.kind == "stall":
            await self._stall(fault.for_s)
        else:
            await self._victim.socket.send(self._victim.garbage(fault.what))
        self._stalls.start(self._clock())

    async def _stall(self, for_s: float) -> None:
        """Read nothing, answer nothing, send nothing; the peer cannot be seen to leave meanwhile."""
        self._victim.stalled(True)
        self.flow.clear()
        self._victim.socket.transport.pause_reading()
        try:
            async with asyncio.timeout(for_s):
                await self.flow.wait()
        except TimeoutError:
            self._victim.stalled(False)
            self._victim.socket.transport.resume_reading()
            self.flow.set()
