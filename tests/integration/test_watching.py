"""`fleet --wait`, which a deployment trusts: what is proof that a satellite works, and what is none."""

import asyncio
import signal
from pathlib import Path

import pytest

from tests.fakes.broker import Broker, Subscriber
from tests.fakes.daemon import command
from tests.fakes.onlooking import BASE, at, fleet, say, voices
from tests.fakes.sightings import health


async def speaking(link: Subscriber, after_s: float, **changes: str | bytes) -> None:
    """The kitchen speaks in a while."""
    await asyncio.sleep(after_s)
    await say(link, "kitchen", **changes)


async def test_a_health_that_is_told_while_we_wait_ends_the_wait(broker: Broker) -> None:
    async with voices(broker.port) as link, asyncio.TaskGroup() as group:
        await say(link, "kitchen")
        group.create_task(speaking(link, 3.0, health=health(uptime_s=99.0)))
        ran = await fleet(*at(broker), "--only", "kitchen", "--wait", "30", "--json")
        assert ran.code == 0
    assert (ran.told["unready"], ran.told["satellites"][0]["id"]) == ({}, "kitchen")
    assert ran.told["waited_s"] < 25


async def test_what_is_retained_is_no_proof(broker: Broker) -> None:
    async with voices(broker.port) as link:
        await say(link, "kitchen")
    ran = await fleet(*at(broker), "--only", "kitchen", "--wait", "3")
    assert ran.code == 1
    assert ran.out == "kitchen: has not told of its health since we look\n"


async def test_the_version_is_that_of_the_new_program(broker: Broker) -> None:
    async with voices(broker.port) as link, asyncio.TaskGroup() as group:
        await say(link, "kitchen")
        group.create_task(speaking(link, 2.0, health=health(uptime_s=99.0)))
        group.create_task(speaking(link, 5.0, health=health(uptime_s=2.0, version="0.2.0")))
        wait = ("--only", "kitchen", "--expect-version", "0.2.0", "--wait")
        ran = await fleet(*at(broker), *wait, "30")
        assert ran.code == 0
        assert ran.out == "kitchen: well, runs 0.2.0\n"
        group.create_task(speaking(link, 2.0, health=health(uptime_s=130.0)))
        ran = await fleet(*at(broker), *wait, "5")
        assert ran.code == 1
        assert ran.out == "kitchen: runs 0.1.0, not 0.2.0\n"


async def test_the_program_of_before_a_restart_does_not_count(broker: Broker) -> None:
    async with voices(broker.port) as link, asyncio.TaskGroup() as group:
        await say(link, "kitchen")
        for number in range(8):
            group.create_task(speaking(link, 1.0 + number, health=health(uptime_s=9_000.0 + number)))
        group.create_task(speaking(link, 9.0, health=health(uptime_s=1.0)))
        arguments = (*at(broker), "--only", "kitchen", "--started-within", "0", "--wait")
        ran = await fleet(*arguments, "5")
        assert ran.code == 1
        assert ran.out == "kitchen: still runs the program of before\n"
        ran = await fleet(*arguments, "20")
        assert ran.code == 0


async def test_a_restart_while_we_wait_begins_the_proof_anew(broker: Broker) -> None:
    async with voices(broker.port) as link, asyncio.TaskGroup() as group:
        await say(link, "kitchen")
        await say(link, "study")

        async def course() -> None:
            await asyncio.sleep(3)
            await link.send(f"{BASE}/kitchen/health", health(uptime_s=99.0), retain=True)
            await link.send(f"{BASE}/kitchen/availability", "offline", retain=True)
            await link.send(f"{BASE}/kitchen/availability", "online", retain=True)
            await link.send(f"{BASE}/study/health", health(uptime_s=99.0), retain=True)

        group.create_task(course())
        ran = await fleet(*at(broker), "--wait", "6")
        assert ran.code == 1
        assert ran.out == "kitchen: has not told of its health since we look\nstudy: well, runs 0.1.0\n"


async def test_one_that_is_missing_is_waited_for(broker: Broker) -> None:
    ran = await fleet(*at(broker), "--only", "kitchen", "--wait", "2")
    assert ran.code == 1
    assert ran.out == "kitchen: no satellite of this id has said anything at this broker\n"
    ran = await fleet(*at(broker), "--wait", "2")
    assert ran.code == 1
    assert "no satellite at" in ran.err
    async with voices(broker.port) as link, asyncio.TaskGroup() as group:
        group.create_task(speaking(link, 3.0))
        ran = await fleet(*at(broker), "--only", "kitchen", "--wait", "30")
        assert ran.code == 0


async def test_a_broker_that_comes_back_is_looked_at_again(broker: Broker) -> None:
    async with asyncio.TaskGroup() as group:

        async def course() -> None:
            await asyncio.sleep(3)
            await asyncio.to_thread(broker.restart)
            async with voices(broker.port) as link:
                for number in range(20):
                    await say(link, "kitchen", health=health(uptime_s=90.0 + number))
                    await asyncio.sleep(1)

        task = group.create_task(course())
        ran = await fleet(*at(broker), "--only", "kitchen", "--wait", "30")
        assert ran.code == 0
        task.cancel()


# --- the whole --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_the_real_daemon_is_seen_and_waited_for(broker: Broker, tmp_path: Path) -> None:
    config = tmp_path / "kitchen.yaml"
    config.write_text(
        "satellite: {id: kitchen, name: The kitchen, area: Home}\nvoice: {backend: loopback, target_languages: [de]}\n"
        f"audio: {{input: {{device: 'null'}}, output: {{device: 'null'}}}}\nmqtt: {{port: {broker.port}}}\n"
    )
    with command(tmp_path, "run", "-c", str(config)) as daemon:
        wait = (*at(broker), "--only", "kitchen", "--started-within", "60", "--wait", "38", "--json", "--names")
        ran = await fleet(*wait)
        assert ran.code == 0
        (row,) = ran.told["satellites"]
        assert (row["name"], row["area"], row["state"], row["cloud"]) == ("The kitchen", "Home", "idle", "idle")
        assert row["health_age_s"] < 5
        ran = await fleet("-c", str(config))
        assert ran.code == 0
        daemon.signal(signal.SIGTERM)
        await asyncio.to_thread(daemon.wait)
    ran = await fleet("-c", str(config), "--json")
    assert ran.code == 1
    assert ran.told["sums"]["problems"] == {"offline": 1}
