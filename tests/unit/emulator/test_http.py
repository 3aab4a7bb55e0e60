import asyncio
from collections.abc import AsyncIterator

import pytest

from satellite.emulator.http import BODY_LIMIT_BYTES, HttpAnswer, HttpRequest, HttpServer, RequestResetError


async def echo(request: HttpRequest) -> HttpAnswer:
    if request.path == "/cut":
        raise RequestResetError
    status = 529 if request.path == "/odd" else 200
    query = [list(pair) for pair in request.query]
    return HttpAnswer.json(status, {"method": request.method, "query": query, "size": len(request.body)}, X_One="1")


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    server = HttpServer(echo, "127.0.0.1", None)
    await server.listen(0)
    yield server
    server.close()


async def talk(server: HttpServer, *requests: bytes) -> bytes:
    """Send requests on one connection and return all that comes back until it is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"".join(requests))
    try:
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()


def get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", *headers, "", ""]).encode()


LAST = "Connection: close"


async def test_requests_follow_one_another_on_a_connection(server: HttpServer) -> None:
    answer = await talk(server, get("/a?x=1&y="), get("/odd", "Content-Length: 3", LAST) + b"abc")
    assert answer.count(b"HTTP/1.1 200 OK") == 1
    assert b'[["x", "1"], ["y", ""]]' in answer
    assert b"HTTP/1.1 529 Status" in answer
    assert b'"size": 3' in answer
    assert b"X-One: 1" in answer


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / SPDY/3\r\n\r\n", 400),
        (get("http://[::1::/"), 400),
        (get("/", "Content-Length: many"), 400),
        (b"GET / HTTP/1.1\r\nContent-Length: \xb2\r\n\r\n", 400),
        (get("/", f"Content-Length: {'9' * 5_000}"), 400),
        (get("/", "Transfer-Encoding: chunked"), 411),
        (get("/", f"Content-Length: {BODY_LIMIT_BYTES + 1}"), 413),
        (get("/", "X: " + "a" * 20_000), 431),
    ],
)
async def test_requests_out_of_bounds_are_refused_and_closed(
    server: HttpServer, request_bytes: bytes, status: int
) -> None:
    assert (await talk(server, request_bytes)).startswith(f"HTTP/1.1 {status} ".encode())


async def test_a_handler_can_cut_the_connection(server: HttpServer) -> None:
    with pytest.raises(ConnectionResetError):
        await talk(server, get("/cut"))


async def test_a_client_that_leaves_in_the_middle_disturbs_nobody(server: HttpServer) -> None:
    for piece in (b"GET / HT", get("/", "Content-Length: 9") + b"abc"):
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(piece)
        writer.close()
        await writer.wait_closed()
    assert b"200 OK" in await talk(server, get("/", LAST))


async def test_it_stops_and_resumes_listening_on_the_same_port(server: HttpServer) -> None:
    server.refuse()
    with pytest.raises(ConnectionRefusedError):
        await talk(server, get("/", LAST))
    await server.listen(server.port)
    assert b"200 OK" in await talk(server, get("/", LAST))
