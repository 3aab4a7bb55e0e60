"""A subscriber that outlives its broker: a persistent session at QoS 1, everything it got with its time."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from tests.fakes.broker import Subscriber

CLIENT_ID = "watcher"
KEEPALIVE_S = 5


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
    """Connects to the broker again and again; nothing tentative is kept.

    Written with paho itself, whose call-back has each message before the broker is told that it arrived: a client
    that queues messages can lose what it acknowledged when a connection ends while it is being made.
    """

    def __init__(self, root: str, clock: Callable[[], float], username: str, password: str) -> None:
        self.got: list[Got] = []
        """Text and utterances, in order of arrival."""
        self.latest: dict[str, bytes] = {}
        """The newest payload of every other topic."""
        self.is_connected = asyncio.Event()
        self.on_got: Callable[[Got], None] = lambda _: None
        self._root = root
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client = Client(CallbackAPIVersion.VERSION2, CLIENT_ID, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.username_pw_set(username, password)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._connected
        self._client.on_disconnect = self._disconnected
        self._client.on_message = self._arrived

    async def run(self, port: int) -> None:
        """Receive until cancelled."""
        self._loop = asyncio.get_running_loop()
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has none here
        properties.SessionExpiryInterval = 0xFFFF_FFFF
        self._client.connect_async("127.0.0.1", port, KEEPALIVE_S, clean_start=False, properties=properties)
        self._client.loop_start()
        try:
            await asyncio.Event().wait()
        finally:
            self._client.disconnect()
            await asyncio.to_thread(self._client.loop_stop)

    def send(self, command: str, payload: str = "") -> bool:
        """Publish a command to the satellite; False when the broker is away."""
        return self._client.publish(f"{self._root}/set/{command}", payload, qos=1).rc is MQTTErrorCode.MQTT_ERR_SUCCESS

    # --- on paho's thread ----------------------------------------------------------------------------------------

    def _connected(
        self, client: Client, userdata: object, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        del userdata, flags, properties
        if not reason.is_failure:
            client.subscribe(f"{self._root}/#", qos=1)
            self._post(self.is_connected.set)

    def _disconnected(
        self, client: Client, userdata: object, flags: DisconnectFlags, reason: ReasonCode, properties: object
    ) -> None:
        del client, userdata, flags, reason, properties
        self._post(self.is_connected.clear)

    def _arrived(self, client: Client, userdata: object, message: MQTTMessage) -> None:
        del client, userdata
        name = message.topic.removeprefix(f"{self._root}/")
        if not name.endswith("/tentative") and not name.startswith("set/"):
            self._post(self._take, Got(name, bytes(message.payload), self._clock()))

    def _post(self, call: Callable[..., object], *arguments: object) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(call, *arguments)

    # --- on the loop ---------------------------------------------------------------------------------------------

    def _take(self, got: Got) -> None:
        for listen in Subscriber.listeners:
            listen(f"{self._root}/{got.topic}", got.payload)
        if got.topic.partition("/")[0] in ("transcript", "translation", "utterance"):
            self.got.append(got)
        else:
            self.latest[got.topic] = got.payload
        self.on_got(got)
