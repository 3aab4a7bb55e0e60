import errno
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from satellite.adapters.systemd import SystemdNotifier, make_notifier


class Manager:
    """The listening end of a notify socket."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.end.bind("\0" + address[1:] if address.startswith("@") else address)
        self.end.settimeout(2.0)

    def heard(self) -> str:
        return self.end.recv(4096).decode()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    made = Manager(str(tmp_path / "notify") if request.param == "path" else f"@voice-satellite-test-{os.getpid()}")
    with made.end:
        yield made


@pytest.fixture
def notifier(manager: Manager) -> SystemdNotifier:
    return make_notifier({"NOTIFY_SOCKET": manager.address})


def test_states_are_told(notifier: SystemdNotifier, manager: Manager) -> None:
    notifier.ready()
    assert manager.heard() == "READY=1"
    notifier.watchdog()
    assert manager.heard() == "WATCHDOG=1"
    notifier.stopping()
    assert manager.heard() == "STOPPING=1"
    assert manager.heard() == "STATUS=stopping"


def test_a_slow_start_asks_for_more_time_at_each_step(notifier: SystemdNotifier, manager: Manager) -> None:
    notifier.starting("reading")
    assert manager.heard() == "EXTEND_TIMEOUT_USEC=60000000"
    assert manager.heard() == "STATUS=starting: reading"


def test_a_reload_is_told_with_the_time_of_its_beginning(notifier: SystemdNotifier, manager: Manager) -> None:
    before_usec = time.monotonic_ns() // 1000
    notifier.reloading()
    reloading, began = manager.heard().splitlines()
    assert reloading == "RELOADING=1"
    assert before_usec <= int(began.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000


def test_a_refused_configuration_leaves_a_sentence_and_an_error(notifier: SystemdNotifier, manager: Manager) -> None:
    notifier.refused("config.yaml:3: no such key")
    assert manager.heard() == "STATUS=waits for a person: config.yaml:3: no such key"
    assert manager.heard() == f"ERRNO={errno.EINVAL}"


def test_the_status_is_one_line_and_told_once(notifier: SystemdNotifier, manager: Manager) -> None:
    notifier.status("well\nREADY=1\r and\0busy")
    notifier.status("well\nREADY=1\r and\0busy")
    notifier.status("x" * 1000)
    assert manager.heard() == "STATUS=well READY=1 and\N{REPLACEMENT CHARACTER}busy"
    assert manager.heard() == f"STATUS={'x' * 299}…"


def test_a_manager_that_hangs_holds_up_nothing_and_is_told_later(
    notifier: SystemdNotifier, manager: Manager, caplog: pytest.LogCaptureFixture
) -> None:
    queued = int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text()) + 1
    for _ in range(queued):
        notifier.watchdog()
    notifier.status("busy")  # which would wait for ever
    assert [manager.heard() for _ in range(queued)] == ["WATCHDOG=1"] * queued
    notifier.status("busy")
    assert manager.heard() == "STATUS=busy"
    assert caplog.text == ""


@pytest.mark.parametrize("address", [None, "", "tcp:1.2.3.4:5"])
def test_nobody_to_tell_is_no_error(address: str | None) -> None:
    notifier = make_notifier({} if address is None else {"NOTIFY_SOCKET": address})
    notifier.ready()
    notifier.watchdog()


def test_a_manager_that_went_away_is_told_once(
    notifier: SystemdNotifier, manager: Manager, caplog: pytest.LogCaptureFixture
) -> None:
    manager.end.close()
    if not manager.address.startswith("@"):
        Path(manager.address).unlink()
    notifier.watchdog()
    notifier.watchdog()
    assert caplog.text.count("does not listen any more") == 1


@pytest.mark.parametrize(
    ("environ", "interval_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid() + 1)}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "²"}, None),
    ],
)
def test_the_watchdog_is_fed_at_half_its_time(environ: dict[str, str], interval_s: float | None) -> None:
    assert make_notifier(environ).watchdog_interval_s() == interval_s
