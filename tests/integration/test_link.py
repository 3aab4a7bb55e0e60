"""SessionDriver against real servers on loopback."""

import asyncio
import logging
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.utils import accept_key

from satellite.adapters import link as link_module
from satellite.adapters.httpcall import MAX_ANSWER_BYTES
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
from satellite.core.events import ConnectionLost, SessionOpened, VoiceEvent
from satellite.errors import ErrorCategory, LocalMisuse
from tests.fakes.link_peers import (
    AUDIO,
    CLOSE,
    DEADLINE,
    OPENED,
    STARTED,
    Handler,
    Input,
    LoopClock,
    React,
    ScriptedSession,
    make_certificates,
    reset,
    tcp_server,
    unused_port,
)
from tests.fakes.virtual_time import VirtualLoop

SECRET = "s3cret-token"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    return make_certificates(tmp_path_factory.mktemp("tls"))


def driver(
    session: ScriptedSession,
    on_event: Callable[[VoiceEvent], None] = lambda _event: None,
    tls: ssl.SSLContext | None = None,
    send_deadline_s: float = 10.0,
) -> SessionDriver:
    return SessionDriver(session, on_event, LoopClock(), tls, label="abc123", send_deadline_s=send_deadline_s)


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


# --- HTTP ---------------------------------------------------------------------------------------------------


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
        (answer,) = await drive(once(post(port, **options)))  # type: ignore[arg-type]
    assert isinstance(answer, HttpResponse | HttpFailed)
    if isinstance(answer, HttpFailed):
        assert SECRET not in answer.detail
    return answer


async def test_a_request_arrives_whole_and_so_does_its_answer() -> None:
    peer = HttpPeer(b"HTTP/1.1 429 Slow Down\r\nRetry-After: 7\r\nX-Trace-ID: t1\r\nContent-Length: 2\r\n\r\nno")
    answer = await ask_http(peer)
    assert answer == HttpResponse(429, {"retry-after": "7", "x-trace-id": "t1", "content-length": "2"}, b"no")
    ((line, headers, body),) = peer.requests
    assert line == f"POST /v3/voice?token={SECRET} HTTP/1.1"
    assert body == b'{"a":1}'
    assert headers["authorization"] == f"Key {SECRET}"
    assert headers["host"].startswith("localhost:")
    assert headers["connection"] == "close"


async def test_a_redirect_is_an_answer_and_not_followed() -> None:
    elsewhere = HttpPeer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    async with tcp_server(elsewhere) as other_port:
        location = f"http://127.0.0.1:{other_port}/".encode()
        peer = HttpPeer(b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n")
        answer = await ask_http(peer)
    assert isinstance(answer, HttpResponse)
    assert answer.status == 302
    assert len(peer.requests) == 1
    assert elsewhere.requests == []


async def test_a_refused_connection_was_certainly_not_sent() -> None:
    (failed,) = await drive(once(post(unused_port())))
    assert isinstance(failed, HttpFailed)
    assert not failed.was_sent
    assert failed.category is ErrorCategory.CONNECTIVITY
    assert "localhost" in failed.detail
    assert SECRET not in failed.detail


async def test_an_unknown_host_was_certainly_not_sent(certificates: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    request = HttpRequest("GET", f"https://no-such-host.invalid/?token={SECRET}", {})
    (failed,) = await drive(once(request), tls=certificates[1])
    assert isinstance(failed, HttpFailed)
    assert not failed.was_sent
    assert SECRET not in failed.detail


@pytest.mark.parametrize(
    "url", ["https://localhost:70000/", "https://localhost:port/", "https:///x", "https://a b/?t=1"]
)
async def test_an_address_that_is_none_fails_quietly(url: str) -> None:
    (failed,) = await drive(once(HttpRequest("GET", url, {})))
    assert isinstance(failed, HttpFailed)
    assert not failed.was_sent


async def test_a_connection_dropped_after_the_request_was_sent() -> None:
    async def drop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b'{"a":1}')
        reset(writer)

    answer = await ask_http(drop)
    assert isinstance(answer, HttpFailed)
    assert answer.was_sent


async def test_no_answer_in_time_was_sent() -> None:
    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    answer = await ask_http(wait, timeout_s=0.3)
    assert answer == HttpFailed("localhost: no answer in time", was_sent=True)


async def test_an_answer_that_drips_is_bounded_as_a_whole() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b'{"a":1}')
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    answer = await ask_http(drip, timeout_s=0.4)
    assert answer == HttpFailed("localhost: no answer in time", was_sent=True)


@pytest.mark.parametrize("length", [b"Content-Length: 4000000\r\n", b""], ids=["declared", "to the end"])
async def test_an_answer_is_capped(length: bytes) -> None:
    peer = HttpPeer(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n" + b"x" * 4_000_000)
    answer = await ask_http(peer)
    assert answer == HttpFailed(f"localhost: answer larger than {MAX_ANSWER_BYTES} bytes", was_sent=True)


async def test_an_answer_that_is_not_http() -> None:
    answer = await ask_http(HttpPeer(b"SSH-2.0-x\r\n\r\n"))
    assert answer == HttpFailed("localhost: BadStatusLine", was_sent=True)


async def test_http_over_tls(certificates: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    server, client = certificates
    peer = HttpPeer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    async with tcp_server(peer, server) as port:
        answers = await drive(once(post(port, scheme="https")), tls=client)
    assert answers == [HttpResponse(200, {"content-length": "2"}, b"ok")]


async def test_an_untrusted_certificate_is_refused_before_anything_is_sent(
    certificates: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    peer = HttpPeer(b"")
    async with tcp_server(peer, certificates[0]) as port:
        (failed,) = await drive(once(post(port, scheme="https")))
    assert isinstance(failed, HttpFailed)
    assert not failed.was_sent
    assert failed.detail.startswith("localhost: certificate refused: ")
    assert peer.requests == []


async def test_a_stalled_tls_handshake_counts_as_no_connection(
    certificates: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with tcp_server(mute) as port:
        answers = await drive(once(post(port, scheme="https", connect_timeout_s=0.3)), tls=certificates[1])
    assert answers == [HttpFailed("localhost: no connection in time", was_sent=False)]


@pytest.mark.parametrize("url", ["http://192.0.2.1/x?token=1", "http://example.invalid/", "ftp://localhost/", "x"])
async def test_plain_http_reaches_this_machine_only(url: str) -> None:
    (failed,) = await drive(once(HttpRequest("GET", url, {})))
    assert isinstance(failed, HttpFailed)
    assert not failed.was_sent
    assert failed.category is ErrorCategory.INVALID_REQUEST
    assert "https://" in failed.detail


async def test_cancelling_during_a_request_drops_the_connection() -> None:
    arrived, dropped = asyncio.Event(), asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b'{"a":1}')
        arrived.set()
        await reader.read()
        dropped.set()

    async with tcp_server(wait) as port:
        session = ScriptedSession(once(post(port, timeout_s=600)))
        session.start(0.0)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(driver(session).run())
            await arrived.wait()
            task.cancel()
        await dropped.wait()
    assert session.inputs == [STARTED]


async def test_a_session_closed_while_requesting_waits_for_nothing() -> None:
    arrived, dropped = asyncio.Event(), asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b'{"a":1}')
        arrived.set()
        await reader.read()
        dropped.set()

    def react(session: ScriptedSession, given: Input) -> None:
        if given == STARTED:
            session.ask(post(port, timeout_s=600))
        elif given == CLOSE:
            session.end()

    async with tcp_server(wait) as port, asyncio.TaskGroup() as group:
        session = ScriptedSession(react)
        session.start(0.0)
        link = driver(session)
        group.create_task(link.run())
        await arrived.wait()
        session.close(1.0)
        link.wake()
        await dropped.wait()
    assert session.inputs == [STARTED, CLOSE]


async def test_a_request_that_is_part_of_the_end_is_still_made() -> None:
    peer = HttpPeer(b"HTTP/1.1 204 No Content\r\n\r\n")

    def react(session: ScriptedSession, given: Input) -> None:
        session.ask(post(port))
        session.end()

    async with tcp_server(peer) as port:
        assert await drive(react) == []
    assert len(peer.requests) == 1


# --- WebSocket ----------------------------------------------------------------------------------------------


@asynccontextmanager
async def socket_server(
    talk: Callable[[ServerConnection], object], tls: ssl.SSLContext | None = None, **options: object
) -> AsyncIterator[int]:
    async with serve(talk, "127.0.0.1", 0, ssl=tls, **options) as server:  # type: ignore[arg-type]
        yield next(iter(server.sockets)).getsockname()[1]


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def hold(connection: ServerConnection) -> None:
    await connection.wait_closed()


def dial(port: int, scheme: str = "ws", **options: float) -> OpenSocket:
    return OpenSocket(f"{scheme}://localhost:{port}/stream?token={SECRET}", **options)  # type: ignore[arg-type]


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


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
async def test_messages_go_both_ways_in_order(
    secure: bool, certificates: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    messages: list[SendText | SendBytes] = [
        SendText("héllo"),
        SendBytes(b"\x00\xff"),
        SendText(""),
        SendBytes(b"x" * 200_000),
    ]
    endings: list[tuple[int | None, str | None]] = []

    async def talk(connection: ServerConnection) -> None:
        await echo(connection)
        endings.append((connection.close_code, connection.close_reason))

    async with socket_server(talk, certificates[0] if secure else None) as port:
        inputs = await drive(conversation(dial(port, "wss" if secure else "ws"), *messages), tls=certificates[1])
    assert inputs == [OPENED, "héllo", b"\x00\xff", "", b"x" * 200_000, SocketClosed(True, 1000, "done")]
    assert endings == [(1000, "done")]


async def test_the_handshake_says_no_more_than_it_must() -> None:
    seen: list[dict[str, str]] = []

    async def talk(connection: ServerConnection) -> None:
        assert connection.request is not None
        seen.append({name.lower(): value for name, value in connection.request.headers.raw_items()})

    async with socket_server(talk, subprotocols=["voice.v2", "voice.v1"]) as port:
        opening = OpenSocket(f"ws://127.0.0.1:{port}/", {"Authorization": "Token x"}, ("voice.v1",))
        await drive(once(opening))
    (headers,) = seen
    assert headers["authorization"] == "Token x"
    assert headers["sec-websocket-protocol"] == "voice.v1"
    assert headers["user-agent"] == "voice-satellite"
    assert "origin" not in headers
    assert "sec-websocket-extensions" not in headers


@pytest.mark.parametrize("status", [401, 503])
async def test_a_refused_handshake_tells_its_status(status: int) -> None:
    peer = HttpPeer(f"HTTP/1.1 {status} No\r\nContent-Length: 2\r\n\r\nno".encode())
    async with tcp_server(peer) as port:
        reason = f"the handshake was answered with HTTP {status}"
        assert await drive(once(dial(port))) == [SocketClosed(False, None, reason, status)]
    assert len(peer.requests) == 1


async def test_a_redirected_handshake_is_not_followed() -> None:
    elsewhere = HttpPeer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    async with tcp_server(elsewhere) as other_port:
        location = f"ws://127.0.0.1:{other_port}/stream".encode()
        peer = HttpPeer(b"HTTP/1.1 307 Go\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n")
        async with tcp_server(peer) as port:
            (closed,) = await drive(once(dial(port)))
    assert isinstance(closed, SocketClosed)
    assert closed.http_status == 307
    assert len(peer.requests) == 1
    assert elsewhere.requests == []


@pytest.mark.parametrize(
    "answer",
    [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 101 Yes\r\n\r\n", b"HTTP/1.1 200 " + b"x" * 20_000],
    ids=["nothing", "not http", "no upgrade", "endless line"],
)
async def test_a_handshake_answered_with_nonsense(answer: bytes) -> None:
    peer = HttpPeer(answer)
    async with tcp_server(peer) as port:
        (closed,) = await drive(once(dial(port)))
    assert isinstance(closed, SocketClosed)
    assert not closed.was_open
    assert closed.reason
    assert len(peer.requests) == 1


async def test_a_handshake_that_is_not_answered_times_out() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with tcp_server(mute) as port:
        inputs = await drive(once(dial(port, open_timeout_s=0.3)))
    assert inputs == [SocketClosed(False, None, "no connection in time")]


async def test_a_refused_dial() -> None:
    (closed,) = await drive(once(dial(unused_port())))
    assert isinstance(closed, SocketClosed)
    assert not closed.was_open


@pytest.mark.parametrize(
    "url", ["ws://192.0.2.1/", "ws://example.invalid/?t=1", "http://localhost/", "wss://a b/?t=1", ""]
)
async def test_an_address_that_must_not_be_dialled(url: str) -> None:
    (closed,) = await drive(once(OpenSocket(url)))
    assert isinstance(closed, SocketClosed)
    assert not closed.was_open
    assert closed.reason
    assert "t=1" not in closed.reason


async def test_an_untrusted_certificate_is_not_dialled(certificates: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async with socket_server(echo, certificates[0]) as port:
        (closed,) = await drive(once(dial(port, "wss")))
    assert isinstance(closed, SocketClosed)
    assert not closed.was_open
    assert closed.reason.startswith("certificate refused: ")


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
async def test_the_peer_closes(secure: bool, certificates: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async def talk(connection: ServerConnection) -> None:
        await connection.send("last words")
        await connection.close(4008, "rate\nlimit")

    async with socket_server(talk, certificates[0] if secure else None) as port:
        inputs = await drive(once(dial(port, "wss" if secure else "ws")), tls=certificates[1])
    assert inputs == [OPENED, "last words", SocketClosed(True, 4008, "rate?limit")]


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
async def test_a_connection_reset(secure: bool, certificates: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async def talk(connection: ServerConnection) -> None:
        connected = connection.transport.get_extra_info("socket")
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.transport.abort()

    async with socket_server(talk, certificates[0] if secure else None) as port:
        inputs = await drive(once(dial(port, "wss" if secure else "ws")), tls=certificates[1])
    assert inputs[0] == OPENED
    closed = inputs[1]
    assert isinstance(closed, SocketClosed)
    assert closed.was_open
    assert closed.code == 1006


ACCEPTED = b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n"


def by_hand(then: Handler) -> Handler:
    """A server that shakes hands and then does what it is told, whatever the protocol says."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(line.split(": ")[1] for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key"))
        writer.write(ACCEPTED % accept_key(key).encode())
        await then(reader, writer)

    return handler


async def test_half_a_close_is_a_lost_connection() -> None:
    async def half_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write_eof()
        await reader.read()

    async with tcp_server(by_hand(half_close)) as port:
        inputs = await drive(once(dial(port)))
    assert inputs == [OPENED, SocketClosed(True, 1006, "connection lost")]


async def test_a_peer_that_says_close_and_stays_is_cut_off() -> None:
    async def close_and_stay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x88\x04\x03\xe8ok")
        await reader.read()
        await asyncio.sleep(60)

    async with tcp_server(by_hand(close_and_stay)) as port:
        inputs = await drive(once(dial(port)))
    assert inputs == [OPENED, SocketClosed(True, 1000, "ok")]


async def test_a_peer_that_does_not_answer_a_close_is_cut_off() -> None:
    async def ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    def react(session: ScriptedSession, given: Input) -> None:
        if given == STARTED:
            session.ask(dial(port))
        elif given == OPENED:
            session.ask(CloseSocket(1000))
        elif isinstance(given, SocketClosed):
            session.end()

    async with tcp_server(by_hand(ignore)) as port:
        (_, closed) = await drive(react)
    assert isinstance(closed, SocketClosed)
    assert closed.was_open


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
async def test_a_reader_that_stalls_is_given_up(
    secure: bool, certificates: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(60)

    def react(session: ScriptedSession, given: Input) -> None:
        if given == STARTED:
            session.ask(dial(port, "wss" if secure else "ws"))
        elif given in (OPENED, DEADLINE):
            session.ask(SendBytes(b"x" * 100_000))
            session.deadline = session.times[-1] + 0.001
        elif isinstance(given, SocketClosed):
            session.end()

    async with tcp_server(by_hand(stall), certificates[0] if secure else None) as port:
        inputs = await drive(react, tls=certificates[1], send_deadline_s=0.3)
    assert [given for given in inputs if given != DEADLINE] == [
        OPENED,
        SocketClosed(True, 1006, "nothing could be sent for 0.3 s"),
    ]


async def test_a_reader_that_is_only_slow_is_waited_for() -> None:
    got = 0

    async def slow(connection: ServerConnection) -> None:
        nonlocal got
        async for message in connection:
            got += len(message)
            await asyncio.sleep(0.02)
            if got == 16_000_000:
                await connection.close()

    def react(session: ScriptedSession, given: Input) -> None:
        if given == STARTED:
            session.ask(dial(port))
        elif given == OPENED:
            session.ask(*[SendBytes(b"x" * 1_000_000)] * 16)
        elif isinstance(given, SocketClosed):
            session.end()

    async with socket_server(slow, max_queue=1) as port:
        inputs = await drive(react)
    assert got == 16_000_000
    assert inputs == [OPENED, SocketClosed(True, 1000)]


async def test_a_message_over_the_limit_ends_the_connection() -> None:
    async def talk(connection: ServerConnection) -> None:
        await connection.send("x" * 1000)
        await connection.send("x" * 1001)
        await connection.wait_closed()

    async with socket_server(talk) as port:
        inputs = await drive(once(dial(port, max_message_bytes=1000)))
    closed = inputs.pop()
    assert inputs == [OPENED, "x" * 1000]
    assert isinstance(closed, SocketClosed)
    assert (closed.was_open, closed.code) == (True, 1009)


async def test_a_text_that_is_not_utf8_ends_the_connection() -> None:
    async def talk(connection: ServerConnection) -> None:
        await connection.send(b"\xff\xfe", text=True)
        await connection.wait_closed()

    async with socket_server(talk) as port:
        (_, closed) = await drive(once(dial(port)))
    assert isinstance(closed, SocketClosed)
    assert (closed.was_open, closed.code) == (True, 1007)


async def test_unanswered_pings_end_the_connection() -> None:
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with tcp_server(by_hand(deaf)) as port:
        inputs = await drive(once(dial(port, ping_interval_s=0.1, ping_timeout_s=0.2)))
    assert inputs == [OPENED, SocketClosed(True, 1011, "keepalive ping timeout")]


async def test_answered_pings_keep_the_connection() -> None:
    def react(session: ScriptedSession, given: Input) -> None:
        if given == STARTED:
            session.ask(dial(port, ping_interval_s=0.05, ping_timeout_s=0.2))
        elif given == OPENED:
            session.deadline = session.times[-1] + 0.6
        elif given == DEADLINE:
            session.ask(CloseSocket())
        elif isinstance(given, SocketClosed):
            session.end()

    async with socket_server(hold) as port:
        assert await drive(react) == [OPENED, DEADLINE, SocketClosed(True, 1000)]


async def test_a_dial_can_be_given_up() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await reader.read()
        dropped.set()

    def react(session: ScriptedSession, given: Input) -> None:
        if given == STARTED:
            session.ask(dial(port, open_timeout_s=60))
        elif given == CLOSE:
            session.ask(CloseSocket())
        elif isinstance(given, SocketClosed):
            session.end()

    arrived, dropped = asyncio.Event(), asyncio.Event()
    async with tcp_server(mute) as port, asyncio.TaskGroup() as group:
        session = ScriptedSession(react)
        session.start(0.0)
        link = driver(session)
        group.create_task(link.run())
        await arrived.wait()
        session.close(1.0)
        link.wake()
        await dropped.wait()
    assert session.inputs == [STARTED, CLOSE, SocketClosed(False, None, "given up while connecting")]


async def test_a_dial_given_up_before_it_began() -> None:
    peer = HttpPeer(b"")

    def react(session: ScriptedSession, given: Input) -> None:
        if given == STARTED:
            session.ask(dial(port), CloseSocket())
        else:
            session.end()

    async with tcp_server(peer) as port:
        assert await drive(react) == [SocketClosed(False, None, "given up while connecting")]
    assert peer.requests == []


async def test_a_final_session_leaves_no_socket_behind() -> None:
    closed: list[int | None] = []

    async def talk(connection: ServerConnection) -> None:
        await connection.send("bye")
        await connection.wait_closed()
        closed.append(connection.close_code)

    def react(session: ScriptedSession, given: Input) -> None:
        if given == STARTED:
            session.ask(dial(port))
        elif given == "bye":
            session.end()

    async with socket_server(talk) as port:
        assert await drive(react) == [OPENED, "bye"]
    assert closed == [1000]


async def test_two_sockets_at_once_are_a_bug_of_the_session() -> None:
    async with socket_server(hold) as port:
        with pytest.raises(ExceptionGroup) as caught:
            await drive(once(dial(port), dial(port)))
    assert caught.group_contains(LocalMisuse)


async def test_connections_can_follow_each_other() -> None:
    def react(session: ScriptedSession, given: Input) -> None:
        dials = session.inputs.count(OPENED)
        if given == STARTED or (isinstance(given, SocketClosed) and dials < 3):
            session.ask(dial(port))
        elif given == OPENED:
            session.ask(CloseSocket(1000, str(dials)))
        elif isinstance(given, SocketClosed):
            session.end()

    async with socket_server(hold) as port:
        inputs = await drive(react)
    assert inputs[0::2] == [OPENED] * 3
    assert inputs[1::2] == [SocketClosed(True, 1000, str(number)) for number in (1, 2, 3)]


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
async def test_cancelling_closes_the_socket(secure: bool, certificates: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    opened, dropped = asyncio.Event(), asyncio.Event()

    async def talk(connection: ServerConnection) -> None:
        opened.set()
        await connection.wait_closed()
        dropped.set()

    async with socket_server(talk, certificates[0] if secure else None) as port:
        session = ScriptedSession(once(dial(port, "wss" if secure else "ws")))
        session.start(0.0)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(driver(session, tls=certificates[1]).run())
            await opened.wait()
            task.cancel()
        assert task.cancelled()
        await dropped.wait()


async def test_sending_while_nothing_is_open_is_no_fault() -> None:
    def react(session: ScriptedSession, given: Input) -> None:
        session.ask(SendText("a"), SendBytes(b"b"), CloseSocket())
        session.end()

    assert await drive(react) == []


# --- waking, timers, events ---------------------------------------------------------------------------------


async def test_woken_sends_leave_without_a_turn_of_the_loop() -> None:
    got: list[str | bytes] = []

    async def talk(connection: ServerConnection) -> None:
        try:
            while True:
                got.append(await connection.recv())
                await connection.send("seen")
        except ConnectionClosed:
            pass

    def react(session: ScriptedSession, given: Input) -> None:
        if given == STARTED:
            session.ask(dial(port))
        elif given == AUDIO:
            session.ask(SendBytes(b"audio"))
        elif given == OPENED:
            opened.set()
        elif given == "seen":
            session.ask(CloseSocket())
        elif isinstance(given, SocketClosed):
            session.end()

    opened = asyncio.Event()
    async with socket_server(talk) as port, asyncio.TaskGroup() as group:
        session = ScriptedSession(react)
        link = driver(session)
        link.wake()  # not running yet: nothing to do
        run = group.create_task(link.run())
        await asyncio.sleep(0)
        session.start(0.0)
        link.wake()
        await opened.wait()
        tasks = len(asyncio.all_tasks())
        session.audio_ready(1.0)
        link.wake()
        assert len(asyncio.all_tasks()) == tasks
        assert session.actions() == []
        await run
        link.wake()  # over: nothing to do
    assert got == [b"audio"]


async def test_events_come_in_order_and_a_consumer_may_call_back() -> None:
    seen: list[VoiceEvent] = []

    def react(session: ScriptedSession, given: Input) -> None:
        if given == STARTED:
            session.report(SessionOpened(resumed=False), ConnectionLost("one"))
        elif given == AUDIO:
            session.report(ConnectionLost("two"))
        elif given == CLOSE:
            session.end()

    def on_event(event: VoiceEvent) -> None:
        seen.append(event)
        if event == SessionOpened(resumed=False):
            session.audio_ready(1.0)
            link.wake()
        elif event == ConnectionLost("two"):
            session.close(2.0)
            link.wake()

    session = ScriptedSession(react)
    session.start(0.0)
    link = driver(session, on_event)
    await link.run()
    assert seen == [SessionOpened(resumed=False), ConnectionLost("one"), ConnectionLost("two")]


async def test_a_fault_in_a_consumer_ends_the_link_and_its_socket() -> None:
    dropped = asyncio.Event()

    async def talk(connection: ServerConnection) -> None:
        await connection.send("x")
        await connection.wait_closed()
        dropped.set()

    def react(session: ScriptedSession, given: Input) -> None:
        if given == STARTED:
            session.ask(dial(port))
        elif given == "x":
            session.report(ConnectionLost("boom"))

    def on_event(_event: VoiceEvent) -> None:
        raise ZeroDivisionError

    async with socket_server(talk) as port:
        session = ScriptedSession(react)
        session.start(0.0)
        with pytest.raises(ExceptionGroup) as caught:
            await driver(session, on_event).run()
        assert caught.group_contains(ZeroDivisionError)
        await dropped.wait()


def test_deadlines_in_virtual_time() -> None:
    plan = [3600.0, 0.0, 30.0]

    def react(session: ScriptedSession, given: Input) -> None:
        if given in (STARTED, DEADLINE):
            if plan:
                session.deadline = session.times[-1] + plan.pop(0)
            else:
                session.end()

    async def main() -> list[float]:
        session = ScriptedSession(react)
        session.start(LoopClock().monotonic())
        await driver(session).run()
        return session.times

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        times = runner.run(main())
    assert times == pytest.approx([1000.0, 4600.0, 4600.0, 4630.0])


def test_an_earlier_deadline_replaces_a_later_one_and_a_later_one_waits_in_virtual_time() -> None:
    async def main() -> ScriptedSession:
        def react(session: ScriptedSession, given: Input) -> None:
            if given == DEADLINE:
                session.end()

        clock = LoopClock()
        session = ScriptedSession(react)
        session.start(clock.monotonic())
        session.deadline = clock.monotonic() + 60
        link = driver(session)
        async with asyncio.TaskGroup() as group:
            group.create_task(link.run())
            await asyncio.sleep(1)
            session.deadline = clock.monotonic() + 5
            link.wake()
            await asyncio.sleep(1)
            session.deadline = clock.monotonic() + 10
            link.wake()
        return session

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        session = runner.run(main())
    assert session.inputs == [STARTED, DEADLINE]
    assert session.times == pytest.approx([1000.0, 1012.0])


# --- logs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_no_log_at_any_level_holds_a_token_or_a_payload(
    secure: bool, certificates: tuple[ssl.SSLContext, ssl.SSLContext], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("websockets", "websockets.client", "asyncio", "satellite"):
        caplog.set_level(logging.DEBUG, logger=name)
    asyncio.get_running_loop().set_debug(True)
    peer = HttpPeer(b"HTTP/1.1 200 OK\r\nSet-Cookie: " + SECRET.encode() + b"\r\nContent-Length: 0\r\n\r\n")

    async def talk(connection: ServerConnection) -> None:
        await connection.send(f"answer {SECRET}")
        async for _ in connection:
            pass

    def react(session: ScriptedSession, given: Input) -> None:
        if given == STARTED:
            session.ask(post(http_port, scheme="https" if secure else "http"))
        elif isinstance(given, HttpResponse):
            session.ask(dial(port, "wss" if secure else "ws"))
        elif given == OPENED:
            session.ask(SendText(f"question {SECRET}"))
        elif isinstance(given, str):
            session.ask(CloseSocket())
        else:
            session.end()

    silent = logging.getLogger("the server's own")
    silent.setLevel(logging.CRITICAL)
    server_tls = certificates[0] if secure else None
    async with tcp_server(peer, server_tls) as http_port, socket_server(talk, server_tls, logger=silent) as port:
        await drive(react, tls=certificates[1])
        assert await drive(once(dial(unused_port())), tls=certificates[1])
        assert await drive(once(post(unused_port())), tls=certificates[1])
    assert "abc123: connected" in caplog.text
    assert SECRET not in caplog.text


def test_one_verifying_tls_context_serves_the_whole_process() -> None:
    context = link_module.shared_tls()
    assert context is link_module.shared_tls()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
