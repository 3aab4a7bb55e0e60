"""From one voice service to another by a changed line and SIGHUP, while somebody speaks."""

import asyncio
import functools
import json
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from satellite.backends.registry import load
from satellite.emulator.registry import names
from tests.fakes.broker import Broker, Subscriber, subscriber
from tests.fakes.daemon import DATA, Emulator, command, emulator, write_config
from tests.fakes.vcard import AUDIO, VirtualCard

pytestmark = pytest.mark.slow

BASE = "voice-satellite/sat1"
SENTENCES = 2
"""With each service, before the next."""


def texts(seen: Subscriber) -> list[str]:
    """Every piece of transcript that came, once each."""
    bodies = {body["id"]: body for body in (json.loads(text) for text in seen.texts(f"{BASE}/transcript"))}
    return [body["text"] for body in bodies.values()]


def has_texts(enough: int, seen: Subscriber) -> bool:
    return len(texts(seen)) >= enough


def configure(directory: Path, name: str, services: dict[str, Emulator], broker: Broker) -> Path:
    can = load(name).capabilities
    voice = {
        "backend": name,
        "target_languages": ["de"] if can.translates else [],
        name: services[name].options,
    }
    return write_config(
        directory, services["deepl"].base_url, broker.port, audio=AUDIO | {"duplex": "simultaneous"}, voice=voice
    )


@pytest.mark.timeout(180)
async def test_a_running_satellite_moves_through_all_services_and_loses_no_word_of_theirs(
    broker: Broker, tmp_path: Path
) -> None:
    with VirtualCard(tmp_path / "card") as card, ExitStack() as stack:
        services = {
            name: stack.enter_context(emulator(tmp_path / name, "--backend", name, "--speech", "tones"))
            for name in names()
        }
        config = configure(tmp_path, names()[0], services, broker)
        async with subscriber(broker.port) as seen:
            with command(tmp_path, "run", "-c", str(config), ALSA_CONFIG_PATH=str(card.conf)) as daemon:
                await seen.until_text(f"{BASE}/state", "idle", 30)
                for _ in range(5):
                    card.say_wav(DATA / "demo.wav")
                for number, name in enumerate(names()):
                    if number:
                        configure(tmp_path, name, services, broker)
                        daemon.signal(signal.SIGHUP)
                    enough = len(texts(seen)) + 2 * SENTENCES
                    await seen.until(functools.partial(has_texts, enough), 60)
                daemon.signal(signal.SIGTERM)
                assert await asyncio.to_thread(daemon.wait, 30) == 0
            await seen.until_text(f"{BASE}/availability", "offline")
            published = texts(seen)
        reports = {name: service.stop() for name, service in services.items()}
    assert all(report["concluded"] for report in reports.values()), "each of them was used"
    concluded = [entry["text"].strip() for name in names() for entry in reports[name]["concluded"]]
    assert published == concluded
    assert {name: report["violations"] for name, report in reports.items()} == {name: [] for name in names()}
