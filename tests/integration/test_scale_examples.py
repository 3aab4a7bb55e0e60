"""The examples of docs/scale.md at real brokers: the access list, and the bridge of a site."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from satellite.adapters.mqtt_connection import MqttConnection, PublishRefusedError
from satellite.adapters.mqtt_settings import MqttSettings
from satellite.homeassistant.messages import Message
from tests.fakes.broker import Broker, BrokerOptions, subscriber
from tests.fakes.daemon import ROOT
from tests.fakes.onlooking import PASSWORD, at, fleet, say, voices

PAGE = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
USERS = dict.fromkeys(("kitchen", "study", "ops", "homeassistant"), "p")


def example(first_words: str) -> str:
    """The block of the page that begins so."""
    found = re.search(rf"^```\n({re.escape(first_words)}.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found.group(1)


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Broker]:
    """A broker with the access list of the page."""
    with Broker(tmp_path / "broker", BrokerOptions(users=USERS, acl=example("# mosquitto: acl_file"))) as broker:
        yield broker


async def may_write(broker: Broker, user: str, topic: str) -> bool:
    """Whether the broker takes it."""
    settings = MqttSettings("127.0.0.1", broker.port, username=user, password="p")
    connection = MqttConnection(settings, f"trial-{user}", None, is_version_5=True)
    await connection.open()
    try:
        await connection.publish(Message(topic, b"x"))
    except PublishRefusedError:
        return False
    finally:
        await connection.close()
    return True


@pytest.mark.parametrize(
    ("user", "topic", "expected"),
    [
        ("kitchen", "voice-satellite/kitchen/state", True),
        ("kitchen", "voice-satellite/kitchen/backend/x/result", True),
        ("kitchen", "voice-satellite/study/state", False),
        ("kitchen", "voice-satellite/study/set/mute", False),
        ("kitchen", "voice-satellite/all/set/mute", False),
        ("kitchen", "homeassistant/device/voice_satellite_kitchen/config", True),
        ("kitchen", "homeassistant/device/voice_satellite_study/config", False),
        ("kitchen", "homeassistant/status", False),
        ("study", "homeassistant/device/voice_satellite_study/config", True),
        ("ops", "voice-satellite/study/set/mute", True),
        ("ops", "voice-satellite/all/set/mute", True),
        ("ops", "voice-satellite/study/state", False),
        ("homeassistant", "homeassistant/status", True),
        ("homeassistant", "voice-satellite/study/set/mute", True),
    ],
)
async def test_who_may_write(guarded: Broker, user: str, topic: str, expected: bool) -> None:
    assert await may_write(guarded, user, topic) is expected


async def test_who_may_read(guarded: Broker) -> None:
    login = {"username": "kitchen", "password": "p"}
    async with voices(guarded.port, username="study", password="p") as study:
        await say(study, "study")
    async with (
        voices(guarded.port, username="homeassistant", password="p") as home,
        subscriber(guarded.port, **login) as kitchen,
    ):
        await home.send("homeassistant/status", "online")
        await home.send("voice-satellite/kitchen/set/mute", "ON")
        await home.send("voice-satellite/study/set/mute", "ON")
        await home.send("voice-satellite/all/set/mute", "OFF")
        await kitchen.until_text("voice-satellite/all/set/mute", "OFF")
        assert [message.topic for message in kitchen.received] == [
            "homeassistant/status",
            "voice-satellite/kitchen/set/mute",
            "voice-satellite/all/set/mute",
        ]
    ran = await fleet(*at(guarded), "--username", "ops", "--json", **{PASSWORD: "p"})
    assert ran.code == 0
    assert [one["id"] for one in ran.told["satellites"]] == ["study"]


async def test_a_site_is_seen_in_the_middle(tmp_path: Path) -> None:
    with Broker(tmp_path / "middle") as middle:
        lines = [line for line in example("connection ").splitlines() if not line.startswith("bridge_cafile")]
        bridge = "\n".join(lines).replace("middle.example:8883", f"127.0.0.1:{middle.port}")
        with Broker(tmp_path / "site", BrokerOptions(more=f"{bridge}\nrestart_timeout 1\n")) as site:
            async with voices(site.port) as link:
                await say(link, "kitchen")
                await link.send("voice-satellite/kitchen/transcript", "not for the middle", retain=True)
            base = ("--base-topic", "site-berlin/voice-satellite")
            async with subscriber(middle.port) as seen:
                await seen.until(lambda s: bool(s.on("site-berlin/voice-satellite/kitchen/health")))
            ran = await fleet(*at(middle), *base, "--json")
            assert (ran.code, [one["id"] for one in ran.told["satellites"]]) == (0, ["kitchen"])
            async with subscriber(site.port) as below, voices(middle.port) as above:
                await above.send("site-berlin/voice-satellite/all/set/mute", "ON")
                await below.until_text("voice-satellite/all/set/mute", "ON")
            async with subscriber(middle.port) as seen:
                await seen.until(lambda s: bool(s.on("site-berlin/voice-satellite/kitchen/health")))
                assert not any("transcript" in message.topic for message in seen.received)
