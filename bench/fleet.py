"""Hundreds and thousands of satellites at one mosquitto: what they cost it, and whether `fleet` shows them all.

    python -m bench.fleet [--satellites 200 1000] [--seconds 60] [--utterance-every 60] [--seed 1]

Each satellite has a connection of its own, with keep-alive, last will and subscriptions as the daemon has them, and
says what the daemon says, retained and not, discovery by Home Assistant included. Nobody subscribes to them but `fleet`
while it is tried. Printed for each size: memory and processor time of the broker, messages and bytes, how long `fleet
--json` takes to a whole table, what the live table costs and how soon a change is on it, and how long it takes until
all are back after a restart of the broker. Exit code 1 when a table was not whole, or a retained message was lost.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiomqtt

from bench.doubles import Double, Pace, Use, use_of
from satellite.adapters.mqtt_connection import raise_if_cancelled
from satellite.app import parts
from satellite.cli.fleet_table import Table
from satellite.cli.terminal import Terminal
from satellite.errors import ErrorCategory
from satellite.homeassistant import payloads
from satellite.homeassistant.fleet import Fleet
from satellite.homeassistant.payloads import ProblemNote
from satellite.homeassistant.sighting import Now
from satellite.homeassistant.topics import OFFLINE
from tests.fakes.broker import Broker, BrokerOptions, subscriber
from tests.fakes.daemon import ROOT
from tests.fakes.tty import Tty, tty

ARRIVALS_PER_S = 50.0
FILES_FOR_EACH = 4
"""A connection, and what its library may open beside it."""
PATIENCE_S = 240.0
QUIET_S = 2.0
"""After so long without a retained message there is no more."""
TABLE_SECONDS = 20.0
QUIET = logging.getLogger("bench.quiet")
QUIET.setLevel(logging.CRITICAL)
RETAINED_OF_EACH = 8
"""availability, discovery, state, cloud, problem, settings, health, usage."""
MORE = "persistence true\npersistence_location {directory}/\nautosave_interval 300\nmax_queued_messages 20000\n"
"""As an operator would have it: on disk every five minutes and at a stop."""


@dataclass
class Figures:
    """What one size of the fleet showed."""

    satellites: int
    shown: dict[str, str] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def tell(self, what: str, value: str) -> None:
        self.shown[what] = value
        print(f"  {what:44}{value}", flush=True)

    def expect(self, holds: bool, promise: str) -> None:
        if not holds:
            self.broken.append(promise)
            print(f"  BROKEN: {promise}", flush=True)


class Crowd:
    """All doubles of a run."""

    def __init__(self, count: int, port: int, pace: Pace, chance: random.Random) -> None:
        self.doubles = [Double(f"sat{number:05d}", f"Satellite {number}") for number in range(count)]
        self.connected: set[str] = set()
        self._port = port
        self._pace = pace
        self._chance = chance
        self._arrivals_s = count / ARRIVALS_PER_S

    @contextlib.asynccontextmanager
    async def talking(self) -> AsyncIterator[None]:
        """They come one after the other, and go on for as long as the context is open."""
        async with asyncio.TaskGroup() as group:
            lives = [group.create_task(self._live(one, random.Random(self._chance.random()))) for one in self.doubles]
            yield
            for life in lives:
                life.cancel()

    async def all_there(self) -> float:
        """Seconds until the last of them is connected and has said all that holds."""
        began_s = time.monotonic()
        while len(self.connected) < len(self.doubles):
            assert time.monotonic() < began_s + PATIENCE_S, f"{len(self.connected)} of {len(self.doubles)} are there"
            await asyncio.sleep(0.05)
        return time.monotonic() - began_s

    def sent(self) -> tuple[int, int]:
        """Messages and bytes so far."""
        return sum(one.sent_messages for one in self.doubles), sum(one.sent_bytes for one in self.doubles)

    async def _live(self, double: Double, chance: random.Random) -> None:
        """Connected; after a loss again, at the daemon's own pace."""
        await asyncio.sleep(chance.uniform(0, self._arrivals_s))
        backoff = parts.near_backoff()
        while True:
            with contextlib.suppress(aiomqtt.MqttError):
                async with self._client(double) as client:
                    backoff.connected(time.monotonic())
                    await self._speak(double, client, chance)
            raise_if_cancelled()
            self.connected.discard(double.topics.satellite_id)
            await asyncio.sleep(backoff.lost(ErrorCategory.CONNECTIVITY, time.monotonic()).delay_s)

    async def _speak(self, double: Double, client: aiomqtt.Client, chance: random.Random) -> None:
        """Until the connection is lost. Raises MqttError."""
        filters = (*double.topics.command_filters, "homeassistant/status")
        await client.subscribe([(one, 1) for one in filters])
        await double.say(client, double.beginning())
        self.connected.add(double.topics.satellite_id)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(double.talk(client, self._pace, chance))
                async for _ in client.messages:  # nobody sends any: this is how a loss is noticed at once
                    pass
        except* aiomqtt.MqttError as group_of_losses:
            raise aiomqtt.MqttError("lost") from group_of_losses

    def _client(self, double: Double) -> aiomqtt.Client:
        return aiomqtt.Client(
            "127.0.0.1",
            self._port,
            identifier=f"voice-satellite-{double.topics.satellite_id}",
            will=aiomqtt.Will(double.topics.availability, OFFLINE, 1, True),
            keepalive=10,
            timeout=60,
            logger=QUIET,
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--satellites", type=int, nargs="+", default=[200, 1000])
    parser.add_argument("--seconds", type=float, default=60.0, help="of traffic that is measured")
    parser.add_argument("--utterance-every", type=float, default=60.0, help="seconds, for each satellite")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    allow_files(FILES_FOR_EACH * max(args.satellites) + 200)
    print(
        f"seed {args.seed}; an utterance every {args.utterance_every:.0f} s at each satellite, tentative text with it"
    )
    runs = []
    for count in args.satellites:
        with tempfile.TemporaryDirectory(prefix="fleet-") as name:
            pace = Pace(args.utterance_every, with_tentative=True)
            runs.append(asyncio.run(_measured(Path(name), count, pace, args.seconds, args.seed)))
    print_side_by_side(runs)
    broken = [f"{run.satellites}: {promise}" for run in runs for promise in run.broken]
    print("every table was whole, and nothing retained was lost" if not broken else "\n".join(broken))
    return 1 if broken else 0


def allow_files(wanted: int) -> None:
    """So many open files, for us and for the broker that we start."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard == resource.RLIM_INFINITY or wanted <= hard, f"{wanted} open files are needed, {hard} are allowed"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


async def _measured(directory: Path, count: int, pace: Pace, seconds: float, seed: int) -> Figures:
    print(f"{count} satellites", flush=True)
    figures = Figures(count)
    with Broker(
        directory / "broker", BrokerOptions(is_verbose=False, more=MORE.format(directory=directory / "broker"))
    ) as broker:
        empty = _use(broker)
        crowd = Crowd(count, broker.port, pace, random.Random(seed))
        async with crowd.talking():
            await crowd.all_there()
            figures.tell("all there, at most 50 a second, after", f"{count / ARRIVALS_PER_S:.0f} s and a bit")
            await _cost(figures, crowd, broker, empty, seconds)
            await _tables(figures, crowd, broker)
            await _restart(figures, crowd, broker)
    return figures


async def _cost(figures: Figures, crowd: Crowd, broker: Broker, empty: Use, seconds: float) -> None:
    """Steady traffic, with nobody looking."""
    count, before, sent = figures.satellites, _use(broker), crowd.sent()
    await asyncio.sleep(seconds)
    after, sent_after = _use(broker), crowd.sent()
    messages, data = ((late - early) / seconds for early, late in zip(sent, sent_after, strict=True))
    cpu_s = (after.cpu_s - before.cpu_s) / seconds * 60
    figures.tell("broker, processor time a minute", f"{cpu_s:.2f} s ({cpu_s / 0.6:.1f} % of a core)")
    figures.tell("  of it for each satellite", f"{cpu_s / count * 1000:.2f} ms")
    figures.tell("broker, memory", f"{after.rss_mb:.1f} MB, empty {empty.rss_mb:.1f} MB")
    figures.tell("  for each satellite", f"{(after.rss_mb - empty.rss_mb) / count * 1000:.1f} kB")
    figures.tell("messages", f"{messages:.0f} a second, {messages / count * 60:.1f} a minute for each")
    figures.tell("topics and payloads", f"{data / 1000:.1f} kB/s, {data / count:.0f} B/s for each")


async def _tables(figures: Figures, crowd: Crowd, broker: Broker) -> None:
    count = figures.satellites
    began_s = time.monotonic()
    code, report = await _fleet_json(broker)
    figures.tell("fleet --json, whole table after", f"{time.monotonic() - began_s:.1f} s")
    figures.expect(code == 0 and report["sums"]["satellites"] == count, "fleet --json shows every satellite, all well")
    began_s = time.monotonic()
    code, report = await _fleet_json(broker, "--wait", "120")
    figures.tell("fleet --wait, all proved well after", f"{time.monotonic() - began_s:.1f} s")
    figures.expect(code == 0 and not report["unready"], "fleet --wait proves every satellite well")
    await _live_table(figures, crowd, broker)
    figures.tell("one refresh of the table, processor time", f"{_refresh_ms(crowd):.1f} ms")


async def _live_table(figures: Figures, crowd: Crowd, broker: Broker) -> None:
    """The command on a terminal, and a satellite that gets a problem."""
    with tty(120, 40) as screen:
        began_s = time.monotonic()
        process = screen.start("fleet", "--host", "127.0.0.1", "--port", str(broker.port), NO_COLOR="1")
        try:
            await _until_shown(screen, f"{figures.satellites} satellites: ")
            figures.tell("live table, whole after", f"{time.monotonic() - began_s:.1f} s")
            before, written, began_s = use_of(process.pid), len(screen.read()), time.monotonic()
            broker_before = _use(broker)
            while time.monotonic() < began_s + TABLE_SECONDS:
                screen.read()
                await asyncio.sleep(0.1)
            used, took_s = use_of(process.pid), time.monotonic() - began_s
            share = (used.cpu_s - before.cpu_s) / took_s
            figures.tell("live table, processor time", f"{share:.1%} of a core, {used.rss_mb:.0f} MB")
            broker_share = (_use(broker).cpu_s - broker_before.cpu_s) / took_s
            figures.tell("broker, processor time while it is watched", f"{broker_share:.1%} of a core")
            figures.tell("live table, written to the terminal", f"{(len(screen.read()) - written) / took_s:.0f} B/s")
            delays_s = [await _change_shown(screen, crowd, broker, number) for number in range(5)]
            figures.tell("a change is on the screen after", f"{statistics.median(delays_s):.2f} s (median of 5)")
        finally:
            process.terminate()
            while process.poll() is None:
                screen.read()
                await asyncio.sleep(0.02)


async def _change_shown(screen: Tty, crowd: Crowd, broker: Broker, number: int) -> float:
    """Seconds from a problem's publication until it is on the screen."""
    double = crowd.doubles[-1 - number]
    note = ProblemNote("speaker", "it is gone", None, time.time())
    async with subscriber(broker.port, "nothing") as link:
        began_s = time.monotonic()
        await link.send(double.topics.problem, payloads.problem(double.topics, note).payload, retain=True)
        await _until_shown(screen, f"{double.topics.satellite_id}  ")
        took_s = time.monotonic() - began_s
        await link.send(double.topics.problem, payloads.problem(double.topics, None).payload, retain=True)
    return took_s


async def _until_shown(screen: Tty, text: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not any(text in line for line in screen.page()):
        assert time.monotonic() < deadline, screen.page()
        await asyncio.sleep(0.01)


def _refresh_ms(crowd: Crowd) -> float:
    """Rows of all and the lines of a screen, in this process; the median of many."""
    fleet, now = Fleet("voice-satellite"), Now(time.monotonic(), time.time())
    for double in crowd.doubles:
        for message in double.beginning():
            fleet.hear(message.topic, message.payload, now, is_live=True)
    taken_ms = []
    with tty(120, 40) as screen:
        terminal = Terminal(screen.stream, {"TERM": "xterm"})
        for _ in range(20):
            began_s = time.process_time()
            rows = fleet.rows(now)
            Table(rows, rows).lines(terminal)
            taken_ms.append((time.process_time() - began_s) * 1000)
    return statistics.median(taken_ms)


async def _restart(figures: Figures, crowd: Crowd, broker: Broker) -> None:
    """An ordered restart of a broker that keeps what is retained on disk."""
    before = await _retained(broker)
    expected = RETAINED_OF_EACH * figures.satellites
    figures.tell("retained messages", f"{len(before)}")
    figures.expect(len(before) >= expected, f"{expected} messages are retained")
    began_s = time.monotonic()
    await asyncio.to_thread(broker.stop)
    crowd.connected.clear()
    database = broker.directory / "mosquitto.db"
    figures.tell("  on disk", f"{database.stat().st_size / 1e6:.1f} MB")
    await asyncio.to_thread(broker.start)
    figures.tell("broker restarted within", f"{time.monotonic() - began_s:.1f} s")
    await crowd.all_there()
    figures.tell("all back after", f"{time.monotonic() - began_s:.1f} s")
    after = await _retained(broker)
    figures.expect(before <= after, "what was retained is there after the restart")
    code, report = await _fleet_json(broker)
    figures.expect(
        code == 0 and report["sums"]["satellites"] == figures.satellites, "after a restart fleet shows them all"
    )


async def _retained(broker: Broker) -> set[str]:
    """Topics at which something stands, in what all the others say."""
    found: set[str] = set()
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        for one in ("voice-satellite/#", "homeassistant/#"):
            await client.subscribe(one, qos=0)
        last_s = time.monotonic()
        async for message in client.messages:
            if message.retain:
                found.add(message.topic.value)
                last_s = time.monotonic()
            elif time.monotonic() > last_s + QUIET_S:
                break
    return found


async def _fleet_json(broker: Broker, *more: str) -> tuple[int, dict[str, dict[str, object]]]:
    """Exit code and object of the command."""
    process = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-m",
            "satellite",
            "fleet",
            "--host",
            "127.0.0.1",
            "--port",
            str(broker.port),
            "--json",
            *more,
        ),
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        limit=1 << 26,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, json.loads(output)


def _use(broker: Broker) -> Use:
    assert broker.process is not None
    return use_of(broker.process.pid)


def print_side_by_side(runs: list[Figures]) -> None:
    """How it grows."""
    print(f"\n{'satellites':46}" + "".join(f"{run.satellites:>34}" for run in runs))
    for what in runs[0].shown:
        print(f"{what:46}" + "".join(f"{run.shown.get(what, ''):>34}" for run in runs))


if __name__ == "__main__":
    raise SystemExit(main())
