"""WebSocket connections of a session, against real servers on loopback."""

import asyncio
import socket
import ssl
import struct
from collections.abc import Sequence

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.typing import Subprotocol

from satellite.backends.base import (
    CloseSocket,
    OpenSocket,
    SendBytes,
    SendText,
    SocketClosed,
)
from satellite.errors import LocalMisuse
from tests.fakes.link_peers import (
    CLOSE,
    DEADLINE,
    OPENED,
    STARTED,
    Input,
    ScriptedSession,
    tcp_server,
    unused_port,
)
from tests.fakes.link_play import (
    HttpPeer,
    by_hand,
    conversation,
    dial,
    drive,
    driver,
    echo,
    hold,
    once,
    socket_server,
)


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


@pytest.mark.parametrize("is_echoed", [True, False])
async def test_a_ticket_in_place_of_a_subprotocol_may_be_echoed_or_not(is_echoed: bool) -> None:
    seen: list[str | None] = []

    async def talk(connection: ServerConnection) -> None:
        assert connection.request is not None
        seen.append(connection.request.headers.get("Sec-WebSocket-Protocol"))

    def choose(_connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        return offered[0] if is_echoed else None

    async with socket_server(talk, select_subprotocol=choose) as port:
        happened = await drive(once(OpenSocket(f"ws://127.0.0.1:{port}/", {}, ("ticket.Qm4Zt81LwXr0Yb6N",))))
    assert OPENED in happened
    assert seen == ["ticket.Qm4Zt81LwXr0Yb6N"]


@pytest.mark.parametrize("status", [401, 503])
async def test_a_refused_handshake_tells_its_status(status: int) -> None:
    peer = HttpPeer(f"HTTP/1.1 {status} No\r\nX-Trace: a-1\r\nContent-Length: 2\r\n\r\nno".encode())
    async with tcp_server(peer) as port:
        reason = f"the handshake was answered with HTTP {status}"
        (closed,) = await drive(once(dial(port)))
    assert closed == SocketClosed(False, None, reason, status)
    assert isinstance(closed, SocketClosed)
    assert (closed.headers["x-trace"], closed.body) == ("a-1", b"no")
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
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # a TCP transport has it
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
