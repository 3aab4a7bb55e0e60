"""A running satellite whose sound devices are taken away and given back, and what is seen of it meanwhile."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.fakes.broker import Subscriber
from tests.fakes.daemon import Daemon, command
from tests.fakes.processes import descriptors, family

NOTICED_WITHIN_S = 1.0
"""Without audio for this long, a device is lost."""
BACK_WITHIN_S = 5.0
PATIENCE_S = 60.0
CALM_S = 0.2


@dataclass(frozen=True)
class Held:
    """What a satellite holds; its processes are those of sound devices."""

    descriptors: int
    threads: int
    processes: int


@dataclass(frozen=True)
class Outcome:
    """One loss: seconds from it until it was told, and from the device's return until it was told to work."""

    told_s: float
    back_s: float
    message: str
    after: Held


class Satellite:
    """A daemon with a subscriber that watches it."""

    def __init__(self, name: str, daemon: Daemon, seen: Subscriber) -> None:
        self.name = name
        self.daemon = daemon
        self.seen = seen

    def topic(self, name: str) -> str:
        return f"voice-satellite/{self.name}/{name}"

    @property
    def problem(self) -> str | None:
        """The code of the present problem."""
        texts = self.seen.texts(self.topic("problem"))
        code: str | None = json.loads(texts[-1]).get("code") if texts else None
        return code

    @property
    def message(self) -> str:
        """What the latest problem said."""
        told = [json.loads(text) for text in self.seen.texts(self.topic("problem"))]
        return str([body["message"] for body in told if body["active"]][-1])

    async def until_problem(self, code: str | None) -> float:
        """Wait until that is the present problem; returns when it became so."""
        await self.seen.until(lambda _: self.problem == code, PATIENCE_S)
        return self.seen.on(self.topic("problem"))[-1].time_s

    def held(self) -> Held:
        pid = self.daemon.process.pid
        threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
        return Held(len(descriptors(pid)), threads, len(family(pid)) - 1)

    async def hears(self) -> None:
        """Wait until the microphone is open."""
        deadline = time.monotonic() + PATIENCE_S
        while self.held().processes != 1 or self.problem is not None:
            assert time.monotonic() < deadline
            await asyncio.sleep(CALM_S)

    async def settled(self, expected: Held | None = None) -> Held:
        """What it holds once that is as expected, or does not change any longer."""
        deadline = time.monotonic() + BACK_WITHIN_S
        held = self.held()
        while time.monotonic() < deadline:
            await asyncio.sleep(CALM_S)
            before, held = held, self.held()
            if held == (expected or before):
                break
        return held

    async def loses(self, take: Callable[[], None], give: Callable[[], None], away_s: float, held: Held) -> Outcome:
        """Take the microphone away, and give it back a while after that was told."""
        taken_at = time.monotonic()
        await asyncio.to_thread(take)
        told_at = await self.until_problem("microphone")
        message = self.message
        await asyncio.sleep(away_s)
        await asyncio.to_thread(give)
        given_at = time.monotonic()
        back_at = await self.until_problem(None)
        return Outcome(told_at - taken_at, max(0.0, back_at - given_at), message, await self.settled(held))


def device_config(name: str, broker_port: int, driver: str, microphone: str, loudspeaker: str) -> dict[str, Any]:
    """A configuration that needs no service."""
    return {
        "satellite": {"id": name},
        "audio": {"driver": driver, "input": {"device": microphone}, "output": {"device": loudspeaker}},
        "voice": {"backend": "loopback", "speech_language": "de"},
        "mqtt": {"port": broker_port, "discovery_prefix": None},
        "logging": {"level": "debug"},
    }


@contextlib.asynccontextmanager
async def satellite(
    directory: Path, seen: Subscriber, config: dict[str, Any], **environment: str
) -> AsyncIterator[Satellite]:
    """A satellite, running."""
    name = config["satellite"]["id"]
    home = directory / name
    home.mkdir()
    path = home / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    with command(home, "run", "-c", str(path), **environment) as daemon:
        made = Satellite(name, daemon, seen)
        await seen.until_text(made.topic("availability"), "online", PATIENCE_S)
        yield made
