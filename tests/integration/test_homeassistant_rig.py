"""What the tests against a real Home Assistant stand on, tried with a device of its own."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.error import URLError

import pytest
import pytest_asyncio

from tests.fakes import homeassistant
from tests.fakes.broker import Broker, subscriber
from tests.fakes.homeassistant import HomeAssistant, LogLine, filled, home_assistant, log_lines, subscribed
from tests.fakes.homeassistant_api import Json, RefusedError, entities_in
from tests.fakes.processes import family, listening

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(400)]

TOPIC = "homeassistant/device/lamp-7/config"
SWITCH, SENSOR = "switch.lamp_7_light", "sensor.lamp_7_volume"
PACKAGE = """\
input_boolean:
  at_home:
    name: Somebody is at home
"""
BLUEPRINT = """\
blueprint:
  name: Follow
  domain: automation
  input:
    leader:
      selector:
        entity: {}
triggers:
  - trigger: state
    entity_id: !input leader
actions:
  - action: input_boolean.toggle
    target:
      entity_id: input_boolean.at_home
"""


def device(**more: Json) -> Json:
    components = {
        "light": {"p": "switch", "name": "Light", "cmd_t": "lamp/set", "stat_t": "lamp/state"},
        "volume": {"p": "sensor", "name": "Volume", "stat_t": "lamp/volume", "val_tpl": "{{ value_json.volume }}"},
        "pressed": {
            "p": "device_automation",
            "atype": "trigger",
            "t": "lamp/pressed",
            "type": "press",
            "stype": "knob",
        },
        **more,
    }
    for name, component in components.items():
        if component.get("p") != "device_automation":
            component["uniq_id"] = f"lamp-7-{name}"
    return {"dev": {"ids": ["lamp-7"], "name": "Lamp 7"}, "o": {"name": "test"}, "cmps": components}


@pytest.fixture(scope="module")
def home_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with Broker(tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory, home_broker: Broker) -> AsyncIterator[HomeAssistant]:
    directory = tmp_path_factory.mktemp("homeassistant")
    async with home_assistant(directory, home_broker.port, {"packages/presence.yaml": PACKAGE}) as running:
        yield running


@pytest.fixture
async def lamp(home: HomeAssistant, home_broker: Broker) -> Json:
    """The device, known to Home Assistant; its entry in the registry."""
    async with subscriber(home_broker.port) as link:
        await link.send(TOPIC, json.dumps(device()), retain=True)
        await home.until(lambda states: states[SWITCH] and states[SENSOR])
    await subscribed(home_broker, "lamp/state", "lamp/volume")
    return (await home.devices())["lamp-7"]


async def test_a_device_is_discovered_with_its_entities_and_triggers(home: HomeAssistant, lamp: Json) -> None:
    entities = await home.entities()
    assert {entities[name]["device_id"] for name in (SWITCH, SENSOR)} == {lamp["id"]}
    assert entities[SWITCH]["unique_id"] == "lamp-7-light"
    assert [trigger["subtype"] for trigger in await home.triggers(lamp["id"]) if trigger["type"] == "press"] == ["knob"]


async def test_it_starts_without_a_complaint_and_has_what_its_pages_ask_for(home: HomeAssistant) -> None:
    assert home.complaints() == []
    services = await home.command("get_services")
    assert {"automation", "mqtt", "script"} <= set(services)


async def test_a_service_reaches_the_device_and_its_answer_the_states(
    home: HomeAssistant, home_broker: Broker, lamp: Json
) -> None:
    async with subscriber(home_broker.port) as link:
        await home.call("switch.turn_on", SWITCH)
        await link.until_text("lamp/set", "ON")
        await link.send("lamp/state", "ON")
        await home.until_state(SWITCH, "on")
        await link.send("lamp/volume", '{"volume": 41}')
        await home.until_state(SENSOR, "41")
    assert await home.render(f"{{{{ states('{SENSOR}') | int + 1 }}}}") == "42"


async def test_a_device_trigger_is_told(home: HomeAssistant, home_broker: Broker, lamp: Json) -> None:
    trigger = next(trigger for trigger in await home.triggers(lamp["id"]) if trigger["type"] == "press")
    async with subscriber(home_broker.port) as link, home.session() as session:
        await session.command("subscribe_trigger", trigger=trigger)
        await subscribed(home_broker, "lamp/pressed")
        await link.send("lamp/pressed", "hard")
        event = await session.until_event(lambda event: "variables" in event)
    assert event["variables"]["trigger"]["payload"] == "hard"


async def test_a_restart_keeps_what_it_knows_and_is_told_on_the_broker(
    home: HomeAssistant, home_broker: Broker, lamp: Json
) -> None:
    async with subscriber(home_broker.port) as link:
        await home.restart()
        await link.until_text("homeassistant/status", "online")
        assert link.texts("homeassistant/status") == ["offline", "online"]
    assert (await home.devices())["lamp-7"]["id"] == lamp["id"]
    await home.until(lambda states: states[SWITCH] and states[SENSOR])


async def test_what_it_complains_about_is_found(home: HomeAssistant, home_broker: Broker, lamp: Json) -> None:
    before = len(home.complaints())
    async with subscriber(home_broker.port) as link:
        await link.send("homeassistant/device/bad/config", '{"dev": {"ids": ["bad"]}, "cmps": {"x": {"p": "sensor"}}}')
        await link.send("lamp/volume", "no JSON")
        await home.until_complaint("Invalid MQTT device discovery payload for bad")
        await home.until_complaint("'value_json' is undefined")
    loggers = {line.logger for line in home.complaints()[before:]}
    assert loggers == {"homeassistant.components.mqtt.discovery", "homeassistant.helpers.template"}
    assert loggers <= {record["name"] for record in await home.system_log()}
    assert [issue for issue in await home.issues() if issue["domain"] == "mqtt"] == []


async def test_files_of_its_configuration_are_read_and_checked(home: HomeAssistant) -> None:
    assert (await home.states())["input_boolean.at_home"]["attributes"]["friendly_name"] == "Somebody is at home"
    assert await home.check() == ""
    home.write("packages/wrong.yaml", "input_boolean:\n  x:\n    colour: red\n")
    try:
        assert "colour" in await home.check()
    finally:
        (home.directory / "packages" / "wrong.yaml").unlink()


async def test_a_blueprint_makes_an_automation(home: HomeAssistant, home_broker: Broker, lamp: Json) -> None:
    assert (await home.save_blueprint("automation", "test/follow", BLUEPRINT))["name"] == "Follow"
    before = (await home.states())["input_boolean.at_home"]["state"]
    use = {"use_blueprint": {"path": "test/follow.yaml", "input": {"leader": SENSOR}}}
    automation = await home.save_automation("follow", use)
    await home.until_state(automation, "on")
    async with subscriber(home_broker.port) as link:
        await link.send("lamp/volume", '{"volume": 12}')
        await home.until(lambda states: states["input_boolean.at_home"]["state"] != before)
    with pytest.raises(RefusedError):
        await home.save_automation("broken", {"triggers": [], "actions": [{"no": "action"}]})


async def test_a_dashboard_is_saved_and_what_it_lacks_is_told(home: HomeAssistant, lamp: Json) -> None:
    cards = [{"type": "tile", "entity": SWITCH}, {"type": "entities", "entities": [SENSOR, {"entity": "sensor.gone"}]}]
    assert await home.save_dashboard({"views": [{"cards": cards}]}) == ["sensor.gone"]


async def test_it_serves_on_loopback_only_and_leaves_nothing(tmp_path: Path, home_broker: Broker) -> None:
    async with home_assistant(tmp_path, home_broker.port) as running:
        assert running.process is not None
        members = family(running.process.pid)
        ports = [line for line in listening(running.process.pid) if line.startswith("tcp")]
        assert [line.split(":")[0] for line in ports] == ["tcp 0100007F"]
    assert not any(Path(f"/proc/{pid}").exists() for pid in members)
    with pytest.raises(URLError, match="refused"):
        await running.get("/api/states")


def test_without_home_assistant_a_test_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOMEASSISTANT", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert homeassistant.installed() is None
    half_made = tmp_path / "voice-satellite" / "homeassistant-2030.1.0"
    half_made.mkdir(parents=True)
    assert homeassistant.installed() is None
    (half_made / ".installed").touch()
    assert homeassistant.installed() == half_made
    monkeypatch.setenv("HOMEASSISTANT", "/elsewhere")
    assert homeassistant.installed() == Path("/elsewhere")


def test_a_form_is_filled_with_what_we_say_and_what_it_suggests() -> None:
    fields: list[Json] = [
        {"name": "broker", "required": True},
        {"name": "port", "required": True, "default": 1883},
        {"name": "username", "default": "x"},
        {"name": "more", "type": "expandable", "schema": [{"name": "transport", "required": True, "default": "tcp"}]},
    ]
    answers = {"broker": "here", "port": 7}
    assert filled(fields, answers) == {"broker": "here", "port": 7, "more": {"transport": "tcp"}}


def test_a_log_is_cut_into_entries_with_their_traces() -> None:
    text = (
        "before\n2026-11-22 00:43:53.592+00:00 WARNING (MainThread) [a.b] one\nTraceback\n"
        "2025-11-22 00:43:53.592 ERROR (Thread-1 (run)) [c] two"
    )
    assert log_lines(text) == [LogLine("WARNING", "a.b", "one\nTraceback"), LogLine("ERROR", "c", "two")]


def test_entities_are_found_wherever_a_dashboard_names_them() -> None:
    config = {"views": [{"cards": [{"entity": "a.b", "name": "entity"}, {"entities": ["c.d", {"entity": "e.f"}]}]}]}
    assert entities_in(config) == {"a.b", "c.d", "e.f"}
