"""A subscriber that outlives its broker: a persistent session at QoS 1, everything it got with its time."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

CLIENT_ID = "watcher"
RECONNECT_S = 0.2


@dataclass(frozen=True, slots=True)
class Got:
    """A message on a topic below the satellite's own."""

    topic: str
    payload: bytes
    at_s: float

    @property
    def body(self) -> dict[str, Any]:
        """The payload as an object."""
        value = json.loads(self.payload)
        assert isinstance(value, dict)
        return value


class Watcher:
    """Connects to the broker again and again; nothing tentative is kept."""

    def __init__(self, root: str, clock: Callable[[], float], **login: str) -> None:
        self.got: list[Got] = []
        """Text and utterances, in order of arrival."""
        self.latest: dict[str, bytes] = {}
        """The newest payload of every other topic."""
        self.happenings: list[Got] = []
        """Sessions and problems."""
        self.is_connected = asyncio.Event()
        self.on_got: Callable[[Got], None] = lambda _: None
        self._root = root
        self._clock = clock
        self._login = login
        self._client: aiomqtt.Client | None = None

    async def run(self, port: int) -> None:
        """Receive until cancelled."""
        while True:
            try:
                await self._once(port)
            except (aiomqtt.MqttError, OSError):
                pass
            finally:
                self._client = None
                self.is_connected.clear()
            await asyncio.sleep(RECONNECT_S)

    async def send(self, command: str, payload: str = "") -> None:
        """Publish a command to the satellite; MqttError when the broker is away."""
        if self._client is None:
            raise aiomqtt.MqttError("no broker")
        await self._client.publish(f"{self._root}/set/{command}", payload, qos=1, timeout=5)

    async def _once(self, port: int) -> None:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has none here
        properties.SessionExpiryInterval = 0xFFFF_FFFF
        async with aiomqtt.Client(
            "127.0.0.1",
            port,
            identifier=CLIENT_ID,
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=False,
            properties=properties,
            keepalive=5,
            timeout=5,
            username=self._login.get("username"),
            password=self._login.get("password"),
        ) as client:
            await client.subscribe(f"{self._root}/#", qos=1)
            self._client = client
            self.is_connected.set()
            async for message in client.messages:
                self._take(message.topic.value, bytes(message.payload), message.retain)

    def _take(self, topic: str, payload: bytes, is_retained: bool) -> None:
        name = topic.removeprefix(f"{self._root}/")
        if name.endswith("/tentative") or name.startswith("set/"):
            return
        got = Got(name, payload, self._clock())
        if name.partition("/")[0] in ("transcript", "translation", "utterance"):
            self.got.append(got)
        else:
            self.latest[name] = payload
            if name in ("session", "problem") and not is_retained:
                self.happenings.append(got)
        self.on_got(got)
