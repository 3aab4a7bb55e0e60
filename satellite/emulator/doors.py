"""The ports of an emulated service: HTTP on one, WebSocket on the other, both with or without TLS."""

import logging
import ssl
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from satellite.emulator.http import Handler, HttpServer
from satellite.emulator.settings import EmulatorSettings

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
CLOSE_TIMEOUT_S = 1.0

_socket_log = logging.getLogger("websockets.emulator")
# below errors the library writes request lines, and these carry tokens
_socket_log.setLevel(logging.ERROR)

Judge = Callable[[ServerConnection, Request], Awaitable[Response | None]]
"""Lets a handshake go on with None."""
Subprotocols = Callable[[ServerConnection, Sequence[Subprotocol]], Subprotocol | None]
"""Chooses among those offered."""
Serve = Callable[[ServerConnection], Awaitable[None]]


class Doors:
    """Listens on both ports; can stop and resume on the same ones."""

    def __init__(
        self,
        settings: EmulatorSettings,
        handle: Handler,
        judge: Judge,
        serve_socket: Serve,
        subprotocol: Subprotocols | None = None,
        connection: type[ServerConnection] = ServerConnection,
    ) -> None:
        self._settings = settings
        self._tls: ssl.SSLContext | None = settings.tls_context()
        self._rest = HttpServer(handle, settings.host, self._tls)
        self._judge = judge
        self._serve_socket = serve_socket
        self._subprotocol = subprotocol
        self._connection = connection
        self._sockets: list[Server] = []
        """The last is the one that listens; those before it may still have connections open."""
        self.socket_port = settings.ws_port

    @property
    def http_url(self) -> str:
        """Where HTTP is answered."""
        return f"{'http' if self._tls is None else 'https'}://{self._settings.host}:{self._rest.port}"

    @property
    def socket_url(self) -> str:
        """Where WebSockets are accepted, as clients are told."""
        where = self._settings.advertised or f"{self._settings.host}:{self.socket_port}"
        return f"{'ws' if self._tls is None else 'wss'}://{where}"

    async def open(self) -> None:
        """Listen on the ports of the settings."""
        await self._rest.listen(self._settings.http_port)
        await self._listen_socket()

    def refuse(self) -> None:
        """Listen on no port; connections that are open stay."""
        self._rest.refuse()
        self._sockets[-1].server.close()

    async def reopen(self) -> None:
        """Listen on the same ports again."""
        await self._rest.listen(self._rest.port)
        await self._listen_socket()

    async def close(self) -> None:
        """Stop listening and cut what is open."""
        self._rest.close()
        for listener in self._sockets:
            listener.close()
            await listener.wait_closed()

    async def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """What asks for no address gets as far as this."""
        try:
            urlsplit(request.path)
        except ValueError:
            return connection.respond(400, "malformed request target\n")
        return await self._judge(connection, request)

    async def _listen_socket(self) -> None:
        listener = await serve(
            self._serve_socket,
            self._settings.host,
            self.socket_port,
            ssl=self._tls,
            process_request=self._admit,
            select_subprotocol=self._subprotocol,
            create_connection=self._connection,
            compression=None,
            ping_interval=None,
            close_timeout=CLOSE_TIMEOUT_S,
            max_size=MAX_MESSAGE_BYTES,
            logger=_socket_log,
        )
        self._sockets.append(listener)
        self.socket_port = next(iter(listener.sockets)).getsockname()[1]
