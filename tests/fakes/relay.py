"""A TCP relay on loopback that can refuse, cut, swallow or slow down what goes through it, and shows what passes."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable

Observer = Callable[[int, bool, bytes], None]
"""Told the number of a connection, whether bytes go upstream (to the target), and the bytes, as they are passed on."""
PIECE_BYTES = 4096
"""What the relay itself holds back of a stalled connection: the rest stays with the sender, as on a dead network."""


class _Link:
    """One connection through the relay: both its ends."""

    def __init__(self, number: int, client: asyncio.StreamWriter) -> None:
        self.number = number
        self.client = client
        self.target: asyncio.StreamWriter | None = None
        self.is_dead = False

    @property
    def writers(self) -> list[asyncio.StreamWriter]:
        return [self.client] if self.target is None else [self.client, self.target]

    def reset(self) -> None:
        """Cut both ends with RST."""
        for writer in self.writers:
            with contextlib.suppress(OSError):
                end = writer.get_extra_info("socket")
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class Relay:
    """Passes connections on `port` to `target_port` until told otherwise."""

    def __init__(self, target_port: int, observer: Observer | None = None) -> None:
        self.port = 0
        self.accepted = 0
        self.bytes_per_s: float | None = None
        """How much passes in each direction of each connection; None is all there is."""
        self.target_port = target_port
        self._observer = observer
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def up(self) -> None:
        """Accept connections, on the same port as before."""
        self._flowing.set()
        if self._server is not None:
            return
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=PIECE_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Refuse new connections and reset those that are open."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for link in self._links:
            link.is_dead = False
            link.reset()
        while self._links:
            self._flowing.set()
            await asyncio.sleep(0.01)

    async def interrupt(self) -> None:
        """Reset what is open, and accept again at once."""
        await self.down()
        await self.up()

    def hang_up(self) -> None:
        """End what is open by FIN in both directions, as a proxy does that is restarted."""
        for link in self._links:
            for writer in link.writers:
                writer.close()

    async def stall(self, seconds: float = 0.2) -> None:
        """Pass nothing on for a moment."""
        self.blackhole()
        await asyncio.sleep(seconds)
        self._flowing.set()

    def blackhole(self) -> None:
        """Keep connections open and pass nothing on, until `up` or `down`."""
        self._flowing.clear()

    def swallow(self) -> None:
        """What is open stays so and passes nothing on any more, as behind a router that forgot; new ones pass."""
        for link in self._links:
            if link.is_dead:
                link.reset()  # the dead of the time before have been given up by now
            link.is_dead = True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        link = _Link(self.accepted, writer)
        self._links.add(link)
        try:
            target_reader, link.target = await asyncio.open_connection("127.0.0.1", self.target_port, limit=PIECE_BYTES)
        except OSError:
            writer.transport.abort()
            self._links.discard(link)
            return
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(link, reader, is_upstream=True))
                group.create_task(self._pump(link, target_reader, is_upstream=False))
        finally:
            self._links.discard(link)

    async def _pump(self, link: _Link, reader: asyncio.StreamReader, *, is_upstream: bool) -> None:
        writer = link.target if is_upstream else link.client
        assert writer is not None
        with contextlib.suppress(OSError):
            while data := await reader.read(PIECE_BYTES):
                await self._pass_on(link, writer, data)
        # a connection that is dead hides its end too
        while link.is_dead and not writer.is_closing():
            await asyncio.sleep(0.1)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def _pass_on(self, link: _Link, writer: asyncio.StreamWriter, data: bytes) -> None:
        if self.bytes_per_s is not None:
            await asyncio.sleep(len(data) / self.bytes_per_s)
        await self._flowing.wait()
        while link.is_dead and not writer.is_closing():
            await asyncio.sleep(0.1)
        if writer.is_closing():
            raise ConnectionResetError
        if self._observer is not None:
            self._observer(link.number, writer is link.target, data)
        writer.write(data)
        await writer.drain()


@contextlib.asynccontextmanager
async def relay(target_port: int, observer: Observer | None = None) -> AsyncIterator[Relay]:
    """A relay that is up while the context is open."""
    made = Relay(target_port, observer)
    await made.up()
    try:
        yield made
    finally:
        await made.down()
