"""What the documents say is what is there: links, examples, tables and diagrams."""

import json
import random
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

import pytest
from jsonschema import Draft202012Validator

from satellite.app.diagnosis import TITLES, Outcome, Report, Result, Verdict
from satellite.backends import lifecycle
from satellite.backends.base import SessionState
from satellite.cli import COMMANDS
from satellite.config.loader import load_all
from satellite.core import gate, turn
from satellite.emulator.faults import KINDS, parse_fault
from satellite.homeassistant import commands
from satellite.homeassistant.fleet import Row
from satellite.homeassistant.reports import Complaint
from satellite.homeassistant.topics import Topics
from satellite.runtime.standing import SEVERITY
from tests.fakes.promised import Promises

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
State = TypeVar("State", bound=Enum)
Cause = TypeVar("Cause", bound=Enum)
TOPICS = Topics("voice-satellite", "kitchen")


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(name), re.MULTILINE | re.DOTALL)


# --- links ------------------------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in links(page):
        if link.startswith(("https://", "http://")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_page_can_be_found_from_the_first() -> None:
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in links(ROOT / "README.md")}
    assert [page.name for page in PAGES if page not in linked and page.name != "README.md"] == []


def test_named_scripts_can_be_run() -> None:
    named = {name for page in PAGES for name in re.findall(r"^(scripts/\w+)", page.read_text(), re.MULTILINE)}
    assert named >= {"scripts/demo", "scripts/test", "scripts/check"}
    assert [name for name in named if not (ROOT / name).stat().st_mode & 0o100] == []


def test_named_commands_are_there() -> None:
    named = {
        name
        for page in PAGES
        for name in re.findall(r"bin/voice-satellite (\w+)|^voice-satellite (\w+)", page.read_text(), re.MULTILINE)
    }
    assert {name for pair in named for name in pair if name} <= set(COMMANDS)


# --- configuration ----------------------------------------------------------------------------------------------


def test_the_page_of_all_keys_is_up_to_date() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "make_configuration_page.py"))
    assert text_of("docs/configuration.md") == script["page"](), "run scripts/make_configuration_page.py"


@pytest.mark.parametrize("name", ["README.md", "docs/configuration.md", "docs/emulator.md"])
def test_configurations_that_are_shown_can_be_used(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secrets.yaml").write_text("deepl_api_key: some-key\n")
    (tmp_path / "secrets.yaml").chmod(0o600)
    monkeypatch.chdir(ROOT)
    shown = [block for block in blocks(name, "yaml") if "voice:" in block]
    assert shown
    for block in shown:
        path = tmp_path / "config.yaml"
        path.write_text(block.replace("file:satellite/", f"file:{ROOT}/satellite/"))
        assert load_all(str(path)).config.voice.backend == "deepl"


def test_ten_lines_are_ten_lines() -> None:
    shown = next(block for block in blocks("README.md", "yaml") if "voice:" in block)
    assert len(shown.splitlines()) == 10


# --- MQTT -------------------------------------------------------------------------------------------------------

MQTT = runpy.run_path(str(ROOT / "scripts" / "make_mqtt_page.py"))


def test_the_page_of_topics_is_up_to_date() -> None:
    assert text_of("docs/mqtt.md") == MQTT["page"](text_of("docs/mqtt.md")), "run scripts/make_mqtt_page.py"


def test_the_schemas_of_payloads_are_up_to_date() -> None:
    there = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "mqtt").iterdir()}
    assert there == MQTT["schema_files"](), "run scripts/make_mqtt_page.py"


def test_every_topic_is_told() -> None:
    others = {"root", "command", "command_path", "command_filters"}
    names = {name for name in vars(Topics) if not name.startswith("_")} - {*Topics.__slots__, *others}
    topics = [getattr(TOPICS, name) for name in names]
    filters = {topic("+") if callable(topic) else topic for topic in topics}
    told = json.loads(text_of("docs/mqtt/topics.json"))["published"]
    assert {f"{TOPICS.root}/{entry['topic']}" for entry in told} == filters


@pytest.mark.parametrize("kind", MQTT["KINDS"], ids=lambda kind: kind.name)
def test_schemas_are_sound_and_fit_the_examples(kind: Any) -> None:
    schema = json.loads(text_of(f"docs/mqtt/{kind.file}"))
    Draft202012Validator.check_schema(schema)
    promises = Promises()
    messages = [message for keep in (False, True) for message in kind.make(keep)]
    assert [promises.complaint(message.topic, message.payload) for message in messages] == [None] * len(messages)
    assert promises.used == {kind.file}
    told = json.loads(text_of("docs/mqtt/topics.json"))["published"]
    assert {entry["qos"] for entry in told if entry["schema"] == kind.file} == {message.qos for message in messages}


def test_every_key_of_every_payload_is_described() -> None:
    for kind in MQTT["KINDS"]:
        schema = json.loads(text_of(f"docs/mqtt/{kind.file}"))
        for part in (schema, *schema.get("$defs", {}).values()):
            for name, entry in part.get("properties", {}).items():
                inner = str(entry.get("$ref", entry.get("anyOf", [{}])[0].get("$ref", ""))).rpartition("/")[2]
                assert entry.get("description") or schema["$defs"][inner]["description"], (kind.name, name)


def test_the_validation_that_is_shown_fails_as_shown() -> None:
    (shown,) = blocks("docs/mqtt.md", "python")
    *program, outcome = shown.splitlines()
    ran = subprocess.run(
        [sys.executable, "-c", "\n".join(program)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert outcome.removeprefix("# ") in ran.stderr


def shown_commands() -> list[tuple[str, str]]:
    """Topic and payload of each command that the page publishes."""
    lines = re.findall(r"^mosquitto_(?:pub|rr) (.+)$", text_of("docs/mqtt.md"), re.MULTILINE)
    words = [shlex.split(line) for line in lines]
    return [(line[line.index("-t") + 1], line[line.index("-m") + 1] if "-m" in line else "") for line in words]


def test_commands_that_are_shown_are_understood() -> None:
    parsed = {
        topic: commands.parse(TOPICS, topic, payload.encode(), retained=False, targets_max=5)
        for topic, payload in shown_commands()
    }
    refused = (commands.CommandRefused, type(None))
    assert [topic for topic, command in parsed.items() if isinstance(command, refused)] == []
    names = {TOPICS.command_path(topic) or "" for topic in parsed}
    assert {re.sub(r"^backend/.*", "backend", name) for name in names} == {*commands._COMMANDS, "backend"}


def test_the_flow_for_node_red_hangs_together() -> None:
    nodes = {node["id"]: node for node in json.loads(text_of("config/node-red/notify-and-mute.json"))}
    wired = {wire for node in nodes.values() for output in node.get("wires", []) for wire in output}
    assert wired <= set(nodes)
    assert {node["broker"] for node in nodes.values() if "topic" in node and "broker" in node} == {"satellite-broker"}
    told = {entry["topic"] for entry in json.loads(text_of("docs/mqtt/topics.json"))["published"]}
    heard = {node["topic"].split("/", 2)[2] for node in nodes.values() if node["type"] == "mqtt in"}
    assert heard == {"utterance", "problem", "availability", "settings"}
    assert heard <= told
    (order,) = [node["topic"] for node in nodes.values() if node["type"] == "mqtt out"]
    for node in nodes.values():
        if node["type"] == "inject":
            parsed = commands.parse(TOPICS, order, node["payload"].encode(), retained=False, targets_max=0)
            assert isinstance(parsed, commands.SetMute)


def test_the_table_of_commands_is_whole() -> None:
    section = text_of("docs/mqtt.md").partition("## Commands")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([\w/<>]+)` \|", section, re.MULTILINE)) == {*commands._COMMANDS, "backend/<action>"}


def test_every_problem_code_is_explained() -> None:
    explained = re.findall(r"^\| `(\w+)` \|", text_of("docs/troubleshooting.md"), re.MULTILINE)
    assert explained == list(SEVERITY)


# --- doctor -----------------------------------------------------------------------------------------------------


def test_every_check_of_the_doctor_is_explained() -> None:
    explained = re.findall(r"^\| `(\w+)` \|", text_of("docs/doctor.md"), re.MULTILINE)
    assert sorted(explained) == sorted(TITLES)


def test_the_doctor_s_object_looks_as_shown() -> None:
    (shown,) = blocks("docs/doctor.md", "json")
    outcome = Outcome(Verdict.FAIL, "d", "m")
    real = Report("0.1.0", "kitchen", (Result("broker", TITLES["broker"], outcome, 12),)).as_json()
    example = json.loads(shown)
    assert list(example) == list(real)
    assert real["checks"] == [example["checks"][0] | {"detail": "d", "mend": "m"}]


# --- fleet -----------------------------------------------------------------------------------------------------


def test_the_fleet_s_object_looks_as_shown() -> None:
    (shown,) = blocks("docs/fleet.md", "json")
    example = json.loads(shown)
    row = Row("hall", Complaint("offline", "m")).as_json()
    assert [list(one) for one in example["satellites"]] == [list(row)]
    assert list(example["satellites"][0]["problem"]) == list(asdict(Complaint("c", "m")))


def test_every_complaint_of_the_fleet_is_explained() -> None:
    table = text_of("docs/fleet.md").partition("| PROBLEM | means |")[2].partition("\n\n")[0]
    codes = set(re.findall(r'Complaint\("(\w+)"', text_of("satellite/homeassistant/condition.py")))
    assert codes == set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))


# --- emulator ---------------------------------------------------------------------------------------------------


def test_every_fault_is_explained() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", text_of("docs/emulator.md"), re.MULTILINE)) == KINDS


def test_faults_that_are_shown_are_understood() -> None:
    shown = re.findall(r"--fault (\w+:\S+=\S+)", "\n".join(blocks("docs/emulator.md", "sh")))
    assert len(shown) == 2
    assert [parse_fault(spec, random.Random(1)).kind for spec in shown] == ["http", "cut"]


# --- diagrams of states -----------------------------------------------------------------------------------------


def caused(table: Mapping[tuple[State, Cause], State]) -> list[str]:
    return [f"    {start.name} --> {end.name}: {cause.value}" for (start, cause), end in table.items()]


def moves(table: Mapping[SessionState, frozenset[SessionState]]) -> list[str]:
    """Without the moves to the final states, which every state has."""
    return [
        f"    {start.name} --> {end.name}"
        for start, ends in table.items()
        for end in SessionState
        if end in ends and not end.is_final
    ]


DIAGRAMS = {
    "gate": ["    [*] --> QUIET", *caused(gate.TRANSITIONS)],
    "turn": ["    [*] --> LISTENING", *caused(turn.TRANSITIONS)],
    "session": ["    [*] --> IDLE", *moves(lifecycle.TRANSITIONS)],
}


@pytest.mark.parametrize("name", DIAGRAMS)
def test_diagrams_are_drawn_from_the_tables(name: str) -> None:
    wanted = "\n".join(["```mermaid", "stateDiagram-v2", *DIAGRAMS[name], "```"])
    shown = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", text_of("ARCHITECTURE.md"), re.DOTALL)
    assert shown is not None
    assert shown.group(1) == wanted
