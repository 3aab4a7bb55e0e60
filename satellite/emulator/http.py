"""A small HTTP/1.1 server for the REST half of a service: one handler, bounded requests, faults on demand."""

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

HEADER_LIMIT_BYTES = 16 * 1024
BODY_LIMIT_BYTES = 128 * 1024


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request; header names are lower case."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One answer."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, status: int, value: object, **headers: str) -> "HttpAnswer":
        """An answer with a JSON body; header names are given with underscores for dashes."""
        names = {name.replace("_", "-"): text for name, text in headers.items()}
        return cls(status, json.dumps(value).encode(), headers=names)


class RequestResetError(Exception):
    """Raised by a handler to cut the TCP connection instead of answering."""


class _BadRequestError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


Handler = Callable[[HttpRequest], Awaitable[HttpAnswer]]


def reset(transport: asyncio.BaseTransport) -> None:
    """Cut a connection with RST instead of FIN."""
    raw = transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()


class HttpServer:
    """Serves `handler` on one loopback port; can stop and resume listening on the same port."""

    def __init__(self, handler: Handler, host: str, tls: ssl.SSLContext | None) -> None:
        self._handler = handler
        self._host = host
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def listen(self, port: int) -> None:
        """Listen on a port (0: any free one, kept in `port`)."""
        self._server = await asyncio.start_server(
            self._serve, self._host, port, limit=HEADER_LIMIT_BYTES, ssl=self._tls
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Stop listening; connections that are open stay."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def close(self) -> None:
        """Stop listening and cut every connection."""
        self.refuse()
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while await self._one(reader, writer):
                pass
        except RequestResetError:
            reset(writer.transport)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            writer.transport.abort()
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        try:
            request = await _read_request(reader)
        except _BadRequestError as fault:
            await _write(writer, HttpAnswer.json(fault.status, {"message": str(fault)}), keep_open=False)
            return False
        if request is None:
            return False
        answer = await self._handler(request)
        keep_open = request.headers.get("connection", "").lower() != "close"
        await _write(writer, answer, keep_open=keep_open)
        return keep_open


async def _read_request(reader: asyncio.StreamReader) -> HttpRequest | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as fault:
        raise _BadRequestError(431, "headers are over 16 KiB") from fault
    except asyncio.IncompleteReadError as fault:
        if not fault.partial:
            return None
        raise
    lines = head.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise _BadRequestError(400, "malformed request line")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:-2])}
    try:
        url = urlsplit(parts[1])
    except ValueError as fault:
        raise _BadRequestError(400, "malformed request target") from fault
    query = tuple(parse_qsl(url.query, keep_blank_values=True))
    return HttpRequest(parts[0], url.path, query, headers, await _read_body(reader, headers))


async def _read_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if "transfer-encoding" in headers:
        raise _BadRequestError(411, "a Content-Length is required")
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit() and len(length) < 10):
        raise _BadRequestError(400, "malformed Content-Length")
    if int(length) > BODY_LIMIT_BYTES:
        raise _BadRequestError(413, "the request body is over 128 KiB")
    return await reader.readexactly(int(length))


async def _write(writer: asyncio.StreamWriter, answer: HttpAnswer, *, keep_open: bool) -> None:
    try:
        phrase = HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = "Status"
    headers = {
        "Content-Type": answer.content_type,
        "Content-Length": str(len(answer.body)),
        "Date": formatdate(usegmt=True),
        "Connection": "keep-alive" if keep_open else "close",
        **answer.headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {answer.status} {phrase}\r\n{head}\r\n".encode("latin-1") + answer.body)
    await writer.drain()
