"""A voice service that repeats what it was told in confidence: the key and its tokens, in every place that it can."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from websockets.asyncio.server import Server, ServerConnection, serve

TOKEN = "token-of-one-dial-4567"


class Parrot:
    """Answers each POST with the next of `answers`, the last for ever; `asked` counts them."""

    def __init__(self) -> None:
        self.asked = 0
        self.streams = 0
        self._stream_port = 0
        self.answers: list[Callable[[str], bytes]] = [
            lambda key: answer(503, {"message": f"no {key} here"}, f"X-Trace-ID: {key}"),
            lambda key: b'HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{"token": "' + key.encode(),
            lambda key: answer(200, f"{key} {TOKEN}"),
            lambda key: answer(500, {"error": {"message": f"DeepL-Auth-Key {key}"}}, f"Server: {key}"),
            lambda key: answer(200, {"streaming_url": f"wss://{key}.example.org/{key}", "token": TOKEN}),
            lambda key: f"{key} {TOKEN}\r\n\r\n".encode(),
            lambda _: self._let_in(),
            lambda _: self._let_in(),
            lambda _: self._let_in(),
            lambda key: answer(401, {"message": f"{key} is no key", "detail": key}, f"X-Trace-ID: {key}"),
        ]

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Its address."""
        async with serve(self._talk, "127.0.0.1", 0) as streams:
            self._stream_port = port_of(streams)
            server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
            async with server:
                yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    def _let_in(self) -> bytes:
        return answer(200, {"streaming_url": f"ws://127.0.0.1:{self._stream_port}/v", "token": TOKEN})

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            key = next(line for line in head.split("\r\n") if line.lower().startswith("authorization")).split()[-1]
            make = self.answers[min(self.asked, len(self.answers) - 1)]
            self.asked += 1
            writer.write(make(key))
            await writer.drain()
        writer.close()

    async def _talk(self, connection: ServerConnection) -> None:
        self.streams += 1
        request = connection.request
        assert request is not None
        said = f"{request.path} {TOKEN}"
        await connection.recv()
        if self.streams == 1:
            await connection.close(1008, f"not with {TOKEN}")
        elif self.streams == 2:
            text = json.dumps({"error": {"error_code": 400, "reason_code": 7, "error_message": f"{said} is wrong"}})
            await connection.send(text)
        else:
            await connection.send("{" + said)


def answer(status: int, body: object, *headers: str) -> bytes:
    """An HTTP answer."""
    text = body if isinstance(body, str) else json.dumps(body)
    lines = [f"HTTP/1.1 {status} told", f"Content-Length: {len(text)}", "Connection: close", *headers, "", text]
    return "\r\n".join(lines).encode()


def port_of(server: Server) -> int:
    """Where a WebSocket server listens."""
    port: int = next(iter(server.sockets)).getsockname()[1]
    return port
