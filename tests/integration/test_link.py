"""SessionDriver: waking, timers, events and logs."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import replace

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from satellite.adapters import httpcall
from satellite.adapters import link as link_module
from satellite.adapters.link import SessionDriver
from satellite.backends.base import (
    Action,
    CloseSocket,
    HttpFailed,
    HttpRequest,
    HttpResponse,
    OpenRoom,
    OpenSocket,
    SendAudio,
    SendBytes,
    SendPing,
    SendText,
    SocketClosed,
)
from satellite.core.events import ConnectionLost, SessionOpened, VoiceEvent
from tests.fakes.link_peers import (
    AUDIO,
    CLOSE,
    DEADLINE,
    OPENED,
    STARTED,
    Input,
    LoopClock,
    ScriptedSession,
    reset,
    tcp_server,
    unused_port,
)
from tests.fakes.link_play import (
    SECRET,
    HttpPeer,
    by_hand,
    dial,
    drive,
    driver,
    once,
    post,
    socket_server,
)
from tests.fakes.virtual_time import VirtualLoop


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


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_no_log_at_any_level_holds_a_token_or_a_payload(
    secure: bool, certificates: tuple[ssl.SSLContext, ssl.SSLContext], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("websockets", "websockets.client", "asyncio", "satellite"):
        caplog.set_level(logging.DEBUG, logger=name)
    asyncio.get_running_loop().set_debug(True)
    scheme = "wss" if secure else "ws"
    peer = HttpPeer(b"HTTP/1.1 200 OK\r\nSet-Cookie: " + SECRET.encode() + b"\r\nContent-Length: 0\r\n\r\n")

    async def talk(connection: ServerConnection) -> None:
        await connection.send(f"answer {SECRET}")
        async for _ in connection:
            pass

    async def slam(connection: ServerConnection) -> None:
        await connection.close(1008, f"no use for {SECRET}")

    def react(session: ScriptedSession, given: Input) -> None:
        if given == STARTED:
            session.ask(post(http_port, scheme="https" if secure else "http"))
        elif isinstance(given, HttpResponse):
            session.ask(dial(port, scheme))
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
    async with socket_server(slam, server_tls, logger=silent) as port:
        (closed,) = (given for given in await drive(once(dial(port, scheme)), tls=certificates[1]) if given != OPENED)
    assert closed == SocketClosed(was_open=True, code=1008, reason=f"no use for {SECRET}")
    assert "session abc123: connected" in caplog.text
    ours = [record for record in caplog.records if record.name == "satellite.adapters.link"]
    assert {vars(record)["session_id"] for record in ours} == {"abc123"}
    assert "abc123: closed: code 1008, by the service" in caplog.text
    assert SECRET not in caplog.text


def test_one_verifying_tls_context_serves_the_whole_process() -> None:
    context = link_module.shared_tls()
    assert context is link_module.shared_tls()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


# --- what arrives, and when nothing does --------------------------------------------------------------------------


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
async def test_a_pong_comes_once_the_peer_has_read_what_went_before_its_ping(
    secure: bool, certificates: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    got: list[str | bytes] = []
    may_read = asyncio.Event()

    async def talk(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await may_read.wait()
        connection.transport.resume_reading()
        got.extend([await connection.recv(), await connection.recv()])
        await connection.wait_closed()

    def react(session: ScriptedSession, given: Input) -> None:
        if given == STARTED:
            session.ask(dial(port, "wss" if secure else "ws"))
        elif given == OPENED:
            session.ask(SendBytes(b"one"), SendPing(7), SendText("two"), SendPing(8))
            session.deadline = LoopClock().monotonic() + 0.3
        elif given == DEADLINE:
            may_read.set()
        elif given == "<pong 8>":
            session.ask(CloseSocket())
        elif isinstance(given, SocketClosed):
            session.end()

    async with socket_server(talk, certificates[0] if secure else None) as port:
        inputs = await drive(react, tls=certificates[1])
    assert inputs[:4] == [OPENED, DEADLINE, "<pong 7>", "<pong 8>"]
    assert got == [b"one", "two"]


async def test_a_message_and_its_ping_leave_in_one_piece() -> None:
    pieces: list[int] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pieces.append(len(await reader.read(65536)))
        reset(writer)

    def react(session: ScriptedSession, given: Input) -> None:
        if given == STARTED:
            session.ask(dial(port))
        elif given == OPENED:
            session.ask(SendBytes(b"x" * 100), SendPing(1))
        elif isinstance(given, SocketClosed):
            session.end()

    async with tcp_server(by_hand(listen)) as port:
        await drive(react)
    assert pieces == [2 + 4 + 100 + 2 + 4 + 12]


async def read_nothing(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
async def test_a_connection_is_cut_at_once_when_the_peer_is_taken_to_be_gone(
    secure: bool, certificates: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    def react(session: ScriptedSession, given: Input) -> None:
        if given == STARTED:
            session.ask(dial(port, "wss" if secure else "ws"))
        elif given == OPENED:
            session.ask(CloseSocket(reason="nothing arrived", at_once=True))
        elif isinstance(given, SocketClosed):
            session.end()

    async with tcp_server(by_hand(read_nothing), certificates[0] if secure else None) as port:
        inputs = await drive(react, tls=certificates[1])
    assert inputs == [OPENED, SocketClosed(True, 1006, "nothing arrived")]


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux can limit how long a peer is silent")
@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
async def test_one_large_burst_that_the_peer_never_reads_ends_the_connection(
    secure: bool, certificates: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    def react(session: ScriptedSession, given: Input) -> None:
        if given == STARTED:
            session.ask(dial(port, "wss" if secure else "ws"))
        elif given == OPENED:
            session.ask(SendBytes(bytes(30_000_000)))
        elif isinstance(given, SocketClosed):
            session.end()

    async with tcp_server(by_hand(read_nothing), certificates[0] if secure else None) as port:
        _, closed = await drive(react, tls=certificates[1], send_deadline_s=0.5)
    assert isinstance(closed, SocketClosed)
    assert (closed.was_open, closed.code) == (True, 1006)


# --- what the service wishes, and what a person can mend -----------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (b"Retry-After: 7\r\n", "7"),
        (b"Retry-After: Sat, 21 Nov 2026 10:02:30 GMT\r\nDate: Sat, 21 Nov 2026 10:00:00 GMT\r\n", "150"),
        (b"Retry-After: Sat, 21 Nov 2026 09:00:00 GMT\r\nDate: Sat, 21 Nov 2026 10:00:00 GMT\r\n", "0"),
        (b"Retry-After: Tue, 14 Nov 2023 22:14:20 GMT\r\n", "60"),
        (b"Retry-After: soon\r\n", "soon"),
    ],
    ids=["seconds", "date", "past", "date without the service's clock", "nonsense"],
)
async def test_a_wish_to_wait_is_told_in_seconds(headers: bytes, seconds: str) -> None:
    class Clock(LoopClock):
        def wall(self) -> float:
            return 1_700_000_000.0

    peer = HttpPeer(b"HTTP/1.1 429 Slow Down\r\n" + headers + b"Content-Length: 0\r\n\r\n")
    async with tcp_server(peer) as port:
        session = ScriptedSession(once(post(port)))
        session.start(0.0)
        await SessionDriver(session, lambda _: None, Clock()).run()
    (answer,) = session.inputs[1:]
    assert isinstance(answer, HttpResponse)
    assert answer.headers["retry-after"] == seconds


def certificate_error(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code = code
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (certificate_error(9), "clock"),
        (certificate_error(10), "clock"),
        (certificate_error(18), "log-in"),
        (certificate_error(62), "log-in"),
        (ssl.SSLError(1, "wrong version number"), "log-in"),
        (socket.gaierror(-3, "Temporary failure in name resolution"), "name server"),
    ],
)
def test_what_a_person_can_mend_is_said(error: Exception, words: str) -> None:
    assert words in str(httpcall.mend(error))
    assert httpcall.mend(ConnectionRefusedError()) is None


async def test_a_foreign_certificate_is_told_with_its_mend(
    certificates: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    async with tcp_server(HttpPeer(b""), certificates[0]) as port:
        (failed,) = await drive(once(post(port, scheme="https")), tls=ssl.create_default_context())
        (closed,) = await drive(once(dial(port, "wss")), tls=ssl.create_default_context())
    assert isinstance(failed, HttpFailed)
    assert isinstance(closed, SocketClosed)
    assert (failed.hint, closed.hint) == (httpcall.FOREIGN_HINT, httpcall.FOREIGN_HINT)
    assert "certificate refused" in failed.detail


# --- after the end -----------------------------------------------------------------------------------------------

GRANTED = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n42"


async def test_what_the_end_itself_asks_for_is_done() -> None:
    peer = HttpPeer(GRANTED)

    def react(session: ScriptedSession, given: Input) -> None:
        if given == STARTED:
            session.ask(post(port))
            session.end()

    async with tcp_server(peer) as port:
        assert await drive(react, timeout_s=5.0) == []
    assert len(peer.requests) == 1


async def test_a_request_that_binds_the_peer_is_waited_for_and_undone() -> None:
    peer = HttpPeer(GRANTED)

    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await asyncio.sleep(0.2)
        await peer(reader, writer)

    def undo(answer: HttpResponse) -> HttpRequest | None:
        return replace(post(port), method="DELETE") if answer.body == b"42" else None

    def react(session: ScriptedSession, given: Input) -> None:
        if given == STARTED:
            session.ask(replace(post(port), disown=undo))

    async with tcp_server(slowly) as port:
        asked = asyncio.Event()
        session = ScriptedSession(react)
        session.start(0.0)
        link = driver(session)
        async with asyncio.TaskGroup() as group, asyncio.timeout(10):
            running = group.create_task(link.run())
            await asked.wait()
            session.end()
            link.wake()
            await running
    assert [line.split()[0] for line, _, _ in peer.requests] == ["POST", "DELETE"]
    assert session.inputs == [STARTED]


async def test_one_that_left_nothing_needs_no_undoing() -> None:
    peer = HttpPeer(GRANTED)

    def react(session: ScriptedSession, given: Input) -> None:
        if given == STARTED:
            session.ask(replace(post(port), disown=lambda _: None))
            session.end()

    async with tcp_server(peer) as port:
        assert await drive(react) == []
    assert len(peer.requests) == 1


async def test_a_room_is_asked_for_as_safely_as_a_socket() -> None:
    (closed,) = await drive(once(OpenRoom("ws://example.org", "token")))
    assert closed == SocketClosed(was_open=False, reason="ws:// is for this machine only, use wss://")


@pytest.mark.parametrize(
    "url", [f"wss://[/?token={SECRET}", f"ws://[::1?{SECRET}", f"wss://a\u2100b/{SECRET}", "wss://]"]
)
@pytest.mark.parametrize("make", [OpenSocket, lambda url: OpenRoom(url, SECRET)], ids=["socket", "room"])
async def test_an_address_that_cannot_be_read_is_a_dial_that_failed(make: Callable[[str], Action], url: str) -> None:
    (closed,) = await drive(once(make(url)))
    assert closed == SocketClosed(was_open=False, reason="not a wss:// address")


async def test_sound_without_a_room_goes_nowhere() -> None:
    def react(session: ScriptedSession, given: Input) -> None:
        if given == STARTED:
            session.ask(SendAudio(b"12"))
            session.end()

    assert await drive(react) == []
