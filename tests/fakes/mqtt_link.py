"""The broker link with everything around it that tests need."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable

from satellite.adapters.clock import SystemClock
from satellite.adapters.mqtt import LinkHooks, MqttLink, MqttSettings
from satellite.adapters.outbox import Outbox
from satellite.core.backoff import Backoff
from satellite.homeassistant.commands import Command, CommandRefused
from satellite.homeassistant.messages import Delivery, Message
from satellite.homeassistant.topics import Topics

TOPICS = Topics("voice-satellite", "kitchen")
BIRTH = "homeassistant/status"
WAIT_S = 10.0


class Report:
    """What the link told its hooks, and a way to wait for it."""

    def __init__(self) -> None:
        self.connections = 0
        self.births = 0
        self.states: list[tuple[bool, str | None]] = []
        self.commands: list[Command | CommandRefused] = []
        self.on_connected: Callable[[], None] = lambda: None
        self.on_command: Callable[[Command | CommandRefused], None] = lambda command: None
        self._news = asyncio.Event()

    @property
    def hooks(self) -> LinkHooks:
        return LinkHooks(self._connected, self._command, self._state, self._birth)

    def _connected(self) -> None:
        self.connections += 1
        self.on_connected()
        self._news.set()

    def _command(self, command: Command | CommandRefused) -> None:
        self.commands.append(command)
        self.on_command(command)
        self._news.set()

    def _state(self, is_connected: bool, problem: str | None) -> None:
        self.states.append((is_connected, problem))
        self._news.set()

    def _birth(self) -> None:
        self.births += 1
        self._news.set()

    async def connected(self, times: int = 1) -> None:
        async with asyncio.timeout(WAIT_S):
            while self.connections < times:
                self._news.clear()
                await self._news.wait()

    async def problem(self, part: str) -> str:
        """Wait for a problem that contains `part`."""
        async with asyncio.timeout(WAIT_S):
            while True:
                for _, problem in self.states:
                    if problem is not None and part in problem:
                        return problem
                self._news.clear()
                await self._news.wait()

    async def commanded(self, count: int) -> list[Command | CommandRefused]:
        async with asyncio.timeout(WAIT_S):
            while len(self.commands) < count:
                self._news.clear()
                await self._news.wait()
        return self.commands

    async def born(self) -> None:
        async with asyncio.timeout(WAIT_S):
            while not self.births:
                self._news.clear()
                await self._news.wait()


def make_link(settings: MqttSettings, report: Report, outbox: Outbox | None = None) -> MqttLink:
    backoff = Backoff(random.Random(1).random, first_s=0.3, cap_s=0.3)
    return MqttLink(settings, TOPICS, outbox if outbox is not None else Outbox(), report.hooks, backoff, SystemClock())


@contextlib.asynccontextmanager
async def running(link: MqttLink) -> AsyncIterator[asyncio.Task[None]]:
    """The link runs while the context is open; its end is awaited."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(link.run())
        yield task
        task.cancel()


def settings(port: int, **more: object) -> MqttSettings:
    values: dict[str, object] = {"host": "127.0.0.1", "port": port, "timeout_s": 5.0, "birth_topic": BIRTH, **more}
    return MqttSettings(**values)  # type: ignore[arg-type]  # tests name the fields they mean


def concluded(text: str) -> Message:
    return Message(TOPICS.transcript, text.encode())


def state(text: str) -> Message:
    return Message(TOPICS.state, text.encode(), retain=True, delivery=Delivery.LATEST)


def tentative(text: str) -> Message:
    return Message(TOPICS.transcript_tentative, text.encode(), qos=0, delivery=Delivery.TRANSIENT)


class OldBroker:
    """Answers CONNECT of MQTT 5 as a 3.1.1 broker does, and speaks just enough 3.1.1."""

    def __init__(self) -> None:
        self.levels: list[int] = []
        self.published: list[bytes] = []
        self.subscription_answer = 1
        self.answers_too_many = 0
        self.connect_answer = 0
        self.hated_topic = ""
        """A message to it is answered by the end of the connection."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while await self._answer(reader, writer):
                await writer.drain()
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        kind = (await reader.readexactly(1))[0]
        size, shift = 0, 0
        while True:
            digit = (await reader.readexactly(1))[0]
            size |= (digit & 0x7F) << shift
            shift += 7
            if not digit & 0x80:
                break
        body = await reader.readexactly(size)
        if kind == 0x10:
            self.levels.append(body[6])
            writer.write(b"\x20\x02\x00" + bytes([self.connect_answer if body[6] == 4 else 1]))
            return body[6] == 4
        if kind == 0x82:
            filters = _filters(body[2:]) + self.answers_too_many
            if not self.subscription_answer:
                return False
            writer.write(b"\x90" + bytes([2 + filters]) + body[:2] + bytes([self.subscription_answer] * filters))
        if kind & 0xF0 == 0x30:
            topic_end = 2 + int.from_bytes(body[:2], "big")
            if body[2:topic_end].decode() == self.hated_topic:
                return False
            self.published.append(body[topic_end + 2 :])
            writer.write(b"\x40\x02" + body[topic_end : topic_end + 2])
        return True


def _filters(entries: bytes) -> int:
    """How many there are, each with its length before it and its QoS behind."""
    count = at = 0
    while at < len(entries):
        at += 2 + int.from_bytes(entries[at : at + 2], "big") + 1
        count += 1
    return count


@contextlib.asynccontextmanager
async def no_broker(greeting: bytes = b"") -> AsyncIterator[int]:
    """The port of a service that greets, and makes nothing of what it is told."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@contextlib.asynccontextmanager
async def old_broker() -> AsyncIterator[tuple[OldBroker, int]]:
    old = OldBroker()
    server = await asyncio.start_server(old.serve, "127.0.0.1", 0)
    async with server:
        yield old, server.sockets[0].getsockname()[1]
