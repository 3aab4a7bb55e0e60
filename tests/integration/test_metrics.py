"""The page of figures over real sockets: what is answered, and who is not waited for."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from satellite.adapters import metrics
from satellite.adapters.metrics import CONNECTIONS_MAX, HEAD_BYTES_MAX, MetricsServer
from satellite.adapters.mosquitto import free_port
from tests.fakes.virtual_time import running

WAIT_S = 10.0
PAGE = "a_total 1\n"
GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not holds():
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                break
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)
    try:
        yield reader, writer
    finally:
        writer.close()


async def rest(reader: asyncio.StreamReader) -> bytes:
    """What comes until the connection ends."""
    async with asyncio.timeout(WAIT_S):
        return await reader.read()


async def asked(port: int, request: bytes) -> tuple[str, str]:
    """Head and body of the answer, after which the connection ends."""
    async with connected(port) as (reader, writer):
        writer.write(request)
        head, _, body = (await rest(reader)).decode().partition("\r\n\r\n")
    return head, body


@pytest.fixture
async def port() -> AsyncIterator[int]:
    number = free_port()
    async with running(MetricsServer("127.0.0.1", number, lambda: PAGE).run):
        yield number


async def test_the_page_is_what_prometheus_asks_for(port: int) -> None:
    head, body = await asked(port, GET)
    lines = head.split("\r\n")
    assert lines[0] == "HTTP/1.1 200 OK"
    assert "Content-Type: text/plain; version=0.0.4; charset=utf-8" in lines
    assert f"Content-Length: {len(PAGE)}" in lines
    assert "Connection: close" in lines
    assert body == PAGE


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (b"GET /metrics?name%5B%5D=up HTTP/1.0\r\n\r\n", "200 OK"),
        (b"GET / HTTP/1.1\r\n\r\n", "404 Not Found"),
        (b"GET /metrics/more HTTP/1.1\r\n\r\n", "404 Not Found"),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "405 Method Not Allowed"),
        (b"HEAD /metrics HTTP/1.1\r\n\r\n", "405 Method Not Allowed"),
        (b"GET /metrics\r\n\r\n", "400 Bad Request"),
        (b"GET /metrics HTTP/2.0\r\n\r\n", "400 Bad Request"),
        (b"\x16\x03\x01\x02\r\n\r\n", "400 Bad Request"),
        (b"GET /metrics HTTP/1.1\r\nX: " + b"x" * HEAD_BYTES_MAX + b"\r\n\r\n", "431 Request Header Fields Too Large"),
        (b"x" * (2 * HEAD_BYTES_MAX), "431 Request Header Fields Too Large"),
    ],
)
async def test_anything_else_is_refused(port: int, request_head: bytes, status: str) -> None:
    head, _ = await asked(port, request_head)
    assert head.split("\r\n")[0] == f"HTTP/1.1 {status}"
    assert ("Allow: GET" in head) == status.startswith("405")


async def test_who_goes_without_asking_is_no_fault(port: int) -> None:
    for sent in (b"", b"GET /met"):
        async with connected(port) as (reader, writer):
            writer.write(sent)
            writer.write_eof()
            assert await rest(reader) == b""
    assert (await asked(port, GET))[1] == PAGE


async def test_who_is_slow_is_cut_off(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "ANSWERED_WITHIN_S", 0.1)
    async with connected(port) as (reader, _):
        assert await rest(reader) == b""


async def test_more_than_a_few_at_a_time_are_cut_off(port: int) -> None:
    async with contextlib.AsyncExitStack() as waiting:
        peers = [await waiting.enter_async_context(connected(port)) for _ in range(CONNECTIONS_MAX)]
        async with connected(port) as (reader, _):
            assert await rest(reader) == b""
        reader, writer = peers[0]
        writer.write(GET)
        assert (await rest(reader)).endswith(PAGE.encode())
    assert (await asked(port, GET))[1] == PAGE


async def test_at_the_end_the_address_is_free_and_nobody_is_kept() -> None:
    number = free_port()
    async with contextlib.AsyncExitStack() as peers:
        async with running(MetricsServer("127.0.0.1", number, lambda: PAGE).run):
            reader, _ = await peers.enter_async_context(connected(number))
            assert (await asked(number, GET))[1] == PAGE
        assert await rest(reader) == b""
    async with running(MetricsServer("127.0.0.1", number, lambda: PAGE).run):
        assert (await asked(number, GET))[1] == PAGE


async def test_an_address_that_is_taken_is_told_once_and_tried_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(metrics, "RETRY_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as other:
        number = other.getsockname()[1]
        async with running(MetricsServer("127.0.0.1", number, lambda: PAGE).run):
            await until(lambda: bool(caplog.messages))
            await asyncio.sleep(0.2)  # several tries
            (said,) = caplog.messages
            assert "address already in use" in said
            other.close()
            assert (await asked(number, GET))[1] == PAGE


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1"])
async def test_an_address_of_another_machine_is_told(host: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "satellite")
    async with running(MetricsServer(host, 9780, lambda: PAGE).run):
        await until(lambda: "nobody can read them" in caplog.text)
    assert "None" not in caplog.text
