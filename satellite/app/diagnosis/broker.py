"""The broker: log in beside the satellite, try what its access list allows, and read what the satellite says.

Nobody is disturbed: the client id is one of its own, without a last will, and nothing is published that could be taken
for a text, an event or a state of the satellite.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from satellite.adapters.mqtt_connection import MqttConnection, ProtocolRefusedError, PublishRefusedError
from satellite.app import parts
from satellite.app.diagnosis.report import Outcome, failed, passed, skipped, warned
from satellite.config.model import Config
from satellite.core.events import Stream
from satellite.core.transcript import TentativeChanged
from satellite.errors import BrokerError, ErrorCategory
from satellite.homeassistant import payloads
from satellite.homeassistant.messages import Message
from satellite.homeassistant.topics import Topics
from satellite.ports import Clock

ANSWER_WITHIN_S = 4.0
ECHO_WITHIN_S = 2.0
GOODBYE_WITHIN_S = 1.0
NAME = "doctor"
TRIAL = "a trial of `voice-satellite doctor`: nothing was refused"
QUIET_STATES = (None, b"idle", b"muted", b"parked", b"starting")
"""Nobody reads along now: clearing captions changes nothing."""
NOT_REACHED = "the broker was not reached"

MENDS = {
    ErrorCategory.CONNECTIVITY: "check mqtt.host and mqtt.port, and that the broker runs and can be reached from here",
    ErrorCategory.AUTHENTICATION: "check mqtt.username, mqtt.password and mqtt.tls against the broker's own settings",
}
SEE_BROKER = "the broker's own log says why it refuses"


class BrokerVisit:
    """One connection, used for several checks."""

    def __init__(self, config: Config, targets_max: int, clock: Clock) -> None:
        self.topics = Topics(config.mqtt.base_topic, config.satellite.id)
        self.retained: dict[str, bytes] = {}
        """What the satellite says of itself, by topic; after `access`."""
        self.has_listened = False
        """`retained` holds what there is to read."""
        self.may_read = False
        """What we write below the satellite's topics comes back to us; after `access`."""
        self._settings = replace(parts.mqtt_settings(config, targets_max), timeout_s=ANSWER_WITHIN_S)
        self._clock = clock
        self._languages = config.voice.target_languages if config.mqtt.publish_tentative else None
        self._source_language = config.voice.source_language
        self._identity = parts.identity(config, self.topics)
        self._connection: MqttConnection | None = None
        self._is_connected = False
        self._is_version_5 = True

    async def login(self) -> Outcome:
        """Resolve, connect, encrypt, log in."""
        settings = self._settings
        try:
            await self._open()
        except BrokerError as error:
            return failed(str(error), MENDS.get(error.category, SEE_BROKER))
        self._is_connected = True
        told = [f"{settings.where} lets us in", "MQTT 5" if self._is_version_5 else "MQTT 3.1.1"]
        told.append("TLS" if settings.tls else "not encrypted")
        told.append(f"as {settings.username}" if settings.username else "without a login")
        return passed(", ".join(told))

    async def access(self) -> Outcome:
        """What may be written and read; told by MQTT 5 brokers, guessed by an echo with others."""
        if self._connection is None or not self._is_connected:
            return skipped(NOT_REACHED)
        try:
            return await self._try_access(self._connection)
        except BrokerError as error:
            self._is_connected = False
            mend = f"some brokers end a connection that writes where it may not: {self._wanted}"
            return failed(f"{error}, while the access list was tried", mend)

    async def close(self) -> None:
        """Disconnect in order. Idempotent."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            if self._is_connected:
                async with asyncio.timeout(GOODBYE_WITHIN_S):
                    await connection.close()
        except TimeoutError:
            return
        finally:
            connection.abort()

    async def _open(self) -> None:
        """Raises BrokerError."""
        identity = f"{self._settings.client_id or f'voice-satellite-{self.topics.satellite_id}'}-{NAME}-"
        name = identity + parts.new_id()[:8]
        try:
            self._connection = MqttConnection(self._settings, name, None, is_version_5=True)
            await self._connection.open()
        except ProtocolRefusedError:
            self._is_version_5 = False
            self._connection = MqttConnection(self._settings, name, None, is_version_5=False)
            await self._connection.open()

    async def _try_access(self, connection: MqttConnection) -> Outcome:
        """Raises BrokerError."""
        topics = self.topics
        told = (topics.availability, topics.state, topics.problem, topics.health)
        refused = await connection.subscribe(topics.command_filters)
        if self._identity is not None:
            refused += await connection.subscribe((self._identity.birth_topic,), live_only=True)
        await connection.subscribe((*told, topics.command_error))
        mark = parts.new_id()
        trial = payloads.command_error(topics, NAME, mark, TRIAL)
        denied = await self._denied(connection, [trial])
        has_come = await self._echo(connection, trial, told)
        self.may_read = has_come or bool(self.retained)
        self.has_listened = True
        denied += await self._denied(connection, self._harmless())
        return judge_access(self._wanted, denied, refused, is_told=self._is_version_5, may_read=self.may_read)

    @property
    def _wanted(self) -> str:
        """What the access list has to allow."""
        own, fleet = self.topics.command_filters
        write, read = [f"{self.topics.root}/#"], [own, fleet]
        if self._identity is not None:
            write.append(self._identity.filter)
            read.append(self._identity.birth_topic)
        return f"the broker's access list has to let this login write {_listed(write)} and read {_listed(read)}"

    async def _denied(self, connection: MqttConnection, messages: Sequence[Message]) -> list[str]:
        """The topics of those that the broker does not take. Raises BrokerError."""
        denied = []
        for message in messages:
            try:
                await connection.publish(message)
            except PublishRefusedError:
                denied.append(message.topic)
        return denied

    async def _echo(self, connection: MqttConnection, trial: Message, told: Sequence[str]) -> bool:
        """True when the trial comes back; what is retained of `told` comes before it. Raises BrokerError."""
        try:
            async with asyncio.timeout(ECHO_WITHIN_S):
                async for incoming in connection.messages():
                    if incoming.topic == trial.topic and incoming.payload == trial.payload:
                        return True
                    if incoming.topic in told:
                        self.retained[incoming.topic] = incoming.payload
        except TimeoutError:
            return False
        return False

    def _harmless(self) -> list[Message]:
        """One message for each class of topics on which something can be said that means nothing."""
        topics = self.topics
        messages = [payloads.backend_result(topics, NAME, None, {"trial": True})]
        if self._identity is not None:
            messages.append(Message(self._identity.trial_topic, b""))
        if self._languages is not None and self.retained.get(topics.state) in QUIET_STATES:
            now_s = self._clock.wall()
            streams = [(Stream.SOURCE, self._source_language), *((Stream.TARGET, tag) for tag in self._languages)]
            empty = [TentativeChanged(NAME, stream, tag, "", now_s, now_s) for stream, tag in streams]
            messages += [replace(payloads.tentative(topics, output), qos=1) for output in empty]
        return messages


def judge_access(
    wanted: str, denied: Sequence[str], refused: Sequence[str], *, is_told: bool, may_read: bool
) -> Outcome:
    """What the broker did not take, and what it does not let us subscribe to; `is_told` when it tells of that."""
    complaints = []
    if denied:
        complaints.append(f"may not write {', '.join(denied)}")
    if refused:
        complaints.append(f"may not read {', '.join(refused)}")
    if complaints:
        return failed("; ".join(complaints), wanted)
    if not is_told and not may_read:
        detail = "the trial message did not come back, and a broker of MQTT 3.1.1 does not say what it forbids"
        return warned(detail, wanted)
    told = "messages are taken, commands can be subscribed to"
    return passed(told if may_read else f"{told}; this login may not read what the satellite says, and need not")


def _listed(topics: Sequence[str]) -> str:
    return f"{', '.join(topics[:-1])} and {topics[-1]}" if len(topics) > 1 else topics[0]
