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
        self.statuses: list[str] = []
        """What `systemctl status` showed one after the other, as far as it was heard."""
        self.extensions = 0
        """How often more time was asked for."""

    def told(self, timeout_s: float = 10.0) -> str:
        """The next state, as soon as it comes; how it is and that it takes longer is only noted."""
        deadline = time.monotonic() + timeout_s
        while True:
            self._socket.settimeout(max(0.001, deadline - time.monotonic()))
            if not self._is_noted(state := self._heard()):
                return state

    def wait_for(self, state: str, timeout_s: float = 20.0) -> None:
        """Hear on until this is told."""
        deadline = time.monotonic() + timeout_s
        while self.told(deadline - time.monotonic()) != state:
            pass

    def wait_for_status(self, part: str, timeout_s: float = 20.0) -> str:
        """Hear on until the status has this in it; the status."""
        deadline = time.monotonic() + timeout_s
        while not (self.statuses and part in self.statuses[-1]):
            self._socket.settimeout(max(0.001, deadline - time.monotonic()))
            self._is_noted(self._heard())
        return self.statuses[-1]

    def wait_for_silence(self, seconds: float) -> None:
        """Hear on until no state was told for so long."""
        with contextlib.suppress(TimeoutError):
            while True:
                self.told(seconds)

    def waiting(self) -> list[str]:
        """All states that were told and not heard yet."""
        states: list[str] = []
        self._socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                if not self._is_noted(state := self._heard()):
                    states.append(state)
        return states

    def close(self) -> None:
        self._socket.close()

    def _heard(self) -> str:
        return self._socket.recv(4096).decode()

    def _is_noted(self, state: str) -> bool:
        name, _, value = state.partition("=")
        if name == "STATUS":
            self.statuses.append(value)
        elif name == "EXTEND_TIMEOUT_USEC":
            self.extensions += 1
        return name in ("STATUS", "EXTEND_TIMEOUT_USEC")
