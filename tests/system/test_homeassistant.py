"""The satellite in a real Home Assistant: found, complete, followed, commanded, and forgotten where it is gone."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
import pytest_asyncio

from tests.fakes.broker import Broker, subscriber
from tests.fakes.daemon import DATA, Emulator, command, emulator
from tests.fakes.homeassistant import HomeAssistant, home_assistant, subscribed
from tests.fakes.homeassistant_api import Json
from tests.fakes.kitchen import BASE, EXPECTED, NODE, Kitchen, ours, until_here, utterance

pytestmark = [
    pytest.mark.slow,
    pytest.mark.alone,
    pytest.mark.timeout(400),
    pytest.mark.asyncio(loop_scope="module"),
]

AGAIN_S = 15.0
"""After a restart of anybody everything is there again within this time."""
HIDDEN = {f"sensor.kitchen_{key}" for key in ("latency_p95", "memory", "version", "outbox")}


@pytest.fixture(scope="module")
def home_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with Broker(tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with emulator(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory, home_broker: Broker) -> AsyncIterator[HomeAssistant]:
    async with home_assistant(tmp_path_factory.mktemp("homeassistant"), home_broker.port) as running:
        yield running


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory: pytest.TempPathFactory, service: Emulator, home_broker: Broker) -> Kitchen:
    return Kitchen(tmp_path_factory.mktemp("kitchen"), service, home_broker.port)


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def known(home: HomeAssistant) -> set[str]:
    """What it had complained of before the test."""
    return {line.text for line in home.complaints()}


# --- the device -----------------------------------------------------------------------------------------------------


async def test_the_device_is_complete(known: set[str], home: HomeAssistant, kitchen: Kitchen) -> None:
    with kitchen.running():
        await until_here(home)
        entities = await home.entities()
        assert set(entities) == set(EXPECTED) | HIDDEN
        assert {name for name, entry in entities.items() if entry["disabled_by"] is not None} == HIDDEN
        states = await home.states()
        for name, wanted in EXPECTED.items():
            attributes = states[name]["attributes"]
            assert attributes.get("device_class") == wanted.get("device_class"), name
            assert attributes.get("unit_of_measurement") == wanted.get("unit"), name
            assert entities[name]["entity_category"] == wanted.get("category"), name
            assert entities[name]["unique_id"].startswith(NODE), name
        device = (await home.devices())[NODE]
        assert (device["name"], device["manufacturer"], device["sw_version"]) == ("Kitchen", "voice-satellite", "0.1.0")
        kinds = {(trigger.get("subtype"), trigger["type"]) for trigger in await home.triggers(device["id"])}
        assert {("utterance", "said"), ("speech", "started"), ("speech", "finished"), ("problem", "raised")} <= kinds
        assert states["sensor.kitchen_state"]["state"] == "idle"
        assert "auto" in states["select.kitchen_source_language"]["attributes"]["options"]
    await home.until_state("sensor.kitchen_state", "unavailable")
    assert [line for line in home.complaints() if line.text not in known] == []


async def test_states_follow_what_is_said(
    known: set[str], home: HomeAssistant, kitchen: Kitchen, home_broker: Broker
) -> None:
    audio = {"duplex": "simultaneous", "input": {"device": f"file:{DATA / 'demo.wav'}"}, "output": {"device": "null"}}
    voice = {"speech_language": "de"}
    seen: dict[str, list[str]] = {}
    async with home.session() as session:
        await session.command("subscribe_events", event_type="state_changed")
        with kitchen.running(audio=audio, voice=voice) as daemon:
            await asyncio.to_thread(daemon.wait, 70)
        await home.until_state("sensor.kitchen_state", "unavailable")
        await session.command("get_config")
        for event in session.events:
            new = event["data"]["new_state"]
            if new is not None and ".kitchen_" in new["entity_id"]:
                seen.setdefault(new["entity_id"], []).append(new["state"])
    said = [text for text in seen["sensor.kitchen_transcript"] if text not in ("unavailable", "unknown")]
    assert said[0].startswith("Good morning")
    assert len(dict.fromkeys(said)) == 5
    assert any("[de]" in text for text in seen["sensor.kitchen_translation_de"])
    assert {"idle", "listening", "speaking"} <= set(seen["sensor.kitchen_state"])
    assert {"on", "off"} <= set(seen["binary_sensor.kitchen_voice_activity"])
    assert "on" in seen["binary_sensor.kitchen_cloud_connection"]
    assert max(float(text) for text in seen["sensor.kitchen_streamed_today"] if text[0].isdigit()) > 0.2
    assert [line for line in home.complaints() if line.text not in known] == []


# --- commands -------------------------------------------------------------------------------------------------------


async def test_every_command_is_obeyed_and_comes_back(
    known: set[str], home: HomeAssistant, kitchen: Kitchen, home_broker: Broker
) -> None:
    with kitchen.running() as daemon:
        await until_here(home)
        async with subscriber(home_broker.port, f"{BASE}/#") as seen:

            def settings() -> Json:
                found: Json = json.loads(seen.texts(f"{BASE}/settings")[-1])
                return found

            await home.call("switch.turn_on", "switch.kitchen_mute")
            await home.until_state("switch.kitchen_mute", "on")
            await home.until_state("sensor.kitchen_state", "muted")
            assert settings()["mute"] is True
            await home.call("switch.turn_off", "switch.kitchen_mute")
            await home.until_state("sensor.kitchen_state", "idle")
            await home.call("number.set_value", "number.kitchen_volume", value=35)
            await home.until_state("number.kitchen_volume", "35")
            await home.call("select.select_option", "select.kitchen_source_language", option="it")
            await home.until_state("select.kitchen_source_language", "it")
            await home.call("select.select_option", "select.kitchen_speech_language", option="fr")
            await home.until_state("select.kitchen_speech_language", "fr")
            await home.call("text.set_value", "text.kitchen_target_languages", value="de, fr")
            await home.until_state("sensor.kitchen_translation_fr", "unknown")
            assert settings() == {
                "mute": False,
                "volume": 35,
                "source_language": "it",
                "target_languages": ["de", "fr"],
                "speech_language": "fr",
            }
            await home.call("select.select_option", "select.kitchen_speech_language", option="off")
            await home.until_state("select.kitchen_speech_language", "off")
            await home.call("text.set_value", "text.kitchen_target_languages", value="de")
            await home.until(lambda states: "sensor.kitchen_translation_fr" not in states)
            await home.call("select.select_option", "select.kitchen_source_language", option="en")
            for button in ("stop_speech", "restart_session"):
                await home.call("button.press", f"button.kitchen_{button}")
            await home.call("button.press", "button.kitchen_restart")
            await seen.until(lambda s: s.texts(f"{BASE}/availability")[-2:] == ["offline", "online"], AGAIN_S)
            await home.until_state("sensor.kitchen_state", "idle", AGAIN_S)
    for obeyed in ("StopSpeech", "RestartSession", "Restart"):
        assert f"command {obeyed}" in daemon.log
    assert [line for line in home.complaints() if line.text not in known] == []


async def test_what_is_refused_is_explained_and_changes_nothing(
    known: set[str], home: HomeAssistant, kitchen: Kitchen, home_broker: Broker
) -> None:
    with kitchen.running():
        await until_here(home)
        async with subscriber(home_broker.port, f"{BASE}/#") as seen:
            await home.call("text.set_value", "text.kitchen_target_languages", value="de, not a language")
            await seen.until(lambda s: bool(s.texts(f"{BASE}/command_error")))
            refused = json.loads(seen.texts(f"{BASE}/command_error")[0])
            assert refused["command"] == "target_languages"
            assert "BCP 47" in refused["reason"]
            await seen.until(lambda s: len(s.texts(f"{BASE}/settings")) >= 2)
        assert (await home.states())["text.kitchen_target_languages"]["state"] == "de"
    assert [line for line in home.complaints() if line.text not in known] == []


# --- restarts and changes -------------------------------------------------------------------------------------------


async def test_whoever_restarts_all_of_it_is_there_again(
    home: HomeAssistant, kitchen: Kitchen, home_broker: Broker
) -> None:
    async def restart_home() -> None:
        await home.restart()

    async def restart_broker() -> None:
        await asyncio.to_thread(home_broker.stop)
        await home.until_state("sensor.kitchen_state", "unavailable")
        await asyncio.to_thread(home_broker.start)

    with kitchen.running() as daemon:
        await until_here(home)
        before = await home.entities()
        deeds: list[Callable[[], Awaitable[None]]] = [restart_home, restart_broker]
        for deed in deeds:
            await deed()
            await until_here(home, timeout_s=AGAIN_S)
            assert set(await home.entities()) == set(before)
        daemon.signal(signal.SIGHUP)
        await asyncio.sleep(1.0)
        await until_here(home, timeout_s=AGAIN_S)
    with kitchen.running():
        await until_here(home, timeout_s=AGAIN_S)
        after = await home.entities()
    assert {name: entry["unique_id"] for name, entry in after.items()} == {
        name: entry["unique_id"] for name, entry in before.items()
    }


async def test_languages_bring_and_take_their_own(known: set[str], home: HomeAssistant, kitchen: Kitchen) -> None:
    with kitchen.running(voice={"target_languages": ["de", "pt-BR", "ja"]}):
        await until_here(
            home,
            {*EXPECTED, "sensor.kitchen_translation_pt_br", "sensor.kitchen_translation_ja"},
        )
    with kitchen.running(voice={"target_languages": ["ja"]}):
        japanese = set(EXPECTED) - {"sensor.kitchen_translation_de"} | {"sensor.kitchen_translation_ja"}
        await until_here(home, japanese)
        assert {name for name in await home.entities() if "translation" in name} == {"sensor.kitchen_translation_ja"}
    with kitchen.running():
        await until_here(home)
    assert [line for line in home.complaints() if line.text not in known] == []


# --- texts ----------------------------------------------------------------------------------------------------------

LONG = " ".join(f"word{number:04d}" for number in range(340))[:3000]
TEXTS = [
    LONG,
    "x" * 3000,
    "😀 naïve “quotes” \"double\" 'single' \\ back {{ 1 + 1 }} {% x %}",
    "שלום עולם، مرحبا بالعالم",
    "first line\nsecond line\ttab\r\nthird",
    "null",
    "None",
    "[1, 2]",
]


@pytest.mark.parametrize("text", TEXTS, ids=["long", "no blanks", "quotes", "right to left", "lines", *TEXTS[5:]])
async def test_any_text_is_whole_in_attributes_and_valid_as_a_state(
    known: set[str], home: HomeAssistant, kitchen: Kitchen, home_broker: Broker, text: str
) -> None:
    message = utterance(text, text[::-1])
    with kitchen.running():
        await until_here(home)
        await subscribed(home_broker, f"{BASE}/utterance")
        async with subscriber(home_broker.port) as link:
            await link.send(message.topic, message.payload)
        states = await home.until(lambda s: s["sensor.kitchen_transcript"]["attributes"].get("text") == text)
    transcript, event = states["sensor.kitchen_transcript"], states["event.kitchen_utterance"]
    assert transcript["attributes"]["translations"] == {"de": text[::-1]}
    assert states["sensor.kitchen_translation_de"]["attributes"]["text"] == text[::-1]
    assert event["attributes"]["event_type"] == "utterance"
    assert event["attributes"]["source"] == {"language": "en", "text": text}
    assert 0 < len(transcript["state"]) < 255
    if len(text) < 250:
        assert transcript["state"].split() == text.split() or text in ("None", "null")
    else:
        assert transcript["state"].endswith("…")
        assert text.startswith(transcript["state"][:-1])
    assert [line for line in home.complaints() if line.text not in known] == []


async def test_a_noise_changes_no_text(home: HomeAssistant, kitchen: Kitchen, home_broker: Broker) -> None:
    with kitchen.running():
        await until_here(home)
        await subscribed(home_broker, f"{BASE}/utterance")
        async with subscriber(home_broker.port) as link:
            for name, text in (("u1", "Hello."), ("u2", "")):
                message = utterance(text, "Hallo." if text else None, name)
                await link.send(message.topic, message.payload)
        states = await home.until(lambda s: s["event.kitchen_utterance"]["attributes"].get("id") == "u2")
        for sensor, text in (("transcript", "Hello."), ("translation_de", "Hallo.")):
            state = states[f"sensor.kitchen_{sensor}"]
            assert (state["state"], state["attributes"]["text"]) == (text, text)
            assert state["attributes"]["utterance_id"] == "u1"


# --- the end of it --------------------------------------------------------------------------------------------------


async def test_what_is_forgotten_leaves_nothing(known: set[str], home: HomeAssistant, kitchen: Kitchen) -> None:
    with kitchen.running():
        await until_here(home)
    with command(kitchen.directory, "forget", "-c", str(kitchen.directory / "config.yaml")) as forgetting:
        assert await asyncio.to_thread(forgetting.wait) == 0
    await home.until(lambda states: ours(states) == {})
    assert await home.entities() == {}
    assert NODE not in await home.devices()
    # some versions clear the announcement of a device that is gone themselves, and wonder then that it is empty
    own = "No device components to cleanup"
    assert [line for line in home.complaints() if line.text not in known and own not in line.text] == []


async def test_entities_keep_their_names_from_one_style_of_discovery_to_the_other(
    home: HomeAssistant, kitchen: Kitchen
) -> None:
    """The last one: of what it is told to do for this Home Assistant complains itself."""
    with kitchen.running():
        await until_here(home)
        await home.command(
            "config/entity_registry/update", entity_id="sensor.kitchen_transcript", name="What was said", icon="mdi:ear"
        )
    for style in ("components", "device"):
        with kitchen.running(mqtt={"discovery": style}) as daemon:
            await asyncio.sleep(12.0)  # the old announcement is cleared
            await until_here(home)
            entry = (await home.entities())["sensor.kitchen_transcript"]
            assert (entry["name"], entry["icon"]) == ("What was said", "mdi:ear"), style
            assert set(await home.entities()) == set(EXPECTED) | HIDDEN
            assert daemon.exit_code is None
