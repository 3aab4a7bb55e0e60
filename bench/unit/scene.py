"""A satellite on a node and the world around it: a card to speak into, broker and voice service with TLS, a witness."""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.nodes import OWN_CERTIFICATES, Node, nodes
from bench.trial import PromiseError, until
from bench.unit.installation import UNIT, install
from satellite.adapters.mosquitto import free_port
from tests.fakes.broker import Broker, BrokerOptions, Received, Subscriber, make_certificates, subscriber
from tests.fakes.daemon import API_KEY, Emulator, emulator
from tests.fakes.rawdeepl import demo_pcm
from tests.fakes.relay import Relay
from tests.fakes.vcard import CardFormat, VirtualCard

SATELLITE = "sat1"
TOPICS = f"voice-satellite/{SATELLITE}"
PASSWORD = "password-of-the-satellite"
ETC = "/etc/voice-satellite"
AUDIO_GROUP = 29
"""Of Debian, by its policy; the same on every machine."""
SENTENCE = "Good morning, the kitchen light is on."
SENTENCE_MS = (500, 3_600)
HEARD_WITHIN_S = 40.0
CONFIG = """\
satellite: {{id: {satellite}}}
audio: {{driver: alsa, input: {{device: satmic}}, output: {{device: satspk, volume: 100}}}}
voice:
  target_languages: [{targets}]
  speech_language: de
  idle_close_s: 5
  deepl: {{api_key: {api_key}, base_url: "{base_url}"}}
mqtt:
  host: localhost
  port: {port}
  username: {satellite}
  password: !secret mqtt_password
  tls: {{ca_file: {etc}/ca.crt}}
"""


@dataclass
class Scene:
    """Everything a promise is tried with."""

    node: Node
    suite: str
    card: VirtualCard
    relay: Relay
    """What the satellite takes for its broker."""
    service: Emulator
    seen: Subscriber
    size: str
    """Of the program, on disk."""

    # --- the unit ------------------------------------------------------------------------------------------------

    async def run(self, *command: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """A command on the node, as root."""
        return await asyncio.to_thread(self.node.run, *command, check=check)

    async def systemctl(self, action: str) -> float:
        """An action of systemctl on the unit; how long it took, in seconds. Raises PromiseError."""
        began_at = time.monotonic()
        done = await self.run("systemctl", action, UNIT, check=False)
        if done.returncode:
            raise PromiseError(f"systemctl {action} ended with {done.returncode}: {done.stderr.strip()}")
        return time.monotonic() - began_at

    def shows(self, name: str) -> str:
        """A property of the unit."""
        return self.node.property(name)

    @property
    def pid(self) -> int:
        """The daemon's, as the node counts."""
        return int(self.shows("MainPID"))

    async def restarted(self, restarts_before: int, within_s: float) -> float:
        """Wait until systemd has started it anew, once and by itself; after how many seconds. Raises PromiseError."""

        def is_up() -> bool:
            return self.restarts > restarts_before and self.shows("ActiveState") == "active"

        took_s = await until(is_up, within_s, "it is not started anew")
        if self.restarts != restarts_before + 1:
            raise PromiseError(f"it was started anew {self.restarts - restarts_before} times")
        return took_s

    @property
    def restarts(self) -> int:
        """How often systemd has started it anew since it was started by hand."""
        return int(self.shows("NRestarts"))

    # --- its files -----------------------------------------------------------------------------------------------

    def configure(self, *, targets: str = "de", api_key: str = "!secret deepl_api_key", more: str = "") -> None:
        """The configuration from the next start or reload on."""
        text = CONFIG.format(
            satellite=SATELLITE,
            targets=targets,
            api_key=api_key,
            base_url=self.service.base_url,
            port=self.relay.port,
            etc=ETC,
        )
        self._place("config.yaml", text + more, "root:voice-satellite", 0o640)

    def keep_secrets(self, **secrets: str) -> None:
        """Secrets beside the configuration."""
        text = "".join(f"{name}: {json.dumps(value)}\n" for name, value in secrets.items())
        self._place("secrets.yaml", text, "voice-satellite:voice-satellite", 0o600)

    def _place(self, name: str, text: str, owner: str, mode: int) -> None:
        self.node.write(f"{ETC.lstrip('/')}/{name}", text)
        (self.node.root / f"{ETC.lstrip('/')}/{name}").chmod(mode)
        self.node.run("chown", owner, f"{ETC}/{name}")

    @contextlib.asynccontextmanager
    async def drop_in(self, text: str) -> AsyncIterator[None]:
        """More for the unit, as by `systemctl edit`, for as long as the context is open; it is restarted for both."""
        path = f"etc/systemd/system/{UNIT}.d/bench.conf"
        self.node.write(path, text)
        await self.run("systemctl", "daemon-reload")
        await self.systemctl("restart")
        try:
            yield
        finally:
            (self.node.root / path).unlink()
            await self.run("systemctl", "daemon-reload")
            await self.systemctl("restart")

    # --- what is said and seen -----------------------------------------------------------------------------------

    def say(self) -> None:
        """The sentence, into the microphone."""
        self.card.say(demo_pcm(*SENTENCE_MS))

    async def after(
        self, mark: int, topic: str, is_it: Callable[[Any], bool], within_s: float, complaint: str
    ) -> Received:
        """The first message since the mark that is it. Raises PromiseError."""

        def first(seen: Subscriber) -> Received | None:
            wanted = (one for one in seen.received[mark:] if one.topic == f"{TOPICS}/{topic}")
            return next((one for one in wanted if is_it(_decoded(one))), None)

        with contextlib.suppress(AssertionError):
            await self.seen.until(lambda seen: first(seen) is not None, within_s)
        found = first(self.seen)
        if found is None:
            raise PromiseError(f"{complaint} within {within_s:.0f} s")
        return found

    def mark(self) -> int:
        """Now, for `after`."""
        return len(self.seen.received)

    async def hears(self) -> float:
        """The sentence, said into the card, comes back as text over TLS; seconds from its end. Raises PromiseError."""
        mark = self.mark()
        await until(lambda: self.latest("state") == "idle", HEARD_WITHIN_S, "it is not idle")
        self.say()
        await asyncio.to_thread(self.card.wait_for, "said", HEARD_WITHIN_S)
        said_at = time.monotonic()
        message = await self.after(mark, "utterance", lambda _: True, HEARD_WITHIN_S, "the sentence is not heard")
        text = _decoded(message)["source"]["text"]
        if text != SENTENCE:
            raise PromiseError(f"{SENTENCE!r} was heard as {text!r}")
        return message.time_s - said_at

    def latest(self, topic: str) -> Any:
        """The newest message on a topic, None where there was none."""
        messages = self.seen.on(f"{TOPICS}/{topic}")
        return _decoded(messages[-1]) if messages else None

    def journal(self, lines: int = 40) -> str:
        """The end of what the unit wrote."""
        command = ("journalctl", "-q", "--no-pager", "-o", "short-monotonic", "-u", UNIT, f"-n{lines}")
        return self.node.run(*command, check=False).stdout


def _decoded(message: Received) -> Any:
    return json.loads(message.text) if message.text.startswith("{") else message.text


@contextlib.asynccontextmanager
async def scene(suite: str, directory: Path) -> AsyncIterator[Scene]:
    """The satellite installed and configured, not started yet. Raises NodeError."""
    certificates = directory / "broker"
    make_certificates(certificates)
    keys = ("--tls-cert", str(certificates / "server.crt"), "--tls-key", str(certificates / "server.key"))
    users = {SATELLITE: PASSWORD, "bench": PASSWORD}
    own_port = free_port()
    options = BrokerOptions(users=users, tls=True, more=f"listener {own_port} 127.0.0.1")
    (directory / "nodes").mkdir()
    with (
        VirtualCard(directory / "card", CardFormat(spk_rate=24_000)) as card,
        Broker(certificates, options) as broker,
        emulator(directory / "service", "--host", "localhost", "--speech", "tones", *keys) as service,
    ):
        for name in ("mic", "spk"):
            os.chown(card.directory / name, 0, AUDIO_GROUP)
            (card.directory / name).chmod(0o660)
        with nodes([SATELLITE], directory / "nodes", suite=suite, cards=[card.directory]) as (node,):
            size = await asyncio.to_thread(install, node, suite)
            relay = Relay(broker.port)
            await relay.up()
            async with subscriber(own_port, username="bench", password=PASSWORD) as seen:
                made = Scene(node, suite, card, relay, service, seen, size)
                _trust(node, certificates / "ca.crt")
                made.keep_secrets(deepl_api_key=API_KEY, mqtt_password=PASSWORD)
                made.configure()
                yield made
            await relay.down()


def _trust(node: Node, authority: Path) -> None:
    """The voice service's authority becomes one of the system's, the broker's stands in the configuration."""
    system = node.root / str(OWN_CERTIFICATES).lstrip("/")
    system.write_bytes(system.read_bytes() + authority.read_bytes())
    shutil.copy(authority, node.root / ETC.lstrip("/") / "ca.crt")
    (node.root / ETC.lstrip("/") / "ca.crt").chmod(0o644)
