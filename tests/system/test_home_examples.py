"""The examples for Home Assistant, loaded by a real one, do what they say."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from satellite.homeassistant import payloads
from satellite.homeassistant.payloads import ProblemNote
from tests.fakes.broker import Broker, subscriber
from tests.fakes.daemon import Daemon, emulator
from tests.fakes.homeassistant import HomeAssistant, home_assistant, subscribed
from tests.fakes.homeassistant_api import automation_named
from tests.fakes.kitchen import BASE, TOPICS, Kitchen, until_here, utterance

pytestmark = [
    pytest.mark.slow,
    pytest.mark.alone,
    pytest.mark.timeout(400),
    pytest.mark.asyncio(loop_scope="module"),
]

EXAMPLES = Path(__file__).parents[2] / "config" / "home-assistant"


@pytest.fixture(scope="module")
def home_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with Broker(tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory: pytest.TempPathFactory, home_broker: Broker) -> Iterator[Daemon]:
    with emulator(tmp_path_factory.mktemp("service")) as service:
        place = Kitchen(tmp_path_factory.mktemp("kitchen"), service, home_broker.port)
        with place.running(voice={"speech_language": "de"}) as daemon:
            yield daemon


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(
    tmp_path_factory: pytest.TempPathFactory, home_broker: Broker, kitchen: Daemon
) -> AsyncIterator[HomeAssistant]:
    files = {
        "automations.yaml": (EXAMPLES / "automations.yaml").read_text(),
        "packages/conversation_desk.yaml": (EXAMPLES / "packages" / "conversation_desk.yaml").read_text(),
    }
    async with home_assistant(tmp_path_factory.mktemp("homeassistant"), home_broker.port, files) as running:
        await until_here(running)
        await subscribed(home_broker, f"{BASE}/utterance", f"{BASE}/problem")
        yield running


async def heard(broker: Broker, text: str, translation: str) -> None:
    """An utterance, as the satellite publishes it."""
    message = utterance(text, translation)
    async with subscriber(broker.port) as link:
        await link.send(message.topic, message.payload)


async def notified(home: HomeAssistant, title: str) -> str:
    """The text of the notification with this title, once there is one."""
    async with asyncio.timeout(20):
        while True:
            for entry in await home.command("persistent_notification/get"):
                if entry["title"] == title:
                    return str(entry["message"])
            await asyncio.sleep(0.05)


async def test_they_are_valid(home: HomeAssistant) -> None:
    assert await home.check() == ""
    states = await home.states()
    names = {state["attributes"].get("id") for state in states.values()}
    assert {"voice_satellite_announce", "voice_satellite_problem", "voice_satellite_night"} <= names
    assert home.complaints() == []


async def test_the_dashboard_names_what_there_is(home: HomeAssistant) -> None:
    dashboard = yaml.safe_load((EXAMPLES / "dashboard.yaml").read_text())
    assert await home.save_dashboard(dashboard, "captions-kitchen") == []


async def test_a_translation_is_announced(home: HomeAssistant, home_broker: Broker) -> None:
    await heard(home_broker, "Dinner is ready.", "Das Essen ist fertig.")
    assert await notified(home, "Kitchen") == "Das Essen ist fertig."


async def test_a_problem_is_told_of(home: HomeAssistant, home_broker: Broker) -> None:
    note = ProblemNote("microphone", "the microphone is gone", "put it in again", 1_790_000_000.0)
    async with subscriber(home_broker.port) as link:
        message = payloads.problem(TOPICS, note)
        await link.send(message.topic, message.payload)
        await home.until_state("binary_sensor.kitchen_problem", "on")
        await home.call("automation.trigger", automation_named(await home.states(), "voice_satellite_problem"))
        told = await notified(home, "The satellite in the kitchen")
        message = payloads.problem(TOPICS, None)
        await link.send(message.topic, message.payload)
    assert "the microphone is gone" in told
    assert "put it in again" in told


@pytest.mark.parametrize(
    ("inputs", "text", "translation", "is_run"),
    [
        ({"words": ["light", "lamp"]}, "Switch the LIGHT on!", "Licht an", True),
        ({"words": ["light"]}, "There was lightning.", "Es blitzte.", False),
        ({"words": ["light"], "whole_words": False}, "There was lightning.", "Es blitzte.", True),
        ({"words": ["licht"], "language": "de"}, "Switch it on!", "Licht an", True),
        ({"words": ["light"], "language": "de"}, "The light!", "Die Lampe!", False),
        ({"words": ["how (much)?"], "whole_words": False}, "Say, how (much)? is it", "Wie viel", True),
    ],
)
async def test_when_someone_says_something(
    home: HomeAssistant, home_broker: Broker, inputs: dict[str, Any], text: str, translation: str, is_run: bool
) -> None:
    blueprint = (EXAMPLES / "blueprints" / "when_someone_says.yaml").read_text()
    assert (await home.save_blueprint("automation", "voice_satellite/when_someone_says", blueprint))["name"]
    notify = {"action": "persistent_notification.create", "data": {"title": "Said", "message": "{{ said }}"}}
    filled = {"utterances": ["event.kitchen_utterance"], **inputs, "run": [notify]}
    use = {"use_blueprint": {"path": "voice_satellite/when_someone_says.yaml", "input": filled}}
    automation = await home.save_automation("when", use)
    await home.until_state(automation, "on")
    await home.call("persistent_notification.dismiss_all")
    await heard(home_broker, text, translation)
    await home.until(lambda states: states["sensor.kitchen_transcript"]["attributes"]["text"] == text)
    if is_run:
        assert await notified(home, "Said") == (translation if inputs.get("language") else text)
    else:
        assert await notified(home, "Kitchen") == translation, "the other automation has seen it"
        titles = [entry["title"] for entry in await home.command("persistent_notification/get")]
        assert "Said" not in titles


async def test_two_people_speak_in_turns(home: HomeAssistant, home_broker: Broker) -> None:
    async with subscriber(home_broker.port) as seen:
        for script, speaks, hears in (("guest", "de", "en"), ("host", "en", "de")):
            await home.call(f"script.desk_{script}_speaks")
            wanted = {"source_language": speaks, "target_languages": [hears], "speech_language": hears}
            await seen.until(lambda s, wanted=wanted: wanted.items() <= last(s.texts(f"{BASE}/settings")).items())  # type: ignore[misc]  # a default binds it
    assert home.complaints() == []


def last(texts: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(texts[-1]) if texts else {}
    return found
