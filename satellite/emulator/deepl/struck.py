"""What a fault does to a connection of the emulated DeepL Voice service."""

from typing import Protocol

from websockets.asyncio.server import ServerConnection

from satellite.emulator.deepl import framing
from satellite.emulator.deepl.service import Service
from satellite.emulator.deepl.tokens import Session
from satellite.emulator.faults import Fault
from satellite.emulator.report import ConnectionLog

HUGE_BYTES = 3_000_000


class OpenStream(Protocol):
    """The connection itself."""

    socket: ServerConnection
    log: ConnectionLog

    async def fail(self, request: str, code: int, text: str) -> None:
        """Send the fatal `error` message and close."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Close from the server's side."""
        ...


class Struck:
    """A connection as faults see it (trouble.Victim)."""

    def __init__(self, service: Service, session: Session, stream: OpenStream) -> None:
        self._service = service
        self._session = session
        self._stream = stream
        self.socket = stream.socket
        self.log = stream.log

    async def strike_error(self, fault: Fault) -> None:
        """The fatal error that a fault wants."""
        await self._stream.fail("source_media_chunk", fault.status, "injected fault")

    async def close(self, code: int, reason: str) -> None:
        """Close from the server's side."""
        await self._stream.close(code, reason)

    def stalled(self, is_stalled: bool) -> None:
        """A stalled connection cannot be seen to time out."""
        self._session.is_stalled = is_stalled
        if not is_stalled:
            self._session.last_data_s = self._service.clock()

    def garbage(self, what: str) -> str | bytes:
        """A message that is none, in the session's format."""
        message_format = self._session.config.message_format
        is_json = message_format == "json"
        frames: dict[str, str | bytes] = {
            "array": '["update"]' if is_json else b"\x91\xa6update",
            "unknown": framing.encode({"surprise": {"level": 11}}, message_format),
            "huge": framing.encode({"surprise": {"padding": "x" * HUGE_BYTES}}, message_format),
            "wrong_frame": framing.encode({"end_of_stream": {}}, "msgpack" if is_json else "json"),
        }
        return frames.get(what, "{not json" if is_json else b"\xc1\xff")
