"""Role, playbooks and example inventory: sound to Ansible's own tools, and the daemon takes what they make."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from satellite.config.loader import load_all
from tests.fakes.broker import Broker, BrokerOptions, subscriber
from tests.tree import ROOT

ANSIBLE = ROOT / "deploy/ansible"
ROLES = ANSIBLE / "roles"
PLAYBOOKS = sorted((ANSIBLE / "playbooks").glob("*.yml"))
HOSTS = ("kitchen", "hall", "study")
WRITTEN_BY_THE_KITCHEN = (
    "voice-satellite/kitchen/state",
    "voice-satellite/kitchen/set/mute",
    "homeassistant/device/voice_satellite_kitchen/config",
    "homeassistant/sensor/voice_satellite_kitchen/state/config",
    "voice-satellite/hall/state",
    "voice-satellite/all/set/volume",
    "homeassistant/device/voice_satellite_hall/config",
)

pytestmark = pytest.mark.slow


def tool(name: str, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """One of Ansible's programs, in the directory that its configuration is for."""
    path = Path(sys.executable).parent
    environment = (
        os.environ | {"PATH": f"{path}:{os.environ['PATH']}", "ANSIBLE_NOCOLOR": "1", "LC_ALL": "C.UTF-8"} | more
    )
    return subprocess.run(
        [str(path / name), *arguments], cwd=ANSIBLE, env=environment, capture_output=True, text=True, check=False
    )


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.timeout(120)
def test_ansible_lint_finds_nothing() -> None:
    done = tool("ansible-lint", "--nocolor", "--offline")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Profile 'production' was required, and it passed" in done.stderr + done.stdout


def test_yamllint_finds_nothing() -> None:
    done = tool("yamllint", "--strict", ".")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.timeout(60)
def test_every_playbook_is_understood() -> None:
    assert len(PLAYBOOKS) > 6
    done = tool("ansible-playbook", "--syntax-check", *(str(path) for path in PLAYBOOKS))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("role", [path.name for path in sorted(ROLES.iterdir())])
def test_every_default_is_described_and_nothing_else(role: str) -> None:
    defaults = set(read(ROLES / role / "defaults/main.yml"))
    described = set(read(ROLES / role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"])
    assert defaults - {"voice_satellite_kind"} == described


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of every host of the example inventory, as the role makes it; what stands for its secrets."""
    directory = tmp_path_factory.mktemp("rendered")
    done = tool("ansible-playbook", "playbooks/render.yml", "-e", f"voice_satellite_render_to={directory}")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("deepl_api_key", "mqtt_password"):
        (directory / name).write_text("example-key", encoding="utf-8")
    return directory


@pytest.mark.timeout(60)
@pytest.mark.parametrize("host", HOSTS)
def test_the_daemon_takes_what_the_example_inventory_makes(rendered: Path, host: str) -> None:
    loaded = load_all(rendered / f"{host}.yaml", {"CREDENTIALS_DIRECTORY": str(rendered)})
    assert loaded.config.satellite.id == host
    assert loaded.config.mqtt.username == host
    assert loaded.config.mqtt.host == "broker.home.arpa"


def test_the_layers_lie_over_each_other(rendered: Path) -> None:
    environment = {"CREDENTIALS_DIRECTORY": str(rendered)}
    kitchen, study = (load_all(rendered / f"{host}.yaml", environment).config for host in ("kitchen", "study"))
    assert (kitchen.satellite.area, study.satellite.area) == ("Kitchen", "Upstairs")
    assert (list(kitchen.voice.target_languages), list(study.voice.target_languages)) == (["de"], ["de", "fr"])
    assert (kitchen.audio.input.rate_hz, study.audio.input.rate_hz) == (48_000, 16_000)


def test_no_secret_gets_into_a_configuration(rendered: Path) -> None:
    secrets = read(ANSIBLE / "inventory/example/group_vars/all/vault.yml")
    values = [secrets["vault_deepl_api_key"], *secrets["vault_mqtt_passwords"].values()]
    texts = [path.read_text(encoding="utf-8") for path in rendered.glob("*.yaml")]
    assert len(texts) == len(HOSTS)
    assert not [value for value in values for text in texts if value in text]


@pytest.mark.timeout(60)
async def test_the_broker_lets_each_in_and_each_write_below_its_own_id(tmp_path: Path) -> None:
    templates = ROLES / "voice_satellite_broker/templates"
    users = {"kitchen": "one", "hall": "two"}
    variables = {
        "voice_satellite_broker_users": users,
        "voice_satellite_broker_operators": {"homeassistant": "three"},
    }
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": read(ROLES / "voice_satellite_broker/defaults/main.yml") | variables,
        "tasks": [
            {
                "ansible.builtin.template": {
                    "src": f"{templates}/{name}.j2",
                    "dest": f"{tmp_path}/{name}",
                    "mode": "0600",
                }
            }
            for name in ("acl", "passwords")
        ],
    }
    (tmp_path / "play.yml").write_text(json.dumps([play]), encoding="utf-8")
    plugins = {"ANSIBLE_FILTER_PLUGINS": str(ROLES / "voice_satellite_broker/filter_plugins")}
    done = await asyncio.to_thread(tool, "ansible-playbook", str(tmp_path / "play.yml"), **plugins)
    assert done.returncode == 0, done.stdout + done.stderr
    files = f"allow_anonymous false\npassword_file {tmp_path}/passwords\nacl_file {tmp_path}/acl"
    with Broker(tmp_path / "broker", BrokerOptions(more=files)) as broker:
        async with (
            subscriber(broker.port, username="homeassistant", password="three") as seen,
            subscriber(broker.port, "voice-satellite/+/set/+", username="hall", password="two") as hall,
            subscriber(broker.port, username="kitchen", password="one") as kitchen,
        ):
            for topic in WRITTEN_BY_THE_KITCHEN:
                await kitchen.send(topic, "x")
            await seen.send("voice-satellite/all/set/mute", "ON")
            await seen.until_text("voice-satellite/all/set/mute", "ON")
            await hall.until_text("voice-satellite/all/set/mute", "ON")
            assert {message.topic for message in seen.received} == {
                topic for topic in WRITTEN_BY_THE_KITCHEN if "kitchen" in topic
            } | {"voice-satellite/all/set/mute"}
            assert {message.topic for message in hall.received} == {"voice-satellite/all/set/mute"}
