"""A stop is in order and in time, whatever the daemon is at."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.broker import Broker, Subscriber, subscriber
from tests.fakes.daemon import Daemon, command, emulator, write_config

pytestmark = pytest.mark.slow

STOPS_WITHIN_S = 20.0
"""After that systemd kills."""
NO_SOUND: dict[str, Any] = {"input": {"device": "null"}, "output": {"device": "null"}}


def state(seen: Subscriber, satellite: str) -> list[str]:
    return seen.texts(f"voice-satellite/{satellite}/state")


def problem(seen: Subscriber, satellite: str) -> str | None:
    texts = seen.texts(f"voice-satellite/{satellite}/problem")
    return json.loads(texts[-1]).get("code") if texts else None


def silent_server() -> socket.socket:
    """Accepts connections by the kernel's grace and never says a word."""
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(16)
    return server


async def test_wherever_it_is_a_stop_is_in_order(broker: Broker, tmp_path: Path) -> None:
    """A satellite for each phase of life, all stopped at once."""
    async with AsyncExitStack() as stack:
        seen = await stack.enter_async_context(subscriber(broker.port))
        service = stack.enter_context(emulator(tmp_path / "service"))
        mute = stack.enter_context(silent_server())
        nobody = f"http://127.0.0.1:{mute.getsockname()[1]}"
        phases: dict[str, tuple[dict[str, Any], Callable[[], bool]]] = {
            "idle": ({"audio": NO_SOUND}, lambda: state(seen, "idle") == ["idle"]),
            "talking": ({}, lambda: "listening" in state(seen, "talking")),
            "connecting": (
                {"voice": {"deepl": {"base_url": nobody}}},
                lambda: "listening" in state(seen, "connecting"),
            ),
            "parked": ({"voice": {"deepl": {"api_key": "wrong"}}}, lambda: "parked" in state(seen, "parked")),
            "deaf": (
                {"audio": {"driver": "alsa", "input": {"device": "hw:7,0"}}},
                lambda: problem(seen, "deaf") == "microphone",
            ),
            "alone": ({"audio": NO_SOUND, "mqtt": {"port": 1}}, lambda: "is it running?" in daemons["alone"].log),
        }
        daemons: dict[str, Daemon] = {}
        for name, (sections, _) in phases.items():
            directory = tmp_path / name
            directory.mkdir()
            config = write_config(directory, service.base_url, broker.port, **sections | {"satellite": {"id": name}})
            daemons[name] = stack.enter_context(command(directory, "run", "-c", str(config)))
        await reached(lambda: all(is_there() for _, is_there in phases.values()))
        began = time.monotonic()
        for daemon in daemons.values():
            daemon.signal(signal.SIGTERM)
        codes = {name: await asyncio.to_thread(daemon.wait, STOPS_WITHIN_S) for name, daemon in daemons.items()}
        assert time.monotonic() - began < STOPS_WITHIN_S
        for name in phases.keys() - {"alone"}:
            await seen.until_text(f"voice-satellite/{name}/availability", "offline")
    assert codes == dict.fromkeys(phases, 0)
    for daemon in daemons.values():
        assert "Traceback" not in daemon.log


async def reached(is_there: Callable[[], bool], timeout_s: float = 40.0) -> None:
    """Wait for it."""
    async with asyncio.timeout(timeout_s):
        while not is_there():
            await asyncio.sleep(0.05)


async def opened_for_reading(fifo: Path, timeout_s: float = 20.0) -> int:
    """Our end of a FIFO, once somebody has opened the other and waits for what comes."""
    async with asyncio.timeout(timeout_s):
        while True:
            with contextlib.suppress(OSError):  # ENXIO: nobody yet
                return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_before_it_has_started_is_in_order_too(tmp_path: Path, number: signal.Signals) -> None:
    """The configuration comes through a FIFO, so that it can be stopped while it reads it."""
    os.mkfifo(tmp_path / "config.yaml")
    with command(tmp_path, "run", "-c", "config.yaml") as daemon:
        writer = await opened_for_reading(tmp_path / "config.yaml")
        while daemon.exit_code is None:  # a signal that comes just before it reads does not wake it from reading
            daemon.signal(number)
            with contextlib.suppress(TimeoutError):
                await asyncio.to_thread(daemon.wait, 3)
        assert daemon.exit_code == 0
        os.close(writer)
    assert daemon.log == ""
