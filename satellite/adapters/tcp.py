"""Connecting to a host by name: IPv6 and IPv4 raced, nothing left open whatever interrupts it."""

import asyncio
import itertools
import socket
from collections.abc import Sequence
from typing import Any

HEAD_START_S = 0.25  # RFC 8305 section 5: the recommended Connection Attempt Delay

_Address = tuple[int, Any]  # family, and the address in that family's own shape


async def connect(host: str, port: int) -> socket.socket:
    """A connected, non-blocking socket. Raises OSError; the caller sets the time limit."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    race = _Race()
    try:
        async with asyncio.TaskGroup() as group:
            await race.run(group, interleaved([(info[0], info[4]) for info in found]))
    except BaseException:
        race.close()
        raise
    return race.winner()


def limit_silence(connected: socket.socket, seconds: float) -> None:
    """Let the kernel end a connection on which the peer has taken no data for this long; not every system can."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(seconds * 1000))


def interleaved(addresses: Sequence[_Address]) -> list[_Address]:
    """Families taken in turns, the resolver's order kept within each (RFC 8305 section 4)."""
    first = [address for address in addresses if address[0] == addresses[0][0]]
    others = [address for address in addresses if address[0] != addresses[0][0]]
    pairs = itertools.zip_longest(first, others)
    return [address for pair in pairs for address in pair if address is not None]


class _Race:
    """Attempts at several addresses; the first that connects wins and the rest are closed."""

    def __init__(self) -> None:
        self._winner: socket.socket | None = None
        self._first_error: OSError | None = None

    async def run(self, group: asyncio.TaskGroup, addresses: Sequence[_Address]) -> None:
        """Start one attempt after another until one has won or all have failed."""
        pending: set[asyncio.Task[None]] = set()
        for family, address in addresses:
            pending.add(group.create_task(self._attempt(family, address), name="satellite.tcp.attempt"))
            _, pending = await asyncio.wait(pending, timeout=HEAD_START_S, return_when=asyncio.FIRST_COMPLETED)
            if self._winner is not None:
                break
        while pending and self._winner is None:
            _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for loser in pending:
            loser.cancel()

    def winner(self) -> socket.socket:
        """The connected socket. Raises the first attempt's OSError when there is none."""
        if self._winner is None:
            raise self._first_error or OSError("no address")
        return self._winner

    def close(self) -> None:
        """Close what may have been won already."""
        if self._winner is not None:
            self._winner.close()

    async def _attempt(self, family: int, address: Any) -> None:
        attempt = socket.socket(family, socket.SOCK_STREAM)
        try:
            attempt.setblocking(False)
            await asyncio.get_running_loop().sock_connect(attempt, address)
        except OSError as error:
            attempt.close()
            self._first_error = self._first_error or error
        except asyncio.CancelledError:
            attempt.close()
            raise
        else:
            self._arrived(attempt)

    def _arrived(self, attempt: socket.socket) -> None:
        if self._winner is None:
            self._winner = attempt
        else:
            attempt.close()
