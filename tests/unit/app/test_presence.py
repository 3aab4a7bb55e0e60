import asyncio
from pathlib import Path
from typing import Any

from satellite.app.presence import Presence, later
from satellite.config.model import Config
from satellite.homeassistant.entities import Offer
from satellite.runtime.introduction import STEP_S
from tests.fakes.publisher import RecordingPublisher
from tests.fakes.sections import made
from tests.fakes.virtual_time import pass_time, virtual

OFFER = Offer(("en",), (), ("de", "fr"), translates=True, speaks=False)


def config(satellite_id: str = "kitchen", **mqtt: Any) -> Config:
    voice = {"deepl": {"api_key": "not-a-real-key"}}
    return made(Config, {"satellite": {"id": satellite_id}, "voice": voice, "mqtt": mqtt})


async def said(presence_of: Config, directory: Path | None, *, publishes: bool = True) -> list[tuple[str, bool]]:
    """What one process says, from its start to its end: topics, and whether something stands there."""
    publisher = RecordingPublisher()
    presence = Presence(presence_of, publisher, directory, publishes=publishes)
    presence.offer(OFFER)
    presence.say()
    await pass_time(10 * STEP_S)
    presence.keep()
    return [(message.topic, bool(message.payload)) for message in publisher.messages]


@virtual
async def test_another_id_takes_the_place_of_the_one_of_before(tmp_path: Path) -> None:
    assert await said(config(), tmp_path) == [("homeassistant/device/voice_satellite_kitchen/config", True)]
    after = await said(config("study"), tmp_path)
    assert after[:2] == [
        ("homeassistant/device/voice_satellite_kitchen/config", False),
        ("homeassistant/device/voice_satellite_study/config", True),
    ]
    assert ("voice-satellite/kitchen/availability", False) in after


@virtual
async def test_discovery_can_be_switched_off_and_is_taken_back(tmp_path: Path) -> None:
    await said(config(), tmp_path)
    off = config(discovery_prefix=None)
    assert await said(off, tmp_path) == [("homeassistant/device/voice_satellite_kitchen/config", False)]


@virtual
async def test_what_takes_the_place_of_a_broker_is_told_nothing(tmp_path: Path) -> None:
    assert await said(config(), tmp_path, publishes=False) == []
    assert list(tmp_path.iterdir()) == []


@virtual
async def test_later_is_later() -> None:
    called = asyncio.Event()
    later(5.0, called.set)
    await pass_time(4.9)
    assert not called.is_set()
    await pass_time(0.2)
    assert called.is_set()
