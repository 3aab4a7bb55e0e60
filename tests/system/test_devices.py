"""Sound devices come and go under the whole program: told, found again, nothing left behind, nobody held up."""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.fakes.broker import Broker, Subscriber, subscriber
from tests.fakes.losses import Satellite, device_config, satellite
from tests.fakes.processes import family
from tests.fakes.soundserver import SoundServer
from tests.fakes.vcard import VirtualCard

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

DRIVERS = ("alsa", "portaudio")
LOUD = b"\x00\x40\x00\xc0"
SLACK_S = 10.0
"""The times that are promised are measured by `bench.devices`; here the machine may be busy."""


@pytest.fixture
async def seen(broker: Broker) -> AsyncIterator[Subscriber]:
    async with subscriber(broker.port) as watching:
        yield watching


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SoundServer]:
    with SoundServer(tmp_path / "pulse") as running:
        yield running


async def until(is_so: Callable[[], object], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def stops(sat: Satellite) -> None:
    sat.daemon.signal(signal.SIGTERM)
    assert await asyncio.to_thread(sat.daemon.wait) == 0


async def test_a_sound_server_is_killed_and_stalls(
    broker: Broker, seen: Subscriber, server: SoundServer, tmp_path: Path
) -> None:
    """Both drivers at once: each time it is told, then audio flows again, and nothing is left behind."""
    faults = [(server.kill, server.start), (server.stall, server.resume), (server.kill, server.start)]
    async with AsyncExitStack() as stack:
        sats = []
        for driver in DRIVERS:
            config = device_config(driver, broker.port, driver, "servermic", "serverspk")
            sats.append(
                await stack.enter_async_context(satellite(tmp_path, seen, config, ALSA_CONFIG_PATH=str(server.conf)))
            )
        for sat in sats:
            await sat.hears()
        before = [await sat.settled() for sat in sats]
        for take, give in faults:
            await asyncio.to_thread(take)
            for sat in sats:
                await sat.until_problem("microphone")
                assert "servermic" in sat.message
            await asyncio.sleep(1.0)
            await asyncio.to_thread(give)
            given_at = time.monotonic()
            for sat, held in zip(sats, before, strict=True):
                assert await sat.until_problem(None) - given_at < SLACK_S
                assert await sat.settled(held) == held
        for sat in sats:
            await stops(sat)


async def test_a_card_stalls_and_its_source_ends(broker: Broker, seen: Subscriber, tmp_path: Path) -> None:
    with VirtualCard(tmp_path / "card") as card:
        config = device_config("sat1", broker.port, "alsa", "vmic", "null")
        async with satellite(tmp_path, seen, config, ALSA_CONFIG_PATH=str(card.conf)) as sat:
            await sat.hears()
            before = await sat.settled()
            for take, give in ((card.stall, card.resume), (card.unplug, card.replug)):
                outcome = await sat.loses(take, give, 0.5, before)
                assert "vmic" in outcome.message
                assert outcome.back_s < SLACK_S
                assert outcome.after == before
            await stops(sat)


async def test_no_device_at_the_start_then_lost_while_muted(
    broker: Broker, seen: Subscriber, server: SoundServer, tmp_path: Path
) -> None:
    server.kill()
    config = device_config("sat1", broker.port, "alsa", "servermic", "null")
    async with satellite(tmp_path, seen, config, ALSA_CONFIG_PATH=str(server.conf)) as sat:
        await sat.until_problem("microphone")
        assert "the sound server (PulseAudio, PipeWire) does not run" in sat.message
        await asyncio.to_thread(server.start)
        await sat.until_problem(None)
        server.stall()
        await sat.until_problem("microphone")
        await seen.send(sat.topic("set/mute"), "ON")
        await seen.until_text(sat.topic("state"), "muted")
        await until(lambda: len(family(sat.daemon.process.pid)) == 1)
        server.resume()
        await asyncio.sleep(1.0)
        assert len(family(sat.daemon.process.pid)) == 1, "muted: no device is tried"
        await seen.send(sat.topic("set/mute"), "OFF")
        await sat.until_problem(None)
        await stops(sat)


async def test_a_loudspeaker_lost_in_mid_speech_is_cut_and_nobody_is_deaf(
    broker: Broker, seen: Subscriber, tmp_path: Path
) -> None:
    """The microphone is a card, the loudspeaker a server that stalls and is killed; neither holds up the other."""
    with VirtualCard(tmp_path / "card") as card, SoundServer(tmp_path / "pulse", card.conf.read_text()) as server:
        config = device_config("sat1", broker.port, "alsa", "vmic", "serverspk")
        async with satellite(tmp_path, seen, config, ALSA_CONFIG_PATH=str(server.conf)) as sat:
            await sat.hears()
            for take, give in ((server.stall, server.resume), (server.kill, server.start)):
                await says(sat, card)
                await until(lambda: events(sat)[-1:] == ["started"])
                await asyncio.to_thread(take)
                await until(lambda: events(sat)[-1:] == ["cut"])
                await sat.until_problem("speaker")
                assert "serverspk" in sat.message
                utterances = len(seen.texts(sat.topic("utterance")))
                await says(sat, card)
                await until(lambda: len(seen.texts(sat.topic("utterance"))) > utterances)  # noqa: B023 - called at once
                await asyncio.to_thread(give)
                await sat.until_problem(None)
            await says(sat, card)
            await until(lambda: events(sat)[-1:] == ["finished"])
            assert "microphone" not in str(seen.texts(sat.topic("problem")))
            await stops(sat)


def events(sat: Satellite) -> list[str]:
    """Of speech."""
    return [json.loads(text)["event"] for text in sat.seen.texts(sat.topic("speech"))]


async def says(sat: Satellite, card: VirtualCard) -> None:
    """Something loud for two seconds, when the satellite listens again."""
    await sat.seen.until_text(sat.topic("state"), "idle")
    card.say(LOUD * 16_000)
