"""What a fault does to a connection of the emulated Deepgram Flux service."""

import json
from typing import Protocol

from websockets.asyncio.server import ServerConnection

from satellite.emulator.faults import Fault
from satellite.emulator.report import ConnectionLog

HUGE_BYTES = 3_000_000


class OpenStream(Protocol):
    """The connection itself."""

    socket: ServerConnection
    log: ConnectionLog
    is_stalled: bool

    async def fail(self, code: str, description: str) -> None:
        """Send the fatal error, and end."""
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
        """The fatal error that a fault wants: of the client's making below 500."""
        code = "INVALID_PARAMETER" if fault.status < 500 else "INTERNAL_SERVER_ERROR"
        await self._stream.fail(code, "injected fault")

    async def close(self, code: int, reason: str) -> None:
        """Close from the server's side."""
        await self._stream.close(code, reason)

    def stalled(self, is_stalled: bool) -> None:
        """A stalled connection cannot be seen to be silent."""
        self._stream.is_stalled = is_stalled

    def garbage(self, what: str) -> str | bytes:
        """A message that is none."""
        frames: dict[str, str | bytes] = {
            "array": '["TurnInfo"]',
            "unknown": json.dumps({"type": "Surprise", "level": 11}),
            "huge": json.dumps({"type": "Surprise", "padding": "x" * HUGE_BYTES}),
            "wrong_frame": b'{"type": "TurnInfo"}',
        }
        return frames.get(what, "{not json")
