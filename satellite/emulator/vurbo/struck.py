"""What a fault does to a connection of the emulated Vurbo service."""

import json
from typing import Protocol

from websockets.asyncio.server import ServerConnection

from satellite.emulator.faults import Fault
from satellite.emulator.report import ConnectionLog
from satellite.emulator.vurbo.line import SERVICE

HUGE_BYTES = 3_000_000


class OpenStream(Protocol):
    """The connection itself."""

    socket: ServerConnection
    log: ConnectionLog
    is_stalled: bool
    last_heartbeat_s: float

    async def fail(self, code: str, text: str) -> None:
        """Send a fatal error and close."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Close from the server's side."""
        ...


class Struck:
    """A connection as faults see it (trouble.Victim)."""

    def __init__(self, stream: OpenStream) -> None:
        self._stream = stream
        self.socket = stream.socket
        self.log = stream.log

    async def strike_error(self, fault: Fault) -> None:
        """A fatal error: of the recogniser, or of the audio where the fault has a status of a client's fault."""
        code = "audio_process_failed" if fault.status >= 500 else "internal_error"
        await self._stream.fail(code, "injected fault")

    async def close(self, code: int, reason: str) -> None:
        """Close from the server's side."""
        await self._stream.close(code, reason)

    def stalled(self, is_stalled: bool) -> None:
        """A stalled connection can send no heartbeat that is seen."""
        self._stream.is_stalled = is_stalled
        if not is_stalled:
            # what was not read in the stall is read right after it
            self._stream.last_heartbeat_s = max(self._stream.last_heartbeat_s, self.log.opened_s) + 30.0

    def garbage(self, what: str) -> str | bytes:
        """A message that is none."""
        frames: dict[str, str | bytes] = {
            "array": '["result"]',
            "unknown": json.dumps({"type": SERVICE, "data": {"action": "surprise", "level": 11}}),
            "huge": json.dumps({"type": "surprise", "data": {"padding": "x" * HUGE_BYTES}}),
            "wrong_frame": b"\x00\x01\x02",
        }
        return frames.get(what, "{not json")
