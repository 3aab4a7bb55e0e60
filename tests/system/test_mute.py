"""Mute is real: the microphone is closed, what waits is thrown away, and it stays so until somebody unmutes."""

import array
import asyncio
import contextlib
import json
import signal
import time
import wave
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.broker import Broker, Subscriber, subscriber
from tests.fakes.daemon import DATA, Daemon, command, emulator, words, write_config
from tests.fakes.manager import Manager
from tests.fakes.processes import holders, listening
from tests.fakes.vcard import AUDIO, CardFormat, VirtualCard

pytestmark = pytest.mark.slow

BASE = "voice-satellite/sat1"
LABELS: list[dict[str, Any]] = json.loads((DATA / "demo.labels.json").read_text())["sentences"]
FRAME_BYTES = 640
LOUD = 1_000
CLOSED_WITHIN_S = 3.0


def sentence(*numbers: int) -> bytes:
    """Sentences of the demo recording, each with a little room around it."""
    with wave.open(str(DATA / "demo.wav")) as wav:
        pcm: bytes = wav.readframes(wav.getnframes())
    spans = [(int(LABELS[at]["start_ms"] - 300) * 32, int(LABELS[at]["end_ms"] + 300) * 32) for at in numbers]
    return b"".join(pcm[begin:end] for begin, end in spans)


def loud_frames(pcm: bytes) -> list[tuple[float, bytes]]:
    """The 20 ms pieces in which something can be heard, with their times in seconds."""
    frames = [(at / 32_000, pcm[at : at + FRAME_BYTES]) for at in range(0, len(pcm) - FRAME_BYTES, FRAME_BYTES)]
    return [(at, frame) for at, frame in frames if max(map(abs, array.array("h", frame))) > LOUD]


def received(directory: Path) -> bytes:
    """All audio the service got."""
    return b"".join(path.read_bytes()[44:] for path in sorted((directory / "audio").glob("*.wav")))


async def microphone_is(daemon: Daemon, card: VirtualCard, *, is_open: bool) -> None:
    """Wait until the daemon, or a process of its, holds the microphone, or none does."""
    deadline = time.monotonic() + CLOSED_WITHIN_S
    while bool(holders(card.directory / "mic", daemon.process.pid)) != is_open:
        assert time.monotonic() < deadline, f"the microphone should be {'open' if is_open else 'closed'}"
        await asyncio.sleep(0.05)


def events(seen: Subscriber, topic: str) -> list[str]:
    return [json.loads(text)["event"] for text in seen.texts(f"{BASE}/{topic}")]


async def mute(seen: Subscriber) -> float:
    """Mute; when it was so, on the monotonic clock."""
    await seen.send(f"{BASE}/set/mute", "ON")
    await seen.until_text(f"{BASE}/state", "muted")
    return time.monotonic()


async def unmute(seen: Subscriber) -> None:
    await seen.send(f"{BASE}/set/mute", "OFF")
    await seen.until_text(f"{BASE}/state", "idle")


async def stopped(daemon: Daemon) -> None:
    daemon.signal(signal.SIGTERM)
    assert await asyncio.to_thread(daemon.wait, 20) == 0


async def test_muted_in_mid_sentence_and_during_playback(broker: Broker, tmp_path: Path) -> None:
    talk, aside, greeting = sentence(3), sentence(1), sentence(0)
    with (
        VirtualCard(tmp_path / "card", CardFormat(spk_rate=24_000)) as card,
        emulator(tmp_path / "service") as service,
    ):
        voice = {"speech_language": "de"}
        config = write_config(tmp_path, service.base_url, broker.port, audio=AUDIO, voice=voice)
        async with subscriber(broker.port) as seen:
            with command(tmp_path, "run", "-c", str(config), ALSA_CONFIG_PATH=str(card.conf)) as daemon:
                await seen.until_text(f"{BASE}/state", "idle")
                await microphone_is(daemon, card, is_open=True)
                began = card.wait_for("saying", name=card.say(talk))["monotonic"]
                await seen.until(lambda s: s.texts(f"{BASE}/transcript/tentative") != [], 20)
                muted_at = await mute(seen)
                await microphone_is(daemon, card, is_open=False)
                await asyncio.to_thread(card.wait_for, "saying", 20, name=card.say(aside))
                await asyncio.sleep(len(aside) / 32_000 + 1)
                assert events(seen, "command_error") == []
                await seen.send(f"{BASE}/set/listen", "ON")
                await seen.until(lambda s: s.texts(f"{BASE}/command_error") != [])
                await unmute(seen)
                await microphone_is(daemon, card, is_open=True)
                card.say(greeting)
                await seen.until(lambda s: events(s, "speech")[-1:] == ["started"], 20)
                assert len(listening(service.process.pid)) == 2, "who listens would be seen"
                assert listening(daemon.process.pid) == [], "with everything in use"
                await mute(seen)
                await microphone_is(daemon, card, is_open=False)
                await seen.until(lambda s: events(s, "speech")[-1:] == ["finished"], 20)
                await stopped(daemon)
        service.stop()
    heard = received(tmp_path / "service")
    assert [at for at, frame in loud_frames(aside) if frame in heard] == []
    last = max(at for at, frame in loud_frames(talk) if frame in heard)
    assert began + last < muted_at
    assert len([frame for _, frame in loud_frames(greeting) if frame in heard]) > 20


async def test_what_waits_for_the_service_is_thrown_away(broker: Broker, tmp_path: Path) -> None:
    """The service takes its time to let us in; meanwhile something is said, and then it is muted."""
    aside, greeting = sentence(1), sentence(0)
    with (
        VirtualCard(tmp_path / "card") as card,
        emulator(tmp_path / "service", "--fault", "slow:on=POST,delay_s=5") as service,
    ):
        config = write_config(tmp_path, service.base_url, broker.port, audio=AUDIO)
        async with subscriber(broker.port) as seen:
            with command(tmp_path, "run", "-c", str(config), ALSA_CONFIG_PATH=str(card.conf)) as daemon:
                await seen.until_text(f"{BASE}/state", "idle")
                card.say(aside)
                await seen.until_text(f"{BASE}/state", "listening")
                await asyncio.sleep(1.5)
                await mute(seen)
                await microphone_is(daemon, card, is_open=False)
                await seen.until(lambda s: "opened" in events(s, "session"), 20)
                await asyncio.sleep(1)
                await unmute(seen)
                card.say(greeting)
                await seen.until(lambda s: "kitchen" in str(s.texts(f"{BASE}/transcript")), 20)
                await stopped(daemon)
        service.stop()
    heard = received(tmp_path / "service")
    assert [at for at, frame in loud_frames(aside) if frame in heard] == []
    assert words(" ".join(json.loads(text)["text"] for text in seen.texts(f"{BASE}/transcript")))[:2] == [
        "good",
        "morning",
    ]


async def test_it_stays_muted_over_a_restart_without_a_broker(tmp_path: Path) -> None:
    """The microphone is not opened even once, though nobody can be asked."""
    broker = Broker(tmp_path / "broker")
    with (
        contextlib.closing(Manager(tmp_path / "notify")) as manager,
        VirtualCard(tmp_path / "card") as card,
        emulator(tmp_path / "service") as service,
    ):
        config = write_config(tmp_path, service.base_url, broker.port, audio=AUDIO)
        around = {"ALSA_CONFIG_PATH": str(card.conf), "NOTIFY_SOCKET": manager.address}
        with broker:
            async with subscriber(broker.port) as seen:
                with command(tmp_path, "run", "-c", str(config), **around) as daemon:
                    await seen.until_text(f"{BASE}/state", "idle")
                    await mute(seen)
                    await stopped(daemon)
        while "STOPPING" not in manager.told():
            pass
        with command(tmp_path, "run", "-c", str(config), **around) as daemon:
            while "READY" not in manager.told():
                assert holders(card.directory / "mic", daemon.process.pid) == []
            for _ in range(20):
                assert holders(card.directory / "mic", daemon.process.pid) == []
                await asyncio.sleep(0.05)
            with broker:
                async with subscriber(broker.port) as seen:
                    await seen.until_text(f"{BASE}/state", "muted", 30)
                    assert holders(card.directory / "mic", daemon.process.pid) == []
                    await unmute(seen)
                    await microphone_is(daemon, card, is_open=True)
                    await stopped(daemon)
