"""Plays for the link: a session that wants this, a peer that does that, and what the session saw."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from websockets.asyncio.server import ServerConnection, serve
from websockets.utils import accept_key

from satellite.adapters.link import SessionDriver
from satellite.backends.base import (
    Action,
    CloseSocket,
    HttpFailed,
    HttpRequest,
    HttpResponse,
    OpenSocket,
    SendBytes,
    SendText,
    SocketClosed,
)
from satellite.core.events import VoiceEvent
from tests.fakes.link_peers import (
    OPENED,
    STARTED,
    Handler,
    Input,
    LoopClock,
    React,
    ScriptedSession,
    tcp_server,
)

SECRET = "s3cret-token"


def driver(
    session: ScriptedSession,
    on_event: Callable[[VoiceEvent], None] = lambda _event: None,
    tls: ssl.SSLContext | None = None,
    send_deadline_s: float = 10.0,
) -> SessionDriver:
    return SessionDriver(session, on_event, LoopClock(), tls, session_id="abc123", send_deadline_s=send_deadline_s)


async def drive(
    react: React, tls: ssl.SSLContext | None = None, send_deadline_s: float = 10.0, timeout_s: float = 20.0
) -> list[Input]:
    """Run a session to its end; its inputs after the start."""
    session = ScriptedSession(react)
    session.start(LoopClock().monotonic())
    async with asyncio.timeout(timeout_s):
        await driver(session, tls=tls, send_deadline_s=send_deadline_s).run()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("satellite.")]
    return session.inputs[1:]


def once(*actions: Action) -> React:
    """A session that wants these at its start, and ends with the first answer that is not an opening or a message."""

    def react(session: ScriptedSession, given: Input) -> None:
        if given == STARTED:
            session.ask(*actions)
        elif isinstance(given, HttpResponse | HttpFailed | SocketClosed):
            session.end()

    return react


class HttpPeer:
    """Answers each request with the same bytes and keeps what it was sent."""

    def __init__(self, answer: bytes) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self._answer = answer

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.requests.append((head[0], headers, body))
        writer.write(self._answer)
        await writer.drain()
        await asyncio.sleep(0.05)


def post(port: int, *, scheme: str = "http", timeout_s: float = 15.0, connect_timeout_s: float = 5.0) -> HttpRequest:
    return HttpRequest(
        "POST",
        f"{scheme}://localhost:{port}/v3/voice?token={SECRET}",
        {"Authorization": f"Key {SECRET}", "Content-Type": "application/json"},
        b'{"a":1}',
        connect_timeout_s=connect_timeout_s,
        timeout_s=timeout_s,
    )


async def ask_http(handler: Handler, **options: float) -> HttpResponse | HttpFailed:
    async with tcp_server(handler) as port:
        (answer,) = await drive(once(post(port, **options)))  # type: ignore[arg-type]  # options are passed on unseen
    assert isinstance(answer, HttpResponse | HttpFailed)
    if isinstance(answer, HttpFailed):
        assert SECRET not in answer.detail
    return answer


@asynccontextmanager
async def socket_server(
    talk: Callable[[ServerConnection], object], tls: ssl.SSLContext | None = None, **options: object
) -> AsyncIterator[int]:
    async with serve(talk, "127.0.0.1", 0, ssl=tls, **options) as server:  # type: ignore[arg-type]  # options are passed on unseen
        yield next(iter(server.sockets)).getsockname()[1]


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def hold(connection: ServerConnection) -> None:
    await connection.wait_closed()


def dial(port: int, scheme: str = "ws", **options: float) -> OpenSocket:
    return OpenSocket(f"{scheme}://localhost:{port}/stream?token={SECRET}", **options)  # type: ignore[arg-type]  # options are passed on unseen


def conversation(opening: OpenSocket, *messages: SendText | SendBytes) -> React:
    """Send these once open, close after as many answers."""
    left = len(messages)

    def react(session: ScriptedSession, given: Input) -> None:
        nonlocal left
        if given == STARTED:
            session.ask(opening)
        elif given == OPENED:
            session.ask(*messages)
        elif isinstance(given, SocketClosed):
            session.end()
        else:
            left -= 1
            if left == 0:
                session.ask(CloseSocket(1000, "done"))

    return react


ACCEPTED = b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n"


def by_hand(then: Handler) -> Handler:
    """A server that shakes hands and then does what it is told, whatever the protocol says."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(line.split(": ")[1] for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key"))
        writer.write(ACCEPTED % accept_key(key).encode())
        await then(reader, writer)

    return handler
