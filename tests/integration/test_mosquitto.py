import os
import shutil
import socket
from pathlib import Path

import aiomqtt
import pytest

from satellite.adapters import mosquitto
from satellite.adapters.mosquitto import PrivateBroker, free_port, mosquitto_path
from satellite.errors import BrokerError
from tests.fakes.broker import subscriber


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def fake_mosquitto(directory: Path, script: str) -> str:
    program = directory / "mosquitto"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(directory)


async def test_it_serves_while_its_context_is_open_and_leaves_nothing() -> None:
    async with PrivateBroker() as broker:
        files = Path(broker._directory.name)
        async with subscriber(broker.port) as seen:
            await seen.send("hello", "world")
            await seen.until_text("hello", "world")
    assert not is_listening(broker.port)
    assert not files.exists()


async def test_it_listens_on_loopback_only() -> None:
    async with PrivateBroker() as broker:
        bound = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
        listening = [
            line.split()[1] for line in bound.splitlines() if f":{broker.port:04X} " in line and " 0A " in line
        ]
    assert listening == [f"0100007F:{broker.port:04X}"]


async def test_it_ends_with_an_error_inside() -> None:
    with pytest.raises(RuntimeError):
        async with PrivateBroker() as broker:
            raise RuntimeError
    assert not is_listening(broker.port)


async def test_two_at_once_do_not_meet() -> None:
    async with PrivateBroker() as one, PrivateBroker() as other:
        assert one.port != other.port


async def test_a_port_that_somebody_took_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        free = free_port()
        ports = iter([taken.getsockname()[1], free])
        monkeypatch.setattr(mosquitto, "free_port", lambda: next(ports))
        async with PrivateBroker() as broker, aiomqtt.Client("127.0.0.1", broker.port):
            assert broker.port == free


async def test_without_mosquitto_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path: None)
    with pytest.raises(BrokerError, match="apt install mosquitto"):
        async with PrivateBroker():
            pass


async def test_a_broker_that_does_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", fake_mosquitto(tmp_path, "echo 'Error: no such thing' >&2; exit 1"))
    with pytest.raises(BrokerError, match="does not start: Error: no such thing"):
        async with PrivateBroker():
            pass


async def test_a_broker_that_never_listens_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = tmp_path / "pid"
    # It ignores the polite request, too.
    fake = fake_mosquitto(tmp_path, f"trap '' TERM; echo $$ > {pid}; while true; do sleep 0.05; done")
    monkeypatch.setenv("PATH", f"{fake}:{os.environ['PATH']}")
    monkeypatch.setattr(mosquitto, "START_TIMEOUT_S", 0.5)
    monkeypatch.setattr(mosquitto, "STOP_TIMEOUT_S", 0.2)
    with pytest.raises(BrokerError, match="does not answer: it says nothing"):
        async with PrivateBroker():
            pass
    assert not Path("/proc", pid.read_text().strip()).exists()


def test_it_is_found_where_debian_puts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert mosquitto_path().endswith("/mosquitto")
