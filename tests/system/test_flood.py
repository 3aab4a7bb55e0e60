"""A flood of commands, and junk that the broker keeps: the satellite goes on hearing, obeys, and stays as it was."""

import asyncio
import json
import signal
import struct
from pathlib import Path
from typing import Self

import pytest

from tests.fakes.broker import Broker, Subscriber, subscriber
from tests.fakes.daemon import DATA, Daemon, command, emulator, words, write_config

# what it does to the broker and the processor would be felt by whatever ran beside it
pytestmark = [pytest.mark.slow, pytest.mark.alone]

BASE = "voice-satellite/sat1"
PER_S = 10_000
BURST_S = 0.05
RETAINED = 2_000
MORE_MB_MAX = 12
LINES_MAX = 400
SENTENCES = json.loads((DATA / "demo.labels.json").read_text())["sentences"]


def publish(topic: str, payload: bytes, *, retain: bool = False) -> bytes:
    """A PUBLISH packet of MQTT 3.1.1, QoS 0."""
    body = struct.pack("!H", len(topic)) + topic.encode() + payload
    length, digits = len(body), b""
    while True:
        length, digit = divmod(length, 128)
        digits += bytes([digit | (0x80 if length else 0)])
        if not length:
            return bytes([0x30 | retain]) + digits + body


class Flooder:
    """A client that says what it likes, as fast as it likes."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.sent = 0

    async def __aenter__(self) -> Self:
        reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writer.write(b"\x10\x13\x00\x04MQTT\x04\x02\x00\x00\x00\x07flooder")
        assert (await reader.readexactly(4))[3] == 0
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def send(self, packets: bytes, count: int) -> None:
        self._writer.write(packets)
        await self._writer.drain()
        self.sent += count

    async def flood(self, per_s: int, seconds: float) -> None:
        """Volumes, nonsense, sounds and large payloads."""
        volumes = [publish(f"{BASE}/set/volume", str(percent).encode()) for percent in range(101)]
        nonsense = [publish(f"{BASE}/set/nonsense{number}", b"x" * 100) for number in range(64)]
        sounds = [publish(f"{BASE}/set/play", f"/usr/share/sounds/{number}".encode()) for number in range(34)]
        kinds = [*volumes, *nonsense, *sounds, publish("voice-satellite/all/set/volume", b"\xff" * 8_000)]
        burst = (kinds * 10)[: round(per_s * BURST_S)]
        packets, loop = b"".join(burst), asyncio.get_running_loop()
        began = loop.time()
        for turn in range(round(seconds / BURST_S)):
            await self.send(packets, len(burst))
            await asyncio.sleep(max(0.0, began + (turn + 1) * BURST_S - loop.time()))


async def muted_and_back(seen: Subscriber) -> None:
    await seen.send(f"{BASE}/set/mute", "ON")
    await seen.until_text(f"{BASE}/state", "muted", 10)
    await seen.send(f"{BASE}/set/mute", "OFF")
    await seen.until(lambda s: s.texts(f"{BASE}/state")[-1:] != ["muted"], 10)


async def obeyed(seen: Subscriber) -> None:
    """Asks as a person does, again when nothing comes of it: a broker may drop what waits behind a flood."""
    async with asyncio.timeout(40):
        while settings(seen)["volume"] != 42:
            await seen.send(f"{BASE}/set/volume", "42")
            await asyncio.sleep(1.0)


async def test_it_goes_on_hearing_and_obeys(broker: Broker, tmp_path: Path) -> None:
    audio = {"duplex": "simultaneous", "output": {"device": "null"}}
    with emulator(tmp_path / "service") as service:
        config = write_config(tmp_path, service.base_url, broker.port, audio=audio)
        async with subscriber(broker.port, f"{BASE}/+") as seen, Flooder(broker.port) as flooder:
            kept = [publish(f"voice-satellite/all/set/junk{n}", b"x" * 500, retain=True) for n in range(RETAINED)]
            await flooder.send(b"".join(kept), 0)
            with command(tmp_path, "run", "-c", str(config)) as daemon:
                await seen.until(lambda s: s.texts(f"{BASE}/transcript") != [], 30)
                before_mb = daemon.peak_rss_mb()
                await flooder.flood(PER_S, 5.0)
                await obeyed(seen)
                after_mb = daemon.peak_rss_mb()
                daemon.signal(signal.SIGTERM)
                assert await asyncio.to_thread(daemon.wait, 30) == 0
                await seen.until_text(f"{BASE}/availability", "offline")
    said = words(" ".join(json.loads(text)["text"] for text in seen.texts(f"{BASE}/transcript")))
    assert len(said) > 10
    assert said[:-1] == words(" ".join(sentence["text"] for sentence in SENTENCES))[: len(said) - 1]
    assert flooder.sent > 4 * PER_S
    assert after_mb < before_mb + MORE_MB_MAX
    refused = seen.texts(f"{BASE}/command_error")
    assert 0 < len(refused) < LINES_MAX
    assert max(map(len, refused)) < 1_000
    assert lines(daemon) < LINES_MAX
    assert daemon.log.count("retained commands are ignored") == 1


async def test_mute_is_obeyed_in_the_middle_of_it(broker: Broker, tmp_path: Path) -> None:
    audio = {"input": {"device": "null"}, "output": {"device": "null"}}
    config = write_config(tmp_path, "https://api.deepl.com", broker.port, audio=audio)
    async with subscriber(broker.port, f"{BASE}/+") as seen, Flooder(broker.port) as flooder:
        with command(tmp_path, "run", "-c", str(config)):
            await seen.until_text(f"{BASE}/state", "idle", 20)
            async with asyncio.TaskGroup() as group:
                flood = group.create_task(flooder.flood(PER_S // 10, 5.0))
                await asyncio.sleep(0.5)
                for _ in range(3):
                    await muted_and_back(seen)
                assert not flood.done(), "it was not in the middle"
                flood.cancel()


def settings(seen: Subscriber) -> dict[str, object]:
    latest: dict[str, object] = json.loads(seen.texts(f"{BASE}/settings")[-1])
    return latest


def lines(daemon: Daemon) -> int:
    return daemon.log.count("\n")
