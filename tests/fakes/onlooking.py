"""Satellites that only talk, and the command that looks on at them, as its users run it."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from tests.fakes.broker import Broker, Subscriber, subscriber
from tests.fakes.daemon import ROOT
from tests.fakes.sightings import health
from tests.fakes.tty import Tty

PATIENCE_S = 45.0
BASE = "voice-satellite"
WELL: dict[str, str | bytes] = {
    "availability": "online",
    "state": "idle",
    "problem": '{"active":false}',
    "health": health(),
}
PASSWORD = "VOICE_SATELLITE_MQTT_PASSWORD"


@dataclass(frozen=True)
class Ran:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> Any:
        """Its object."""
        return json.loads(self.out)


async def say(link: Subscriber, satellite_id: str, **changes: str | bytes) -> None:
    """What one satellite says of itself, which is well but for these."""
    for name, payload in {**WELL, **changes}.items():
        await link.send(f"{BASE}/{satellite_id}/{name}", payload, retain=True)


@contextlib.asynccontextmanager
async def voices(port: int, **login: str) -> AsyncIterator[Subscriber]:
    """A connection to speak through."""
    async with subscriber(port, "nothing", **login) as link:
        yield link


async def fleet(*arguments: str, **environment: str) -> Ran:
    """`voice-satellite fleet ARGUMENTS…`, on no terminal, while the loop goes on."""
    return await asyncio.to_thread(_ran, arguments, environment)


def _ran(arguments: tuple[str, ...], environment: dict[str, str]) -> Ran:
    ran = subprocess.run(
        [sys.executable, "-m", "satellite", "fleet", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.DEVNULL,
    )
    return Ran(ran.returncode, ran.stdout, ran.stderr)


def at(broker: Broker) -> tuple[str, ...]:
    """The arguments that name a broker."""
    return "--host", "127.0.0.1", "--port", str(broker.port)


@contextlib.contextmanager
def live(screen: Tty, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """The command on a terminal; killed at the end when it still runs."""
    process = screen.start("fleet", *arguments, NO_COLOR="1")
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def page_with(screen: Tty, text: str) -> list[str]:
    """What the terminal shows, once this is on it."""
    async with asyncio.timeout(PATIENCE_S):
        while not any(text in line for line in screen.page()):
            await asyncio.sleep(0.05)
    return screen.page()
