"""A service manager's end of the notification socket."""

import contextlib
import socket
import time
from pathlib import Path


class Manager:
    """Hears what a daemon with this `address` as its NOTIFY_SOCKET says."""

    def __init__(self, address: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(address))
        self.address = str(address)

    def told(self, timeout_s: float = 10.0) -> str:
        """The next state, as soon as it comes."""
        self._socket.settimeout(timeout_s)
        return self._socket.recv(4096).decode()

    def wait_for(self, state: str, timeout_s: float = 20.0) -> None:
        """Hear on until this is told."""
        deadline = time.monotonic() + timeout_s
        while self.told(max(0.0, deadline - time.monotonic())) != state:
            pass

    def wait_for_silence(self, seconds: float) -> None:
        """Hear on until nothing was told for so long."""
        with contextlib.suppress(TimeoutError):
            while True:
                self.told(seconds)

    def waiting(self) -> list[str]:
        """All that was told and not heard yet."""
        states: list[str] = []
        self._socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                states.append(self._socket.recv(4096).decode())
        return states

    def close(self) -> None:
        self._socket.close()
