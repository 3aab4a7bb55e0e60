"""Commands over MQTT change the running daemon, and the settings outlast it."""

import asyncio
import json
import signal
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.broker import Broker, Subscriber, subscriber
from tests.fakes.daemon import DATA, Daemon, command, emulator, write_config

pytestmark = pytest.mark.slow

BASE = "voice-satellite/sat1"
CHIME = Path("/usr/share/sounds/alsa/Front_Center.wav")


def bodies(seen: Subscriber, name: str) -> list[dict[str, Any]]:
    return [json.loads(text) for text in seen.texts(f"{BASE}/{name}")]


@asynccontextmanager
async def satellite(broker: Broker, directory: Path, device: str) -> AsyncIterator[tuple[Daemon, Subscriber]]:
    """A daemon on `device` beside an emulator, up and connected; stopped in order afterwards."""
    with emulator(directory / "service") as service:
        config = write_config(
            directory,
            service.base_url,
            broker.port,
            audio={"input": {"device": device}, "output": {"play_from": ["/usr/share/sounds"]}},
            voice={"speech_language": "de"},
        )
        async with subscriber(broker.port) as seen:
            with command(directory, "run", "-c", str(config)) as daemon:
                await seen.until(lambda s: any(not message.retain for message in s.on(f"{BASE}/health")), 20)
                yield daemon, seen
                daemon.signal(signal.SIGTERM)
                assert await asyncio.to_thread(daemon.wait, 20) == 0
            await seen.until_text(f"{BASE}/availability", "offline")
        assert service.stop()["violations"] == []


async def order(seen: Subscriber, name: str, payload: str = "") -> None:
    await seen.send(f"{BASE}/set/{name}", payload)


async def until_setting(seen: Subscriber, name: str, value: object) -> None:
    await seen.until(lambda s: bodies(s, "settings")[-1][name] == value)


async def test_settings_change_and_outlast_a_restart(broker: Broker, tmp_path: Path) -> None:
    async with satellite(broker, tmp_path, "null") as (_, seen):
        for name, payload, value in (
            ("volume", "35", 35),
            ("target_languages", "fr,es", ["fr", "es"]),
            ("speech_language", "off", None),
            ("source_language", "en", "en"),
            ("mute", "ON", True),
        ):
            await order(seen, name, payload)
            await until_setting(seen, name, value)
        await seen.until_text(f"{BASE}/state", "muted")
    async with satellite(broker, tmp_path, "null") as (_, seen):
        settings = bodies(seen, "settings")[-1]
        assert settings["volume"] == 35
        assert settings["target_languages"] == ["fr", "es"]
        assert settings["mute"] is True
        await order(seen, "mute", "OFF")
        await seen.until_text(f"{BASE}/state", "idle")


async def test_what_cannot_be_obeyed_is_refused_with_a_reason(broker: Broker, tmp_path: Path) -> None:
    refused = {
        "volume": "loud",
        "mute": "perhaps",
        "target_languages": "de,fr,es,it,pl,nl",
        "speech_language": "mt",
        "play": "/etc/passwd",
        "backend/dance": "{}",
        "sing": "",
    }
    async with satellite(broker, tmp_path, "null") as (_, seen):
        for name, payload in refused.items():
            await order(seen, name, payload)
        await seen.until(lambda s: len(bodies(s, "command_error")) == len(refused))
        errors = {body["command"]: body for body in bodies(seen, "command_error")}
        assert errors.keys() == refused.keys()
        assert all(body["reason"] for body in errors.values())
        assert "allowed" in errors["play"]["reason"]


async def test_muting_in_mid_sentence_discards_and_closes(broker: Broker, tmp_path: Path) -> None:
    async with satellite(broker, tmp_path, f"file:{DATA / 'demo.wav'}") as (_, seen):
        await seen.until_text(f"{BASE}/state", "listening")
        await order(seen, "mute", "ON")
        await seen.until_text(f"{BASE}/state", "muted")
        captured = bodies(seen, "health")[-1]["captured_s"]
        await asyncio.sleep(1.0)
        assert bodies(seen, "health")[-1]["captured_s"] - captured < 0.5


async def test_a_sound_is_played(broker: Broker, tmp_path: Path) -> None:
    async with satellite(broker, tmp_path, "null") as (_, seen):
        await order(seen, "play", str(CHIME))
        await asyncio.sleep(3.0)
        assert not bodies(seen, "command_error")
    with wave.open(str(tmp_path / "speech.wav")) as heard, wave.open(str(CHIME)) as chime:
        assert heard.getnframes() / heard.getframerate() == pytest.approx(
            chime.getnframes() / chime.getframerate(), abs=0.05
        )


def _began_twice(daemon: Daemon) -> bool:
    return daemon.log.count("connected to the MQTT broker") == 2


async def test_a_new_session_and_a_restart_on_command(broker: Broker, tmp_path: Path) -> None:
    async with satellite(broker, tmp_path, f"file:{DATA / 'demo.wav'}") as (daemon, seen):
        await seen.until(lambda s: any(body["event"] == "opened" for body in bodies(s, "session")), 20)
        await order(seen, "restart_session")
        await seen.until(lambda s: any(body["event"] == "closed" for body in bodies(s, "session")), 20)
        await order(seen, "restart")
        await seen.until(lambda s: _began_twice(daemon), 20)
        assert daemon.process.poll() is None
        assert seen.texts(f"{BASE}/availability")[-1] == "online"


async def test_a_reload_takes_the_configuration_up_and_survives_a_broken_one(broker: Broker, tmp_path: Path) -> None:
    async with satellite(broker, tmp_path, "null") as (daemon, seen):
        config = tmp_path / "config.yaml"
        good = config.read_text()
        config.write_text(good.replace("volume", "volumen") + "\nnonsense: 1\n")
        daemon.signal(signal.SIGHUP)
        await asyncio.sleep(1.0)
        assert "nonsense" in daemon.log
        assert daemon.process.poll() is None
        config.write_text(good.replace("- de\n", "- fr\n").replace("speech_language: de", "speech_language: fr"))
        daemon.signal(signal.SIGHUP)
        await until_setting(seen, "speech_language", "fr")


async def test_push_to_talk_holds_the_gate_open(broker: Broker, tmp_path: Path) -> None:
    async with satellite(broker, tmp_path, "null") as (_, seen):
        await order(seen, "listen", "ON")
        await seen.until_text(f"{BASE}/state", "listening")
        await asyncio.sleep(1.5)
        assert seen.texts(f"{BASE}/state")[-1] == "listening"
        await order(seen, "listen", "OFF")
        await seen.until_text(f"{BASE}/state", "idle")
