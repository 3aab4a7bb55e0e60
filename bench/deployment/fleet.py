"""A fleet to deploy to: three satellites with settings of their own and a broker, each a node reached by SSH."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bench.deployment.releases import ROOT, Release, releases
from bench.nodes import Node, NodeError, nodes
from bench.trial import PromiseError, until
from satellite.adapters.mosquitto import free_port
from tests.fakes.broker import Subscriber, subscriber
from tests.fakes.daemon import Emulator, emulator
from tests.fakes.rawdeepl import demo_pcm
from tests.fakes.vcard import CardFormat, VirtualCard

ANSIBLE = ROOT / "deploy/ansible"
SATELLITES = ("kitchen", "hall", "study")
OPERATOR = "homeassistant"
KEYS = ("key-of-this-year", "key-of-next-year")
AUDIO_GROUP = 29
"""Of Debian, by its policy; the same on every machine."""
SENTENCE = "Good morning, the kitchen light is on."
SENTENCE_MS = (500, 3_600)
RECAP = re.compile(r"^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Played:
    """What a run of a playbook came to."""

    code: int
    output: str
    took_s: float

    @property
    def changed(self) -> dict[str, int]:
        """Tasks that changed something, by host."""
        return {host: int(changed) for host, _, changed, _, _ in RECAP.findall(self.output)}

    @property
    def failed(self) -> list[str]:
        """Hosts with a task that failed."""
        return [host for host, _, _, _, failed in RECAP.findall(self.output) if int(failed)]


@dataclass
class Fleet:
    """Everything a promise is tried with."""

    directory: Path
    machines: dict[str, Node]
    cards: dict[str, VirtualCard]
    services: tuple[Emulator, Emulator]
    """The voice service with the key of this year, and with that of next year."""
    port: int
    """The broker's."""
    first: Release
    following: Release
    broken: Release
    passwords: dict[str, str]
    variables: dict[str, Any] = field(default_factory=dict)
    """More for all satellites, over the inventory."""
    seen: Subscriber | None = None

    @property
    def watch(self) -> Subscriber:
        """All that the satellites publish, once there is a broker."""
        assert self.seen is not None
        return self.seen

    def write_inventory(self, *, key: int = 0, hosts: Mapping[str, dict[str, Any]] | None = None) -> None:
        """The layers of the example inventory, with addresses of this machine; `hosts` lays more over single ones."""
        secrets = {
            "deepl_api_key": KEYS[key],
            "deepl_url": self.services[key].base_url,
            "mqtt_password": "{{ vault_mqtt_passwords[inventory_hostname] }}",
        }
        satellites = {name: self._host(name) | (hosts or {}).get(name, {}) for name in SATELLITES}
        document = {
            "all": {
                "vars": {
                    "ansible_user": "root",
                    "ansible_ssh_private_key_file": str(self.directory / "nodes/key"),
                    "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
                    "vault_mqtt_passwords": self.passwords,
                },
                "children": {
                    "satellites": {
                        "vars": {"voice_satellite_config": self._config(), "voice_satellite_secrets": secrets},
                        "children": {
                            "downstairs": {"hosts": {name: satellites[name] for name in ("kitchen", "hall")}},
                            "upstairs": {
                                "hosts": {"study": satellites["study"]},
                                "vars": {"voice_satellite_config_group": {"satellite": {"area": "Upstairs"}}},
                            },
                        },
                    },
                    "brokers": {"hosts": {"broker": self._reached("broker")}, "vars": self._broker()},
                },
            }
        }
        (self.directory / "inventory.yml").write_text(yaml.safe_dump(document), encoding="utf-8")

    def _reached(self, name: str) -> dict[str, Any]:
        return {"ansible_host": "127.0.0.1", "ansible_port": self.machines[name].port}

    def _host(self, name: str) -> dict[str, Any]:
        own: dict[str, dict[str, Any]] = {
            "kitchen": {"satellite": {"name": "Kitchen", "area": "Kitchen"}, "audio": {"output": {"volume": 60}}},
            "hall": {"voice": {"target_languages": ["fr"], "speech_language": "fr"}},
            "study": {"voice": {"target_languages": ["de", "fr"], "speech_language": None}},
        }
        encrypt = {"voice_satellite_encrypt": "host"} if name == "study" else {}
        return self._reached(name) | {"voice_satellite_config_host": own[name]} | encrypt

    def _config(self) -> dict[str, Any]:
        return {
            "audio": {"driver": "alsa", "input": {"device": "satmic"}, "output": {"device": "satspk"}},
            "voice": {
                "target_languages": ["de"],
                "deepl": {"api_key": "!credential deepl_api_key", "base_url": "!credential deepl_url"},
            },
            "mqtt": {
                "host": "127.0.0.1",
                "port": self.port,
                "username": "{{ inventory_hostname }}",
                "password": "!credential mqtt_password",
            },
        }

    def _broker(self) -> dict[str, Any]:
        return {
            "voice_satellite_broker_port": self.port,
            "voice_satellite_broker_address": "127.0.0.1",
            "voice_satellite_broker_users": {name: self.passwords[name] for name in SATELLITES},
            "voice_satellite_broker_operators": {OPERATOR: self.passwords[OPERATOR]},
        }

    async def play(self, playbook: str, release: Release | None = None, *options: str, **more: Any) -> Played:
        """Run a playbook with this release, as an operator does."""
        chosen = {"voice_satellite_wheels": str((release or self.first).wheels), "voice_satellite_healthy_within_s": 45}
        began_at = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            _ansible_playbook(),
            *("-i", str(self.directory / "inventory.yml"), f"playbooks/{playbook}.yml"),
            *("-e", json.dumps({**chosen, **self.variables, **more}), *options),
            cwd=ANSIBLE,
            env={**os.environ, "ANSIBLE_NOCOLOR": "1", "LC_ALL": "C.UTF-8"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        played = Played(process.returncode or 0, output.decode(), time.monotonic() - began_at)
        with (self.directory / "ansible.log").open("a", encoding="utf-8") as log:
            log.write(f"=== {playbook} {options} {more}\n{played.output}\n")
        return played

    async def well(self, playbook: str, release: Release | None = None, *options: str, **more: Any) -> Played:
        """A run that has to succeed. Raises PromiseError."""
        played = await self.play(playbook, release, *options, **more)
        if played.code:
            raise PromiseError(f"{playbook} ended with {played.code}:\n{played.output[-4_000:]}")
        return played

    def latest(self, name: str, topic: str) -> Any:
        """The newest message of a satellite on a topic, None where there was none."""
        texts = self.watch.texts(f"voice-satellite/{name}/{topic}")
        return None if not texts else json.loads(texts[-1]) if texts[-1].startswith("{") else texts[-1]

    async def hears(self, name: str) -> str:
        """A sentence said into its card arrives as text; its translations. Raises PromiseError."""
        topic = f"voice-satellite/{name}/utterance"
        before = len(self.watch.texts(topic))
        self.cards[name].say(demo_pcm(*SENTENCE_MS))
        await until(lambda: len(self.watch.texts(topic)) > before, 60, f"{name} does not hear")
        utterance = self.latest(name, "utterance")
        if utterance["source"]["text"] != SENTENCE:
            raise PromiseError(f"{name} heard {utterance['source']['text']!r}")
        return ", ".join(sorted(utterance["translations"]))


def _ansible_playbook() -> str:
    """Beside this Python, or on the path. Raises NodeError."""
    found = shutil.which("ansible-playbook", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    if found is None:
        raise NodeError("missing: ansible-playbook; pip install '.[deploy]'")
    return found


@contextlib.asynccontextmanager
async def fleet(suite: str, directory: Path) -> AsyncIterator[Fleet]:
    """Machines with nothing on them yet. Raises NodeError."""
    made = await asyncio.to_thread(releases, directory / "wheels")
    (directory / "nodes").mkdir()
    with contextlib.ExitStack() as stack:
        cards = {name: stack.enter_context(VirtualCard(directory / name, CardFormat())) for name in SATELLITES}
        for card in cards.values():
            for fifo in ("mic", "spk"):
                os.chown(card.directory / fifo, 0, AUDIO_GROUP)
                (card.directory / fifo).chmod(0o660)
        services = tuple(
            stack.enter_context(emulator(directory / key, "--speech", "tones", "--api-key", key)) for key in KEYS
        )
        places = [*(cards[name].directory for name in SATELLITES), None]
        machines = stack.enter_context(nodes([*SATELLITES, "broker"], directory / "nodes", suite=suite, cards=places))
        names = dict(zip([*SATELLITES, "broker"], machines, strict=True))
        for machine in machines:  # as a machine that somebody uses has them
            await asyncio.to_thread(machine.run, "apt-get", "-q", "update")
        passwords = {name: f"password-of-{name}" for name in (*SATELLITES, OPERATOR)}
        scene = Fleet(directory, names, cards, (services[0], services[1]), free_port(), *made, passwords)
        scene.write_inventory()
        yield scene


@contextlib.asynccontextmanager
async def watching(scene: Fleet) -> AsyncIterator[None]:
    """From now on everything that is published is seen."""
    async with subscriber(scene.port, username=OPERATOR, password=scene.passwords[OPERATOR]) as seen:
        scene.seen = seen
        yield
