"""One WebSocket connection by the `websockets` package; imported at the first dial, not before."""

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Any, cast

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus, InvalidURI
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from satellite.adapters import tcp
from satellite.adapters.httpcall import describe, mend
from satellite.backends.base import ABNORMAL_CLOSURE, OpenSocket, SocketClosed

CLOSE_TIMEOUT_S = 3.0
"""How long the peer may take over its half of an ending before the connection is cut."""
MAX_REASON_BYTES = 123  # RFC 6455 section 5.5: a control frame carries 125 bytes, two of them the code
MAX_BODY_BYTES = 16_384
"""Of the answer to a handshake that failed; what a service says of the reason is much shorter."""
USER_AGENT = "voice-satellite"
PING_MARK = b"sent"
"""Begins the payload of our pings; those of the library are four bytes long."""

# The library logs whole addresses, headers and payloads at debug level: it gets a logger that says nothing.
_silent = logging.Logger("satellite.websockets.silent", level=logging.CRITICAL + 1)  # noqa: LOG001 - must have no parent


class DialError(Exception):
    """No connection came about; `closed` says why."""

    def __init__(self, closed: SocketClosed) -> None:
        super().__init__(closed.reason)
        self.closed = closed


class _Dial(connect):
    """Exactly one dial: a redirect is a failure like any other."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Never follow: a second dial with a one-time token would end the session."""
        return exc


class Connection(ClientConnection):
    """A connection that is cut when nothing can be sent, or when the peer does not finish an ending."""

    send_deadline_s = 10.0
    on_pong: Callable[[int], None] | None = None
    """Told the number of each answered ping of ours."""
    _cut_reason: str | None = None
    _stall: asyncio.TimerHandle | None = None
    _ending: asyncio.TimerHandle | None = None

    def put(self, data: str | bytes) -> None:
        """Make one message ready for `flush`; dropped when the connection is no longer open."""
        if self.protocol.state is not State.OPEN:
            return
        if isinstance(data, str):
            self.protocol.send_text(data.encode())
        else:
            self.protocol.send_binary(data)

    def put_ping(self, number: int) -> None:
        """Make a ping ready for `flush`; dropped when the connection is no longer open."""
        if self.protocol.state is State.OPEN:
            self.protocol.send_ping(PING_MARK + number.to_bytes(8))

    def flush(self) -> None:
        """Hand over what was made ready, without waiting: a message and its ping in one piece."""
        if self.protocol.state is State.OPEN and self.protocol.writes:
            self.protocol.writes = [b"".join(self.protocol.writes)]
            self.send_data()

    def acknowledge_pings(self, data: bytes) -> None:
        """A pong came; the library's own pings are none of ours."""
        super().acknowledge_pings(data)
        mark, number = data[: len(PING_MARK)], data[len(PING_MARK) :]
        if mark == PING_MARK and self.on_pong is not None:
            self.on_pong(int.from_bytes(number))

    async def receive(self, on_message: Callable[[str | bytes], None]) -> SocketClosed:
        """Pass on every message until the connection is gone; say how it went."""
        while True:
            try:
                message = await self.recv()
            except ConnectionClosed as error:
                return _how_it_ended(error, self._cut_reason)
            on_message(message)

    async def end(self, code: int, reason: str) -> None:
        """Close in order, within CLOSE_TIMEOUT_S."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self.close(code, _capped(reason))
        except TimeoutError:
            await self.cut("the peer did not end the connection")

    async def cut(self, reason: str) -> None:
        """Close at once, without a word to the peer."""
        self._cut_now(reason)
        await self.wait_closed()

    def pause_writing(self) -> None:
        """The write buffer is full: from now on the send deadline runs."""
        super().pause_writing()
        reason = f"nothing could be sent for {self.send_deadline_s:g} s"
        self._stall = self.loop.call_later(self.send_deadline_s, self._cut_now, reason)

    def resume_writing(self) -> None:
        """The write buffer has drained."""
        super().resume_writing()
        self._forget_timers()

    def data_received(self, data: bytes) -> None:
        """Data came; after a Close frame only the end of the TCP connection is due."""
        super().data_received(data)
        if self.protocol.close_expected():
            self._expect_end()

    def eof_received(self) -> None:
        """The peer will send nothing more."""
        super().eof_received()
        self._expect_end()

    def connection_lost(self, exc: Exception | None) -> None:
        """The TCP connection is gone."""
        self._forget_timers()
        if self._ending is not None:
            self._ending.cancel()
        super().connection_lost(exc)

    def _expect_end(self) -> None:
        if self._ending is None:
            reason = "the peer did not end the connection"
            self._ending = self.loop.call_later(CLOSE_TIMEOUT_S, self._cut_now, reason)

    def _forget_timers(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _cut_now(self, reason: str) -> None:
        self._cut_reason = self._cut_reason or reason
        self.transport.abort()


def _how_it_ended(error: ConnectionClosed, cut_reason: str | None) -> SocketClosed:
    frame = error.rcvd or error.sent
    if frame is not None:
        return SocketClosed(was_open=True, code=frame.code, reason=_capped(frame.reason))
    cause = error.__cause__
    reason = cut_reason or (describe(cause) if isinstance(cause, OSError) else "connection lost")
    return SocketClosed(was_open=True, code=ABNORMAL_CLOSURE, reason=reason)


async def dial(action: OpenSocket, tls: ssl.SSLContext) -> Connection:
    """Connect and shake hands, once. Raises DialError."""
    try:
        async with asyncio.timeout(action.open_timeout_s):
            return await _shake_hands(action, tls)
    except InvalidStatus as error:
        status = error.response.status_code
        reason = f"the handshake was answered with HTTP {status}"
        headers = {name.lower(): value for name, value in error.response.headers.raw_items()}
        body = bytes(error.response.body or b"")[:MAX_BODY_BYTES]
        closed = SocketClosed(was_open=False, reason=reason, http_status=status, headers=headers, body=body)
        raise DialError(closed) from None
    except TimeoutError:
        raise DialError(SocketClosed(was_open=False, reason="no connection in time")) from None
    except InvalidMessage:
        reason = "the handshake was not answered in HTTP"
        raise DialError(SocketClosed(was_open=False, reason=reason)) from None
    except (OSError, InvalidHandshake, InvalidURI, ValueError, EOFError) as error:
        raise DialError(SocketClosed(was_open=False, reason=describe(error), hint=mend(error))) from None


async def _shake_hands(action: OpenSocket, tls: ssl.SSLContext) -> Connection:
    address = parse_uri(action.url)
    connected = await tcp.connect(address.host, address.port)
    # asyncio would wait 30 s for the peer's half of the TLS ending
    secure: dict[str, Any] = {"ssl": tls, "ssl_shutdown_timeout": CLOSE_TIMEOUT_S} if address.secure else {}
    connection = await _Dial(
        action.url,
        subprotocols=[Subprotocol(name) for name in action.subprotocols] or None,
        compression=None,
        additional_headers=dict(action.headers),
        user_agent_header=USER_AGENT,
        proxy=None,
        open_timeout=None,
        ping_interval=action.ping_interval_s,
        ping_timeout=action.ping_timeout_s,
        close_timeout=CLOSE_TIMEOUT_S,
        max_size=action.max_message_bytes,
        logger=_silent,
        create_connection=Connection,
        sock=connected,
        **secure,
    )
    return cast("Connection", connection)


def _capped(text: str) -> str:
    printable = "".join(character if character.isprintable() else "?" for character in text)
    return printable.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
