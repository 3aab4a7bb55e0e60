"""What a service manager is told over the life of the daemon."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.daemon import command
from tests.fakes.manager import Manager

CONFIG = """
satellite: {id: told}
audio: {input: {device: "null"}, output: {device: "null"}}
voice: {backend: loopback}
"""


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path / "notify")
    yield made
    made.close()


def test_a_reload_is_no_stop(manager: Manager, tmp_path: Path) -> None:
    """A manager that is told of a stop waits for the end of the process, and kills it when it does not come."""
    (tmp_path / "config.yaml").write_text(CONFIG)
    with command(tmp_path, "run", "-c", "config.yaml", NOTIFY_SOCKET=manager.address) as daemon:
        assert manager.told() == "READY=1"
        daemon.signal(signal.SIGHUP)
        assert manager.told() == "READY=1"
        daemon.signal(signal.SIGTERM)
        assert manager.told() == "STOPPING=1"
        assert daemon.wait() == 0


def test_a_daemon_that_hears_feeds_the_watchdog(manager: Manager, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    with command(tmp_path, "run", "-c", "config.yaml", NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="400000") as daemon:
        assert [manager.told() for _ in range(3)] == ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
