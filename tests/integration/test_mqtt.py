"""MqttLink against a real mosquitto: what is published and what arrives."""

import asyncio
import logging
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from satellite.adapters.outbox import Bounds, Outbox
from satellite.homeassistant.commands import CommandRefused, SetMute, SetVolume
from tests.fakes.broker import Broker, subscriber
from tests.fakes.mqtt_link import (
    BIRTH,
    TOPICS,
    WAIT_S,
    Report,
    concluded,
    make_link,
    running,
    settings,
    state,
    tentative,
)
from tests.fakes.relay import relay
from tests.integration.test_voice_link import until


@pytest.fixture(autouse=True)
def _no_complaints_of_the_event_loop(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [record.getMessage() for record in caplog.get_records("call") if record.name == "asyncio"] == []


async def test_availability_comes_first_and_is_retained(broker: Broker) -> None:
    report = Report()
    link = make_link(settings(broker.port), report)
    report.on_connected = lambda: link.publish(state("idle"))
    async with subscriber(broker.port) as seen:
        link.publish(concluded("waited"))
        async with running(link):
            await seen.until_text(TOPICS.transcript, "waited")
        assert [message.topic for message in seen.received] == [TOPICS.availability, TOPICS.state, TOPICS.transcript]
        assert [message.qos for message in seen.received] == [1, 1, 1]
    async with subscriber(broker.port) as late:
        await late.until(lambda seen: len(seen.received) == 2)
        assert {message.topic: message.retain for message in late.received} == {
            TOPICS.availability: True,
            TOPICS.state: True,
        }
    assert report.states == [(True, None)]


async def test_messages_leave_in_order_and_all_of_them(broker: Broker) -> None:
    report = Report()
    link = make_link(settings(broker.port), report)
    async with subscriber(broker.port, TOPICS.transcript) as seen, running(link):
        await report.connected()
        for number in range(200):
            link.publish(concluded(str(number)))
        assert await link.flush(WAIT_S)
        await seen.until(lambda seen: len(seen.received) == 200)
        assert seen.texts(TOPICS.transcript) == [str(number) for number in range(200)]


async def test_a_dead_process_is_announced_by_its_last_will(broker: Broker) -> None:
    async with subscriber(broker.port, TOPICS.availability) as seen:
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(broker.port)], cwd=Path(__file__).parents[2])
        try:
            await seen.until_text(TOPICS.availability, "online")
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait(WAIT_S)
        await seen.until_text(TOPICS.availability, "offline")
    async with subscriber(broker.port, TOPICS.availability) as late:
        await late.until_text(TOPICS.availability, "offline")
        assert late.received[0].retain


CHILD = """
import asyncio, sys
from tests.fakes import mqtt_link as here

async def main() -> None:
    report = here.Report()
    link = here.make_link(here.settings(int(sys.argv[1])), report)
    link.publish(here.concluded("hello"))
    await link.run()

asyncio.run(main())
"""


async def test_cancelling_the_link_leaves_the_last_will(broker: Broker) -> None:
    report = Report()
    async with subscriber(broker.port, TOPICS.availability) as seen:
        async with running(make_link(settings(broker.port), report)):
            await report.connected()
        await seen.until_text(TOPICS.availability, "offline")


async def test_close_flushes_says_offline_and_disconnects_in_order(broker: Broker) -> None:
    report = Report()
    link = make_link(settings(broker.port), report)
    async with subscriber(broker.port) as seen, running(link) as task:
        await report.connected()
        for number in range(20):
            link.publish(concluded(str(number)))
        assert await link.close()
        async with asyncio.timeout(WAIT_S):
            await task
        await seen.until_text(TOPICS.availability, "offline")
        assert seen.received[-2].text == "19"
        assert seen.texts(TOPICS.availability) == ["online", "offline"]
    await until("the broker to note it", lambda: "Client voice-satellite-kitchen disconnected." in broker.log)


async def test_close_in_the_middle_of_the_greeting_says_offline_once(broker: Broker) -> None:
    for _ in range(5):
        async with subscriber(broker.port) as seen:
            link = make_link(settings(broker.port), Report())
            async with running(link) as task:
                await seen.until_text(TOPICS.availability, "online")
                await link.close()
                assert task.done()
            await seen.send("marker", "all is here")
            await seen.until_text("marker", "all is here")
            assert seen.texts(TOPICS.availability)[-2:] == ["online", "offline"]


async def test_close_without_a_broker_returns_at_once_and_ends_the_link(tmp_path: Path) -> None:
    report = Report()
    link = make_link(settings(Broker(tmp_path).port), report)
    async with running(link) as task:
        await report.problem("cannot be reached")
        assert await link.close()
        async with asyncio.timeout(WAIT_S):
            await task


async def test_close_says_when_text_still_waits(broker: Broker) -> None:
    report = Report()
    link = make_link(settings(broker.port), report)
    async with running(link):
        await report.connected()
        broker.freeze()
        link.publish(concluded("stuck"))
        assert not await link.close(timeout_s=0.2)


async def test_flush_says_when_time_ran_out(tmp_path: Path) -> None:
    link = make_link(settings(Broker(tmp_path).port), Report())
    link.publish(tentative("nobody waits for this"))
    assert await link.flush(0.05)
    link.publish(concluded("waits"))
    assert not await link.flush(0.05)


async def test_retained_states_are_published_again_after_the_broker_was_killed(broker: Broker) -> None:
    report = Report()
    link = make_link(settings(broker.port), report)
    report.on_connected = lambda: link.publish(state("idle"))
    async with running(link):
        await report.connected()
        assert await link.flush(WAIT_S)
        broker.restart(how=signal.SIGKILL)  # without persistence: it has forgotten everything
        await report.connected(2)
        assert await link.flush(WAIT_S)
        async with subscriber(broker.port) as late:
            await late.until_text(TOPICS.state, "idle")
            await late.until_text(TOPICS.availability, "online")
    assert [is_connected for is_connected, _ in report.states] == [True, False, True]


async def test_concluded_messages_of_an_outage_arrive_once_and_in_order(broker: Broker) -> None:
    report = Report()
    async with relay(broker.port) as way:
        link = make_link(settings(way.port), report)
        async with running(link):
            await report.connected()
            await way.down()
            broker.kill()
            for number in range(50):
                link.publish(concluded(str(number)))
                link.publish(state(f"state {number}"))
                link.publish(tentative(f"tentative {number}"))
            broker.start()
            async with subscriber(broker.port) as seen:
                await way.up()
                await seen.until_text(TOPICS.transcript, "49")
                assert seen.texts(TOPICS.transcript) == [str(number) for number in range(50)]
                assert seen.texts(TOPICS.state) == ["state 49"]
                assert seen.texts(TOPICS.transcript_tentative) == []
                link.publish(tentative("now"))
                await seen.until_text(TOPICS.transcript_tentative, "now")
                assert seen.received[-1].qos == 0


async def test_a_message_in_flight_when_the_connection_dies_is_published_again(broker: Broker) -> None:
    report = Report()
    async with relay(broker.port) as way, subscriber(broker.port, TOPICS.transcript) as seen:
        link = make_link(settings(way.port), report)
        async with running(link):
            await report.connected()
            way.blackhole()
            link.publish(concluded("in flight"))
            await asyncio.sleep(0.1)
            await way.down()
            await way.up()
            await seen.until_text(TOPICS.transcript, "in flight")
            assert await link.flush(WAIT_S)


async def test_a_broker_that_stops_answering_is_left_after_the_time_out(broker: Broker) -> None:
    report = Report()
    link = make_link(settings(broker.port, timeout_s=0.5), report)
    async with running(link):
        await report.connected()
        broker.freeze()
        link.publish(concluded("text"))
        await report.problem("does not answer")
        broker.thaw()
        await report.connected(2)
        assert await link.flush(WAIT_S)


async def test_commands_arrive_checked(broker: Broker) -> None:
    report = Report()
    async with subscriber(broker.port) as home, running(make_link(settings(broker.port), report)):
        await report.connected()
        await home.send(TOPICS.command("mute"), "ON")
        await home.send("voice-satellite/all/set/volume", "30")
        await home.send("voice-satellite/bath/set/volume", "99")
        await home.send(TOPICS.command("volume"), b"\xff" * 5000)
        commands = await report.commanded(3)
        assert commands[:2] == [SetMute(muted=True), SetVolume(30)]
        assert isinstance(commands[2], CommandRefused)


async def test_retained_commands_are_ignored_old_and_new(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    report = Report()
    async with subscriber(broker.port) as home:
        await home.send(TOPICS.command("volume"), "1", retain=True)
        async with running(make_link(settings(broker.port), report)):
            await report.connected()
            await home.send(TOPICS.command("volume"), "2", retain=True)
            await home.send(TOPICS.command("volume"), "3")
            assert await report.commanded(1) == [SetVolume(3)]
    assert caplog.text.count("retained commands are ignored") == 1


async def test_a_huge_command_does_not_reach_our_memory(broker: Broker) -> None:
    report = Report()
    async with subscriber(broker.port) as home, running(make_link(settings(broker.port), report)):
        await report.connected()
        await home.send(TOPICS.command("play"), b"x" * 5_000_000)
        await home.send(TOPICS.command("volume"), "3")
        assert await report.commanded(1) == [SetVolume(3)]


async def test_the_birth_of_home_assistant_is_passed_on_only_live(broker: Broker) -> None:
    report = Report()
    async with subscriber(broker.port) as home:
        await home.send(BIRTH, "online", retain=True)
        async with running(make_link(settings(broker.port), report)):
            await report.connected()
            await home.send(BIRTH, "offline")
            await home.send(TOPICS.command("volume"), "3")
            await report.commanded(1)
            assert report.births == 0
            await home.send(BIRTH, "online", retain=True)
            await report.born()


async def test_home_assistant_may_be_of_no_interest(broker: Broker) -> None:
    report = Report()
    async with subscriber(broker.port) as home, running(make_link(settings(broker.port, birth_topic=None), report)):
        await report.connected()
        await home.send(BIRTH, "online")
        await home.send(TOPICS.command("volume"), "3")
        await report.commanded(1)
    assert report.births == 0


async def test_the_outbox_bound_holds_while_the_broker_is_away(tmp_path: Path) -> None:
    outbox = Outbox(Bounds(concluded=3))
    link = make_link(settings(Broker(tmp_path).port), Report(), outbox)
    for number in range(5):
        link.publish(concluded(str(number)))
    assert len(outbox) == 3
    assert outbox.dropped == 2


async def test_no_payload_reaches_the_log_at_any_level(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    report = Report()
    link = make_link(settings(broker.port, username="sat1", password="pass-word"), report)
    async with running(link):
        async with subscriber(broker.port) as home:
            await report.connected()
            link.publish(concluded("private words"))
            await home.send(TOPICS.command("play"), "private/sound.wav")
            await report.commanded(1)
            assert await link.flush(WAIT_S)
        broker.restart()
        await report.connected(2)
    assert "connected to the MQTT broker" in caplog.text
    assert "private" not in caplog.text
    assert "pass-word" not in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_no_text_is_lost_or_reordered_whatever_the_network_does(broker: Broker, seed: int) -> None:
    dice = random.Random(seed)
    report = Report()
    async with relay(broker.port) as way, subscriber(broker.port, TOPICS.transcript) as seen:
        link = make_link(settings(way.port, timeout_s=0.5), report)
        async with running(link) as task:
            for number in range(120):
                link.publish(concluded(str(number)))
                link.publish(state(str(number)))
                link.publish(tentative(str(number)))
                await asyncio.sleep(dice.random() * 0.03)
                if dice.random() < 0.08:
                    await dice.choice([way.down, way.up, way.interrupt, way.stall])()
            await way.down()
            await way.up()
            assert await link.flush(WAIT_S)
            await link.close()
            await task
        await seen.until_text(TOPICS.transcript, "119")
    first_seen = list(dict.fromkeys(seen.texts(TOPICS.transcript)))
    assert first_seen == [str(number) for number in range(120)]
    assert report.connections > 1
