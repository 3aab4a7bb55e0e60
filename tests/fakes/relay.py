"""A TCP relay on loopback that can refuse, cut or swallow what goes through it."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator


class Relay:
    """Passes connections on `port` to `target_port` until told otherwise."""

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self.accepted = 0
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def up(self) -> None:
        """Accept connections, on the same port as before."""
        self._flowing.set()
        if self._server is not None:
            return
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Refuse new connections and reset those that are open."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            with contextlib.suppress(OSError):
                end = writer.get_extra_info("socket")
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        while self._writers:
            self._flowing.set()
            await asyncio.sleep(0.01)

    async def interrupt(self) -> None:
        """Reset what is open, and accept again at once."""
        await self.down()
        await self.up()

    async def stall(self, seconds: float = 0.2) -> None:
        """Pass nothing on for a moment."""
        self.blackhole()
        await asyncio.sleep(seconds)
        self._flowing.set()

    def blackhole(self) -> None:
        """Keep connections open and pass nothing on, until `up` or `down`."""
        self._flowing.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._writers.add(writer)
        try:
            target_reader, target = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            self._writers.discard(writer)
            return
        self._writers.add(target)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pump(reader, target))
            group.create_task(self._pump(target_reader, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        self._writers.discard(writer)


@contextlib.asynccontextmanager
async def relay(target_port: int) -> AsyncIterator[Relay]:
    """A relay that is up while the context is open."""
    made = Relay(target_port)
    await made.up()
    try:
        yield made
    finally:
        await made.down()
