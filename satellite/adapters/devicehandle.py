"""DeviceProcess: the satellite's hold on the process of one sound device, which it can always end."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable

from satellite.adapters.deviceside import Order
from satellite.adapters.devicewire import Kind, Packet, Wire
from satellite.adapters.process import companion_ended, companion_started
from satellite.adapters.sound import CLOSE_WITHIN_S, LET_GO_WITHIN_S, WHAT
from satellite.errors import DeviceError
from satellite.ports import Clock

LEFT_MAX = 3
"""Processes that cannot even be killed (a driver that never returns) before no further one is started."""
POLL_S = 0.01

_left: list[subprocess.Popen[bytes]] = []
"""Told to end and not seen to have ended."""


class DeviceProcess:
    """Started by its making. Packets and, once, the end are told on the event loop until `close`."""

    def __init__(self, order: Order, clock: Clock, on_packets: Callable[[list[Packet]], None]) -> None:
        _forget_ended()
        if len(_left) >= LEFT_MAX:
            raise DeviceError(
                f"{len(_left)} attempts to open sound devices hang in their driver and cannot be ended; "
                "unplug the card, or restart the machine"
            )
        self._clock = clock
        self._on_packets = on_packets
        self._label = f"{WHAT[order.direction]} {order.device}"
        self._process, end = _start(order)
        companion_started(self._process.pid)
        self._wire = Wire(end)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(end, self._readable)

    def send(self, kind: Kind, body: bytes = b"") -> bool:
        """Tell the device something; False when it does not keep up or is gone."""
        return self._wire.send(kind, body)

    async def close(self) -> None:
        """Have the device released, by force if need be. Idempotent, returns within CLOSE_WITHIN_S."""
        if self._wire.fileno() < 0:
            return
        self._let_go()
        _left.append(self._process)
        try:
            if await self._has_ended(LET_GO_WITHIN_S):
                return
        finally:
            self._process.kill()
        await self._has_ended(CLOSE_WITHIN_S - LET_GO_WITHIN_S)

    def _let_go(self) -> None:
        """The process sees the end of its socket."""
        self._loop.remove_reader(self._wire)
        self._wire.close()

    async def _has_ended(self, timeout_s: float) -> bool:
        deadline = self._clock.monotonic() + timeout_s
        while self._process.poll() is None:
            if self._clock.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_S)
        companion_ended(self._process.pid)
        if self._process in _left:
            _left.remove(self._process)
        return True

    def _readable(self) -> None:
        packets = self._wire.receive()
        if self._wire.is_over:
            self._loop.remove_reader(self._wire)
            packets.append((Kind.FAILED, self._epitaph().encode()))
        self._on_packets(packets)

    def _epitaph(self) -> str:
        """Why there is no more; said behind what the process itself has said."""
        code = self._process.poll()
        return f"{self._label} was lost: the process that held it ended" + (f" (exit code {code})" if code else "")


def _forget_ended() -> None:
    for process in _left[:]:
        if process.poll() is not None:
            companion_ended(process.pid)
            _left.remove(process)


def _start(order: Order) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """The process and our end of the socket to it. Raises DeviceError."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    module = [sys.executable, "-P", "-m", "satellite.adapters.devicemain"]
    try:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [*module, str(os.getpid()), str(theirs.fileno()), *order.arguments()],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
    except OSError as error:
        ours.close()
        raise DeviceError(f"{order.device}: the process for a sound device cannot be started: {error}") from error
    finally:
        theirs.close()
    return process, ours
