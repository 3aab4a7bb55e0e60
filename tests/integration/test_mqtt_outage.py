"""MqttLink with a spool on disk: what the broker does not acknowledge, does not allow, or cannot know."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from satellite.adapters.outbox import Bounds, Outbox
from satellite.adapters.spool import DiskSpool
from satellite.homeassistant.commands import SetVolume
from satellite.homeassistant.messages import Message
from tests.fakes.broker import Broker, subscriber
from tests.fakes.mqtt_link import TOPICS, WAIT_S, Report, concluded, make_link, old_broker, running, settings, state
from tests.fakes.relay import relay


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "state"


@contextlib.contextmanager
def spooled(directory: Path) -> Iterator[Outbox]:
    """An outbox on disk; at the end everything is stored that is left."""
    spool = DiskSpool(directory)
    yield Outbox(spool=spool)
    assert spool.close(WAIT_S) == 0


async def until_there(directory: Path, *, is_there: bool = True) -> None:
    """Wait until there is a spool, or none."""
    async with asyncio.timeout(WAIT_S):
        while (directory / "spool.db").exists() is not is_there:
            await asyncio.sleep(0.02)


def left(directory: Path) -> list[str]:
    """What a process finds that starts now."""
    spool = DiskSpool(directory)
    texts = [entry.message.payload.decode() for entry in spool.load()]
    spool.close(WAIT_S)
    return texts


async def test_while_the_broker_answers_there_is_no_spool(broker: Broker, directory: Path) -> None:
    report = Report()
    with spooled(directory) as outbox:
        link = make_link(settings(broker.port), report, outbox)
        async with running(link):
            await report.connected()
            for number in range(30):
                link.publish(concluded(str(number)))
                await asyncio.sleep(0.05)
                assert not directory.exists()
            assert await link.flush(WAIT_S)
            assert await link.close()
    assert not directory.exists()


async def test_a_message_that_is_not_acknowledged_is_stored_and_forgotten_when_it_is(
    broker: Broker, directory: Path
) -> None:
    report = Report()
    async with relay(broker.port) as way, subscriber(broker.port, TOPICS.transcript) as seen:
        with spooled(directory) as outbox:
            link = make_link(settings(way.port), report, outbox)
            async with running(link):
                await report.connected()
                way.blackhole()
                link.publish(concluded("1"))
                link.publish(concluded("2"))
                await until_there(directory)
                assert report.connections == 1  # the link does not know yet, and there was no need to wait for that
                await way.interrupt()
                await seen.until_text(TOPICS.transcript, "2")
                await until_there(directory, is_there=False)
        assert seen.texts(TOPICS.transcript) == ["1", "2"]
    assert left(directory) == []


async def test_what_is_left_at_the_end_goes_out_first_after_the_next_start(broker: Broker, directory: Path) -> None:
    lives = ([1, 2, 3], [4, 5])
    port = broker.port
    broker.kill()
    for numbers in lives:
        with spooled(directory) as outbox:
            link = make_link(settings(port), Report(), outbox)
            async with running(link):
                for number in numbers:
                    link.publish(concluded(str(number)))
                    link.publish(Message(f"{TOPICS.root}/utterance", str(number).encode(), retain=True))
                assert not await link.close()
    broker.start()
    async with subscriber(port) as seen:
        with spooled(directory) as outbox:
            link = make_link(settings(port), Report(), outbox)
            link.publish(concluded("6"))
            async with running(link):
                await seen.until_text(TOPICS.transcript, "6")
                assert await link.flush(WAIT_S)
                await until_there(directory, is_there=False)
        assert seen.texts(TOPICS.transcript) == ["1", "2", "3", "4", "5", "6"]
        assert seen.texts(f"{TOPICS.root}/utterance") == ["1", "2", "3", "4", "5"]
    async with subscriber(port, f"{TOPICS.root}/utterance") as late:
        await late.until_text(f"{TOPICS.root}/utterance", "5")
        assert late.received[0].retain


async def test_what_does_not_fit_is_dropped_oldest_first_counted_and_told(
    broker: Broker, directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    port = broker.port
    broker.kill()
    spool = DiskSpool(directory)
    outbox = Outbox(Bounds(concluded=10), spool)
    report = Report()
    link = make_link(settings(port), report, outbox)
    for number in range(25):
        link.publish(concluded(str(number)))
    assert spool.settle(WAIT_S)
    assert (len(outbox), outbox.dropped) == (10, 15)
    assert caplog.text.count("the oldest are dropped") == 1
    broker.start()
    async with subscriber(port, TOPICS.transcript) as seen, running(link):
        await seen.until_text(TOPICS.transcript, "24")
        assert seen.texts(TOPICS.transcript) == [str(number) for number in range(15, 25)]
    assert "15 messages were dropped" in caplog.text
    assert spool.close(WAIT_S) == 0


async def test_a_broker_that_ends_the_connection_over_a_topic_gets_everything_else(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    report = Report()
    async with old_broker() as (old, port):
        old.hated_topic = TOPICS.transcript
        with spooled(directory) as outbox:
            link = make_link(settings(port, refused_retry_s=3.0), report, outbox)
            async with running(link):
                await report.connected()
                link.publish(concluded("hated 1"))
                link.publish(concluded("hated 2"))
                link.publish(Message(f"{TOPICS.root}/utterance", b"welcome"))
                async with asyncio.timeout(WAIT_S):
                    while b"welcome" not in old.published:
                        await asyncio.sleep(0.02)
                assert "does the broker's ACL allow it?" in caplog.text
                old.hated_topic = ""
                async with asyncio.timeout(WAIT_S):
                    while b"hated 2" not in old.published:
                        await asyncio.sleep(0.02)
                assert await link.flush(WAIT_S)
    texts = [text for text in old.published if text.startswith((b"hated", b"welcome"))]
    assert texts == [b"welcome", b"hated 1", b"hated 2"]
    assert left(directory) == []


async def test_a_broker_replaced_by_one_of_another_version_is_spoken_to_in_its_own(broker: Broker) -> None:
    report = Report()
    async with old_broker() as (old, port), relay(port) as way:
        link = make_link(settings(way.port), report)
        async with running(link):
            await report.connected()
            old.connect_answer = 1  # from now on no version is good enough
            await way.interrupt()
            async with asyncio.timeout(WAIT_S):
                while old.levels.count(5) < 3:
                    await asyncio.sleep(0.02)
            assert old.levels[:3] == [5, 4, 4]  # as long as it works, nothing else is tried
            link.publish(concluded("kept"))
            async with subscriber(broker.port, TOPICS.transcript) as seen:
                way.target_port = broker.port
                await seen.until_text(TOPICS.transcript, "kept")


async def test_a_broker_that_was_restarted_without_a_memory_is_told_everything_that_holds(
    broker: Broker, directory: Path
) -> None:
    report = Report()
    with spooled(directory) as outbox:
        link = make_link(settings(broker.port), report, outbox)
        report.on_connected = lambda: link.publish(state("idle"))
        async with running(link):
            for round_ in range(1, 4):
                await report.connected(round_)
                broker.kill()
                link.publish(concluded(str(round_)))
                broker.start()
                async with subscriber(broker.port) as seen:
                    await seen.until_text(TOPICS.availability, "online", 20)
                    await seen.until_text(TOPICS.state, "idle")
                    await seen.until_text(TOPICS.transcript, str(round_))
            assert await link.flush(WAIT_S)
    assert left(directory) == []


@pytest.mark.parametrize("seed", [1, 2])
async def test_whatever_is_sent_as_a_command_the_link_stays(broker: Broker, seed: int) -> None:
    dice = random.Random(seed)
    names = ["mute", "volume", "play", "backend/x", "", "a" * 3000, "ü/é", "set/set", "source_language"]
    payloads = [b"", b"\xff\xfe", b"[" * 2000, b'{"a":', "😀".encode() * 100, b"NaN", b"1e999", b"\0", b"-1"]
    report = Report()
    link = make_link(settings(broker.port), report)
    async with subscriber(broker.port) as home, running(link):
        await report.connected()
        for _ in range(150):
            topic = f"{TOPICS.root}/set/{dice.choice(names)}"
            payload = dice.choice([*payloads, dice.randbytes(dice.randint(0, 300))])
            await home.send(topic, payload, retain=dice.random() < 0.2)
        await home.send(TOPICS.command("volume"), "33")
        async with asyncio.timeout(WAIT_S):
            while SetVolume(33) not in report.commands:
                await asyncio.sleep(0.02)
    assert report.connections == 1
