"""HTTP requests of a session, against real servers on loopback."""

import asyncio
import ssl

import pytest

from satellite.adapters.httpcall import MAX_ANSWER_BYTES, perform
from satellite.backends.base import (
    HttpFailed,
    HttpRequest,
    HttpResponse,
)
from satellite.errors import ErrorCategory
from tests.fakes.link_peers import (
    CLOSE,
    STARTED,
    Input,
    ScriptedSession,
    reset,
    tcp_server,
    unused_port,
)
from tests.fakes.link_play import (
    SECRET,
    HttpPeer,
    ask_http,
    drive,
    driver,
    once,
    post,
)


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


@pytest.mark.parametrize("url", [f"https://[/?token={SECRET}", f"http://[::1/{SECRET}", f"https://a\u2100b/{SECRET}"])
async def test_an_address_that_cannot_be_read_is_asked_nothing(url: str) -> None:
    refused = HttpFailed("not a https:// address", was_sent=False, category=ErrorCategory.INVALID_REQUEST)
    assert await drive(once(HttpRequest("GET", url, {}))) == [refused]
    unread = HttpFailed("the address cannot be read", was_sent=False, category=ErrorCategory.INVALID_REQUEST)
    assert await perform(HttpRequest("GET", url, {}), ssl.create_default_context()) == unread


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
