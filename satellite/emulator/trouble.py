"""Faults that strike an open connection when their moment has come."""

import asyncio
from typing import Protocol

from websockets.asyncio.server import ServerConnection

from satellite.emulator import framing
from satellite.emulator.faults import Fault
from satellite.emulator.http import reset
from satellite.emulator.report import ConnectionLog
from satellite.emulator.service import Service
from satellite.emulator.tokens import Session

HUGE_BYTES = 3_000_000
USUAL_CODES = {"cut": 1011, "duration_limit": 1000, "accept_close": 1011, "no_end": 1000}


class Victim(Protocol):
    """The connection that a fault strikes."""

    socket: ServerConnection
    log: ConnectionLog

    async def fail(self, request: str, code: int, text: str) -> None:
        """Send the fatal `error` message and close."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Close from the server's side."""
        ...


def usual_code(fault: Fault) -> int:
    """The close code of a fault: its own, else its kind's usual one."""
    return fault.code or USUAL_CODES.get(fault.kind, 1011)


class Trouble:
    """Acts out the stream faults of one connection; `is_excused` once the client may leave as it likes."""

    def __init__(self, service: Service, session: Session, victim: Victim) -> None:
        self._service = service
        self._session = session
        self._victim = victim
        self._ordinal = service.faults.connections
        self.is_excused = False
        self.flow = asyncio.Event()
        self.flow.set()

    def let_go(self) -> None:
        """End a stall."""
        self.flow.set()

    async def act(self) -> None:
        """Do what is due by now, if anything."""
        log = self._victim.log
        elapsed_s = self._service.clock() - log.opened_s
        fault = self._service.faults.due(self._ordinal, len(log.arrivals), elapsed_s)
        if fault is None:
            return
        self.is_excused = True
        if fault.kind == "error":
            await self._victim.fail("source_media_chunk", fault.status, "injected fault")
        elif fault.kind == "cut" and fault.how == "rst":
            reset(self._victim.socket.transport)
        elif fault.kind in ("cut", "duration_limit"):
            await self._victim.close(usual_code(fault), "")
        elif fault.kind == "stall":
            await self._stall(fault.for_s)
        else:
            await self._send_garbage(fault.what)
        self._service.stalls.start(self._service.clock())

    async def _stall(self, for_s: float) -> None:
        """Read nothing, answer nothing, send nothing; the peer cannot be seen to leave meanwhile."""
        self._session.is_stalled = True
        self.flow.clear()
        self._victim.socket.transport.pause_reading()
        try:
            async with asyncio.timeout(for_s):
                await self.flow.wait()
        except TimeoutError:
            self._session.is_stalled = False
            self._session.last_data_s = self._service.clock()
            self._victim.socket.transport.resume_reading()
            self.flow.set()

    async def _send_garbage(self, what: str) -> None:
        message_format = self._session.config.message_format
        is_json = message_format == "json"
        frames: dict[str, str | bytes] = {
            "array": '["update"]' if is_json else b"\x91\xa6update",
            "unknown": framing.encode({"surprise": {"level": 11}}, message_format),
            "huge": framing.encode({"surprise": {"padding": "x" * HUGE_BYTES}}, message_format),
            "wrong_frame": framing.encode({"end_of_stream": {}}, "msgpack" if is_json else "json"),
        }
        await self._victim.socket.send(frames.get(what, "{not json" if is_json else b"\xc1\xff"))
