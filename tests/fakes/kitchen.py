"""The satellite in the kitchen, as a real Home Assistant sees it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from satellite.core.transcript import UtteranceRecord
from satellite.homeassistant import payloads
from satellite.homeassistant.messages import Message
from satellite.homeassistant.topics import Topics
from tests.fakes.daemon import Daemon, Emulator, command, write_config
from tests.fakes.homeassistant import HomeAssistant
from tests.fakes.homeassistant_api import States

TOPICS = Topics("voice-satellite", "kitchen")
BASE = TOPICS.root
NODE = "voice_satellite_kitchen"
EXPECTED: dict[str, dict[str, str]] = {
    "sensor.kitchen_transcript": {},
    "sensor.kitchen_translation_de": {},
    "event.kitchen_utterance": {},
    "sensor.kitchen_state": {"device_class": "enum"},
    "binary_sensor.kitchen_voice_activity": {"device_class": "occupancy"},
    "binary_sensor.kitchen_cloud_connection": {"device_class": "connectivity", "category": "diagnostic"},
    "binary_sensor.kitchen_problem": {"device_class": "problem", "category": "diagnostic"},
    "switch.kitchen_mute": {},
    "number.kitchen_volume": {"unit": "%"},
    "select.kitchen_source_language": {"category": "config"},
    "select.kitchen_speech_language": {"category": "config"},
    "text.kitchen_target_languages": {"category": "config"},
    "button.kitchen_stop_speech": {},
    "button.kitchen_restart_session": {"category": "config"},
    "button.kitchen_restart": {"category": "config", "device_class": "restart"},
    "sensor.kitchen_streamed_today": {"category": "diagnostic", "device_class": "duration", "unit": "min"},
    "sensor.kitchen_billed_today": {"category": "diagnostic", "device_class": "duration", "unit": "min"},
    "sensor.kitchen_lost_audio": {"category": "diagnostic", "device_class": "duration", "unit": "s"},
    "sensor.kitchen_reconnects": {"category": "diagnostic"},
    "sensor.kitchen_latency": {"category": "diagnostic", "device_class": "duration", "unit": "ms"},
}
"""What a satellite with one target language has, without what is hidden at first."""


@dataclass(frozen=True, slots=True)
class Kitchen:
    """The configuration of the one satellite, which keeps its state from test to test."""

    directory: Path
    service: Emulator
    port: int

    @contextmanager
    def running(self, **sections: Any) -> Iterator[Daemon]:
        """The satellite at work; without other words its microphone hears nothing."""
        quiet = {"audio": {"input": {"device": "null"}, "output": {"device": "null"}}}
        common: dict[str, Any] = {"satellite": {"id": "kitchen", "area": "Kitchen"}}
        config = write_config(self.directory, self.service.base_url, self.port, **{**common, **quiet, **sections})
        with command(self.directory, "run", "-c", str(config)) as daemon:
            daemon.wait_for("connected to the MQTT broker")
            yield daemon
            daemon.signal(signal.SIGTERM)
            assert daemon.wait(20) == 0, daemon.log[-3000:]


def ours(states: States) -> dict[str, str]:
    """States of the satellite's entities."""
    return {entity: state["state"] for entity, state in states.items() if ".kitchen_" in entity}


def is_here(states: States, expected: set[str]) -> bool:
    """All of them, and none that is not available."""
    found = ours(states)
    return set(found) == expected and "unavailable" not in found.values()


async def until_here(home: HomeAssistant, expected: set[str] | None = None, timeout_s: float = 30.0) -> States:
    return await home.until(lambda states: is_here(states, expected or set(EXPECTED)), timeout_s)


def utterance(text: str, translation: str | None = None, name: str = "u1") -> Message:
    """An utterance as the satellite publishes it, with its German translation."""
    translations = () if translation is None else (("de", translation),)
    record = UtteranceRecord(
        name, 1_790_000_000.0, 1_790_000_002.4, "en", text, translations, None, 0, 0.0, True, "silence"
    )
    return payloads.utterance(TOPICS, record, retain=False)
