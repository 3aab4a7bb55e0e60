"""What the service manager is told (sd_notify(3)).

In datagrams of our own: libsystemd waits without end for a manager that hangs, and the satellite would hang with it.
"""

import errno
import logging
import os
import socket
from collections.abc import Callable, Mapping

from satellite.adapters.clock import SystemClock
from satellite.homeassistant.commands import printable

log = logging.getLogger(__name__)

USEC_PER_S = 1_000_000
STEP_S = 60
"""Each step of the start-up may take so long: a slow card is waited for, and one that hangs is not."""
STATUS_CHARACTERS_MAX = 300
"""One line, as `systemctl status` shows it."""
TAKEN_WITHIN_S = 0.2
"""What a manager does not take meanwhile is lost to it; what counts is said again."""

Send = Callable[[str], None]


class SystemdNotifier:
    """ports.ServiceNotifier; silent where no service manager listens. Never raises."""

    def __init__(self, send: Send | None, watchdog_interval_s: float | None) -> None:
        self._send = send
        self._watchdog_interval_s = watchdog_interval_s
        self._status = ""

    def starting(self, step: str) -> None:
        """Start-up has come to this step, and goes on."""
        self._notify(f"EXTEND_TIMEOUT_USEC={STEP_S * USEC_PER_S}")
        self.status(f"starting: {step}")

    def ready(self) -> None:
        """Start-up or a reload is done."""
        self._notify("READY=1")

    def reloading(self) -> None:
        """The configuration is read again; `ready` follows, whatever comes of it."""
        usec = int(SystemClock().monotonic() * USEC_PER_S)
        self._notify(f"RELOADING=1\nMONOTONIC_USEC={usec}")

    def stopping(self) -> None:
        """An ordered stop has begun."""
        self._notify("STOPPING=1")
        self.status("stopping")

    def refused(self, problem: str) -> None:
        """The process ends, as the configuration is wrong."""
        self.status(f"waits for a person: {problem}")
        self._notify(f"ERRNO={errno.EINVAL}")

    def status(self, text: str) -> None:
        """How it is, in one line; told when it differs from what was told last."""
        line = printable(" ".join(text.split()), STATUS_CHARACTERS_MAX)
        if line != self._status and self._notify(f"STATUS={line}"):
            self._status = line

    def watchdog(self) -> None:
        """The pipeline moves."""
        self._notify("WATCHDOG=1")

    def watchdog_interval_s(self) -> float | None:
        """Seconds between two `watchdog` calls: half of what the unit allows. None when nobody watches us."""
        return self._watchdog_interval_s

    def _notify(self, state: str) -> bool:
        """False when nobody took it."""
        if self._send is None:
            return False
        try:
            self._send(state)
        except TimeoutError:
            log.debug("the service manager is behind and was not told: %s", state.partition("=")[0])
            return False
        except OSError as error:
            log.warning("the service manager does not listen any more: %s", error.strerror)
            self._send = None
            return False
        return True


def make_notifier(environ: Mapping[str, str]) -> SystemdNotifier:
    """The service manager that the environment names, or nobody."""
    return SystemdNotifier(_make_send(environ), _watchdog_interval_s(environ))


def _watchdog_interval_s(environ: Mapping[str, str]) -> float | None:
    usec = environ.get("WATCHDOG_USEC", "")
    pid = environ.get("WATCHDOG_PID") or str(os.getpid())
    if not usec.isascii() or not usec.isdigit() or int(usec) == 0 or pid != str(os.getpid()):
        return None
    return int(usec) / USEC_PER_S / 2


def _make_send(environ: Mapping[str, str]) -> Send | None:
    """How to reach the service manager; None when there is none."""
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return None
    # an address that begins with @ is in the abstract namespace
    name = "\0" + address[1:] if address.startswith("@") else address

    def send(state: str) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as end:
            end.settimeout(TAKEN_WITHIN_S)
            end.sendto(state.encode(), name)

    return send
