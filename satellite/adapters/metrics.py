"""MetricsServer: a page of figures over HTTP, for a Prometheus that asks; one answer for each connection."""

import asyncio
import http
import logging
import re
from collections.abc import Callable

log = logging.getLogger(__name__)

HEAD_BYTES_MAX = 4096
"""Longest request, headers included."""
CONNECTIONS_MAX = 8
"""At a time; more are cut off."""
ANSWERED_WITHIN_S = 5.0
"""From the connection to its end: whoever is slower is cut off."""
RETRY_S = 15.0
"""Between two tries to get the address: another program may let go of it, an interface may come up late."""

_REQUEST = re.compile(rb"([A-Z]+) ([^ \r\n]+) HTTP/1\.[01]\r\n")


class MetricsServer:
    """Serves what `page` gives at /metrics."""

    def __init__(self, host: str, port: int, page: Callable[[], str]) -> None:
        self._host = host
        self._port = port
        self._page = page
        self._open: set[asyncio.WriteTransport] = set()

    async def run(self) -> None:
        """Serve until cancelled; an address that cannot be had is told once, and tried again."""
        server = await self._listen()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            server.close()
            for transport in self._open:
                transport.abort()

    async def _listen(self) -> asyncio.Server:
        is_told = False
        while True:
            try:
                server = await asyncio.start_server(
                    self._serve, self._host, self._port, limit=HEAD_BYTES_MAX, backlog=CONNECTIONS_MAX
                )
            except OSError as error:
                if not is_told:
                    why = error.strerror or "metrics.host is no address of this machine"
                    log.warning("metrics: nobody can read them: %s; trying again until it works", why)
                    is_told = True
                await asyncio.sleep(RETRY_S)
            else:
                log.info("metrics: served at %s port %d", self._host, self._port)
                return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection. Never raises for what the peer does."""
        transport = writer.transport
        if len(self._open) >= CONNECTIONS_MAX:
            transport.abort()
            return
        self._open.add(transport)
        try:
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                writer.write(await self._answer(reader))
                writer.close()
                await writer.wait_closed()
        except (OSError, EOFError):  # gone, or too slow (a TimeoutError): nobody is there to be told
            pass
        finally:
            transport.abort()
            self._open.discard(transport)

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return _refusal(http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        request = _REQUEST.match(head)
        if request is None:
            return _refusal(http.HTTPStatus.BAD_REQUEST)
        method, target = request.groups()
        if target.partition(b"?")[0] != b"/metrics":
            return _refusal(http.HTTPStatus.NOT_FOUND)
        if method != b"GET":
            return _refusal(http.HTTPStatus.METHOD_NOT_ALLOWED, "Allow: GET\r\n")
        page = self._page().encode(errors="replace")
        return _response(http.HTTPStatus.OK, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n", page)


def _refusal(status: http.HTTPStatus, headers: str = "") -> bytes:
    return _response(status, f"{headers}Content-Type: text/plain\r\n", f"{status.phrase}\n".encode())


def _response(status: http.HTTPStatus, headers: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status} {status.phrase}\r\n{headers}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body
