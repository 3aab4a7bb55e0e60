"""What a service manager is told over the life of the daemon."""

import contextlib
import errno
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.daemon import command
from tests.fakes.manager import Manager

CONFIG = """
satellite: {id: told}
audio: {input: {device: "null"}, output: {device: "null"}}
voice: {backend: loopback}
mqtt: {port: 1}
"""


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    with contextlib.closing(Manager(tmp_path / "notify")) as made:
        yield made


def test_it_is_told_how_far_the_start_has_come_and_how_it_is(manager: Manager, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    with command(tmp_path, "run", "-c", "config.yaml", NOTIFY_SOCKET=manager.address) as daemon:
        assert manager.told() == "READY=1"
        steps, how_it_is = manager.statuses[:-1], manager.statuses[-1]
        assert [step.partition(": ")[0] for step in steps] == ["starting"] * len(steps)
        assert manager.extensions == len(steps) == 3
        broker = "broker not connected(?: .*)?"
        done = "0 utterances since the start; 0.0 min billed today"
        assert re.fullmatch(f"idle; loopback idle; {broker}; {done}", how_it_is)
        daemon.signal(signal.SIGTERM)
        assert manager.told() == "STOPPING=1"
        assert daemon.wait() == 0
        manager.waiting()
        assert manager.statuses[-1] == "stopping"


def test_a_reload_is_no_stop(manager: Manager, tmp_path: Path) -> None:
    """A manager that is told of a stop waits for the end of the process, and kills it when it does not come."""
    (tmp_path / "config.yaml").write_text(CONFIG)
    with command(tmp_path, "run", "-c", "config.yaml", NOTIFY_SOCKET=manager.address) as daemon:
        assert manager.told() == "READY=1"
        before_usec = time.monotonic_ns() // 1000
        daemon.signal(signal.SIGHUP)
        reloading, name, usec = re.split("[\n=]1?\n?", manager.told(), maxsplit=2)
        assert (reloading, name) == ("RELOADING", "MONOTONIC_USEC")
        assert before_usec < int(usec) < time.monotonic_ns() // 1000
        assert manager.told() == "READY=1"
        daemon.signal(signal.SIGTERM)
        assert manager.told() == "STOPPING=1"
        assert daemon.wait() == 0


def test_a_reload_that_is_refused_is_over_and_shows_until_one_is_not(manager: Manager, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    with command(tmp_path, "run", "-c", "config.yaml", NOTIFY_SOCKET=manager.address) as daemon:
        assert manager.told() == "READY=1"
        config.write_text(f"{CONFIG}\nmicrofone: 3\n")
        daemon.signal(signal.SIGHUP)
        assert manager.told().startswith("RELOADING=1\n")
        assert manager.told() == "READY=1"
        assert manager.statuses[-1].endswith("the changed configuration was refused, see the log")
        config.write_text(CONFIG)
        daemon.signal(signal.SIGHUP)
        assert manager.told().startswith("RELOADING=1\n")
        assert manager.told() == "READY=1"
        assert "refused" not in manager.statuses[-1]


def test_a_wrong_configuration_is_told_before_the_end(manager: Manager, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(f"{CONFIG}\nmicrofone: 3\nloudspeeker: 4\n")
    with command(tmp_path, "run", "-c", "config.yaml", NOTIFY_SOCKET=manager.address) as daemon:
        assert daemon.wait() == 78
    assert manager.waiting() == [f"ERRNO={errno.EINVAL}"]
    assert re.fullmatch(r"waits for a person: config\.yaml:\d+: microfone: .*\(and 1 more\)", manager.statuses[-1])


def test_a_daemon_that_hears_feeds_the_watchdog(manager: Manager, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    with command(tmp_path, "run", "-c", "config.yaml", NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="400000") as daemon:
        assert [manager.told() for _ in range(3)] == ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
