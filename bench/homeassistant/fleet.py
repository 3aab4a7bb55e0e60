"""Two hundred satellites at one mosquitto and one Home Assistant: do all appear, and what does it cost the two?

    python -m bench.homeassistant.fleet [--satellites 200] [--seconds 60]

Each satellite says what a real one says: the messages are made by the daemon's own code and published over connections
of their own: discovery and states at once, then health every 30 s and an utterance now and then. Printed: how long it
takes until every device is complete, what restarts of Home Assistant cost, and processor time, memory and bytes of
broker and Home Assistant. Exit code 1 when a device or an entity is missing, or Home Assistant complains.
"""

import argparse
import asyncio
import random
import tempfile
import time
from pathlib import Path

import aiomqtt

from bench.doubles import Double, Pace, Use, use_of
from satellite.app.parts import BIRTH_DELAYS_S
from satellite.homeassistant.topics import ONLINE
from tests.fakes.broker import Broker
from tests.fakes.homeassistant import HomeAssistant, home_assistant

ENTITIES_SHOWN = 20
"""Of each satellite; the others are disabled at first."""
PATIENCE_S = 300.0
PACE = Pace(utterance_every_s=20.0)
ARRIVALS_S = 30.0
"""Satellites do not all come at the same moment."""
BIRTH = "homeassistant/status"


class Announced(Double):
    """One that introduces itself to whoever comes."""

    async def live(self, port: int, is_started: asyncio.Event, chance: random.Random) -> None:
        """Connect, introduce itself to whoever comes, and go on for ever once `is_started`."""
        await asyncio.sleep(chance.uniform(0, ARRIVALS_S))
        async with aiomqtt.Client("127.0.0.1", port, identifier=f"double-{self.topics.satellite_id}") as client:
            await client.subscribe(BIRTH, qos=1)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._greet(client, chance))
                await self.say(client, self.beginning())
                await is_started.wait()
                await self.talk(client, PACE, chance)

    async def _greet(self, client: aiomqtt.Client, chance: random.Random) -> None:
        """Say everything again when Home Assistant comes, as a satellite does."""
        async for message in client.messages:
            if message.payload == ONLINE and not message.retain:
                await asyncio.sleep(chance.uniform(*BIRTH_DELAYS_S))
                await self.say(client, self.beginning())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--satellites", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fleet-") as name:
        return asyncio.run(_fleet(Path(name), args.satellites, args.seconds, args.seed))


async def _fleet(directory: Path, count: int, seconds: float, seed: int) -> int:
    print(f"seed {seed}, {count} satellites")
    doubles = [Announced(f"sat{number:03d}", f"Satellite {number}") for number in range(count)]
    chance, is_started = random.Random(seed), asyncio.Event()
    with Broker(directory / "broker") as broker:
        async with home_assistant(directory / "home", broker.port) as home, asyncio.TaskGroup() as group:
            before = _used(broker), _used_by(home)
            tell("at the start", before[0], before[1])
            began_s = time.monotonic()
            lives = [
                group.create_task(double.live(broker.port, is_started, random.Random(chance.random())))
                for double in doubles
            ]
            await _until_complete(home, count)
            tell(f"all there after {time.monotonic() - began_s:.1f} s", _used(broker), _used_by(home), before)
            before, sent = (_used(broker), _used_by(home)), sum(double.sent_bytes for double in doubles)
            is_started.set()
            await asyncio.sleep(seconds)
            tell(f"{seconds:.0f} s of traffic", _used(broker), _used_by(home), before)
            sent = sum(double.sent_bytes for double in doubles) - sent
            print(f"{'sent by all':28}{sent / seconds / 1000:8.1f} kB/s")
            began_s = time.monotonic()
            await home.restart()
            await _until_complete(home, count)
            print(f"{'after a restart of it':28}{time.monotonic() - began_s:8.1f} s until all were there again")
            complaints = home.complaints()
            for life in lives:
                life.cancel()
    for line in complaints[:10]:
        print(f"COMPLAINT {line.logger}: {line.text[:200]}")
    print("every device complete, no complaint" if not complaints else f"{len(complaints)} complaints")
    return 1 if complaints else 0


async def _until_complete(home: HomeAssistant, count: int) -> None:
    """Return when every satellite has all its entities, and none is unavailable."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        states = await home.states()
        ours = [state["state"] for entity, state in states.items() if ".sat" in entity]
        if len(ours) == count * ENTITIES_SHOWN and "unavailable" not in ours:
            return
        away = f"{ours.count('unavailable')} of them unavailable"
        assert time.monotonic() < deadline, f"{len(ours)} entities of {count * ENTITIES_SHOWN}, {away}"
        await asyncio.sleep(0.5)


def _used(broker: Broker) -> Use:
    assert broker.process is not None
    return use_of(broker.process.pid)


def _used_by(home: HomeAssistant) -> Use:
    assert home.process is not None
    return use_of(home.process.pid)


def tell(when: str, broker: Use, home: Use, before: tuple[Use, Use] = (Use(0, 0), Use(0, 0))) -> None:
    """One line: processor time since before, and memory."""
    print(
        f"{when:28}mosquitto {broker.cpu_s - before[0].cpu_s:6.2f} CPU s {broker.rss_mb:6.1f} MB"
        f"   Home Assistant {home.cpu_s - before[1].cpu_s:6.2f} CPU s {home.rss_mb:6.1f} MB",
        flush=True,
    )


if __name__ == "__main__":
    raise SystemExit(main())
