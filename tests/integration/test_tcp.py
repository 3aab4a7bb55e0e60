"""Connecting by name: both families, dead addresses, nothing left open."""

import asyncio
import gc
import socket
from collections.abc import Callable
from typing import Any

import pytest

from satellite.adapters import tcp
from tests.fakes.link_peers import unused_port

Answers = list[tuple[int, int, int, str, Any]]


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[int, Any]) -> None:
    """What the resolver says of any name."""
    answers: Answers = [(family, socket.SOCK_STREAM, 6, "", address) for family, address in addresses]
    loop = asyncio.get_running_loop()

    async def getaddrinfo(*_arguments: object, **_options: object) -> Answers:
        return answers

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)


class FullListener:
    """An address that neither accepts nor refuses: its queue is full."""

    def __init__(self) -> None:
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0)
        self.address = self._listener.getsockname()
        self._filling = [socket.socket() for _ in range(3)]
        for filler in self._filling:
            filler.setblocking(False)
            filler.connect_ex(self.address)

    def close(self) -> None:
        for opened in [*self._filling, self._listener]:
            opened.close()


async def listen(host: str, seen: Callable[[], None] = lambda: None) -> tuple[asyncio.Server, tuple[int, Any]]:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen()
        writer.close()

    server = await asyncio.start_server(accept, host, 0)
    listener = server.sockets[0]
    return server, (listener.family, listener.getsockname())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_either_family_is_reached(host: str) -> None:
    server, (family, address) = await listen(host)
    connected = await tcp.connect(host, address[1])
    assert connected.family == family
    assert connected.getpeername() == address
    assert not connected.getblocking()
    connected.close()
    server.close()


async def test_a_refused_address_gives_way_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    server, alive = await listen("127.0.0.1")
    resolve_to(monkeypatch, (socket.AF_INET6, ("::1", unused_port(), 0, 0)), alive)
    with await tcp.connect("name", 1) as connected:
        assert connected.getpeername() == alive[1]
    server.close()


async def test_a_dead_address_does_not_hold_up_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    dead = FullListener()
    server, alive = await listen("::1")
    resolve_to(monkeypatch, (socket.AF_INET, dead.address), (socket.AF_INET, dead.address), alive)
    async with asyncio.timeout(30):
        with await tcp.connect("name", 1) as connected:
            assert connected.getpeername() == alive[1]
    server.close()
    dead.close()


async def test_the_first_refusal_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(
        monkeypatch, (socket.AF_INET6, ("::1", unused_port(), 0, 0)), (socket.AF_INET, ("127.0.0.1", unused_port()))
    )
    with pytest.raises(ConnectionRefusedError, match="::1"):
        await tcp.connect("name", 1)


async def test_a_name_without_addresses_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch)
    with pytest.raises(OSError, match="no address"):
        await tcp.connect("name", 1)


async def test_families_take_turns() -> None:
    six, four = socket.AF_INET6, socket.AF_INET
    found = [(six, "a"), (six, "b"), (six, "c"), (four, "d")]
    assert tcp.interleaved(found) == [(six, "a"), (four, "d"), (six, "b"), (six, "c")]


async def test_cancelling_while_connecting_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    dead = FullListener()
    resolve_to(monkeypatch, (socket.AF_INET, dead.address))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await tcp.connect("name", 1)
    gc.collect()  # an open socket would be a ResourceWarning, and so an error
    dead.close()


async def test_cancelling_at_the_very_moment_of_success_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    server, (_, address) = await listen("127.0.0.1")
    loop = asyncio.get_running_loop()
    connect = loop.sock_connect

    async def connect_and_cancel(attempt: socket.socket, where: Any) -> None:
        await connect(attempt, where)
        task.cancel()

    monkeypatch.setattr(loop, "sock_connect", connect_and_cancel)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(tcp.connect("127.0.0.1", address[1]))
    assert task.cancelled()
    gc.collect()  # an open socket would be a ResourceWarning, and so an error
    server.close()


async def test_of_two_that_arrive_together_one_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    servers = [await listen("127.0.0.1"), await listen("::1")]
    resolve_to(monkeypatch, *[address for _, address in servers])
    loop = asyncio.get_running_loop()
    connect = loop.sock_connect
    attempts = 0
    both = asyncio.Event()

    async def connect_together(attempt: socket.socket, where: Any) -> None:
        nonlocal attempts
        await connect(attempt, where)
        attempts += 1
        if attempts == 2:
            both.set()
        await both.wait()

    monkeypatch.setattr(loop, "sock_connect", connect_together)
    (await tcp.connect("name", 1)).close()
    assert attempts == 2
    gc.collect()  # an open socket would be a ResourceWarning, and so an error
    for server, _ in servers:
        server.close()
