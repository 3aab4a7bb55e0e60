"""MqttLink: keeps a connection to the broker for ever, publishes the outbox, hands on commands."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from satellite.adapters.dispatcher import Dispatcher
from satellite.adapters.mqtt_settings import MqttSettings, TlsSettings
from satellite.adapters.mqtt_status import LinkStatus
from satellite.adapters.outbox import Outbox
from satellite.core.backoff import Backoff
from satellite.core.liveness import Vital
from satellite.errors import BrokerError
from satellite.homeassistant.commands import Command, CommandRefused, parse, printable
from satellite.homeassistant.messages import Message
from satellite.homeassistant.topics import OFFLINE, ONLINE, Topics
from satellite.ports import Clock

if TYPE_CHECKING:
    from satellite.adapters.mqtt_connection import Incoming, MqttConnection

__all__ = ["LinkHooks", "MqttLink", "MqttSettings", "TlsSettings"]

log = logging.getLogger(__name__)

REFUSED_RETRY_S = 60.0
"""A refused login is tried again at this pace: some brokers refuse everybody while they start."""
QUICK_FAILURES = 3
"""So many connections that end at once are no accident."""
GOODBYE_S = 2.0
"""Longest wait for the broker's answer to `offline` and the disconnection."""
PATIENCE_S = 30.0
"""More than a broker may take to acknowledge a message before the connection is taken for lost."""


@dataclass(frozen=True, slots=True)
class LinkHooks:
    """Who is told what happens on the link; called on the event loop, must not block."""

    on_connected: Callable[[], None]
    """A connection is up and `online` is published: time to publish all retained states."""
    on_command: Callable[[Command | CommandRefused], None]
    on_state: Callable[[bool, str | None], None]
    """Whether there is a connection, and what is wrong in words for people; on every change of either."""
    on_birth: Callable[[], None]
    """Home Assistant has started; wait a random moment before re-sending much."""


class MqttLink:
    """ports.Publisher over one broker."""

    def __init__(
        self, settings: MqttSettings, topics: Topics, outbox: Outbox, hooks: LinkHooks, backoff: Backoff, clock: Clock
    ) -> None:
        self.refused = 0
        """Messages that the broker will not take."""
        self.delivered = 0
        """Messages that the broker has acknowledged, or will not take."""
        self._settings = settings
        self._topics = topics
        self._outbox = outbox
        self._hooks = hooks
        self._backoff = backoff
        self._clock = clock
        self._client_id = settings.client_id or f"voice-satellite-{topics.satellite_id}"
        self._status = LinkStatus(self._client_id, hooks.on_state)
        self._is_version_5 = True
        self._is_open = False
        self._dispatcher = Dispatcher(outbox, settings.refused_retry_s, self._republish)
        self._closing = asyncio.Event()
        self._ended = asyncio.Event()

    @property
    def is_connected(self) -> bool:
        """The broker has us as online."""
        return self._status.is_connected

    @property
    def vital(self) -> Vital:
        """What waits is acknowledged, unless the broker is known to be away."""
        return Vital(self.delivered, self._status.is_connected and self._outbox.head() is not None, PATIENCE_S)

    def publish(self, message: Message) -> None:
        """Queue a message for the broker."""
        self._dispatcher.put(message)
        self._status.overflowed(self._outbox.dropped)

    async def flush(self, timeout_s: float) -> bool:
        """Wait until everything queued was acknowledged; False when time ran out, or the broker does not take it."""
        return await self._dispatcher.flush(timeout_s)

    async def run(self) -> None:
        """Keep a connection until `close`; what cannot be mended from here is reported and tried again."""
        try:
            while not self._closing.is_set():
                lost = await self._connection_life()
                if lost is not None:
                    await self._pause(lost)
        finally:
            self._dispatcher.close()
            self._ended.set()

    async def close(self, *, timeout_s: float = 5.0) -> bool:
        """Flush for at most `timeout_s`, publish `offline`, disconnect; `run` then returns. False when some still wait.

        Without a connection it returns at once. After cancelling `run` instead, the broker publishes the last will.
        """
        is_flushed = len(self._outbox) == 0
        if self._status.is_connected:
            is_flushed = await self.flush(timeout_s)
        self._closing.set()
        self._dispatcher.wake.set()
        if self._is_open:
            await self._goodbye()
        return is_flushed

    async def _goodbye(self) -> None:
        """Give the link time to say it is going."""
        try:
            async with asyncio.timeout(GOODBYE_S):
                await self._ended.wait()
        except TimeoutError:
            log.warning("%s: the MQTT broker did not confirm the disconnection in time", self._client_id)

    async def _connection_life(self) -> BrokerError | None:
        """Connect, serve, disconnect; returns why it ended, None when it was closed by us."""
        from satellite.adapters.mqtt_connection import (  # noqa: PLC0415 - loaded only when used
            MqttConnection,
            ProtocolRefusedError,
        )

        self._status.trying()
        will = _availability(self._topics, OFFLINE)
        connection = MqttConnection(self._settings, self._client_id, will, is_version_5=self._is_version_5)
        try:
            await connection.open()
            self._is_open = True
            await self._greet(connection)
            await self._serve(connection)
            await connection.close()
        except ProtocolRefusedError as refused:
            self._is_version_5 = not self._is_version_5
            if self._is_version_5:
                return refused
            log.info("%s: %s; using MQTT 3.1.1", self._client_id, refused)
        except BrokerError as lost:
            if not self._status.is_connected:
                self._is_version_5 = True  # what comes back may be another broker
            return lost
        finally:
            self._is_open = False
            connection.abort()
            self._status.ended()
            self._tell_suspect(self._dispatcher.ended())
        return None

    async def _greet(self, connection: "MqttConnection") -> None:
        """Say that we are here, ask for commands, and let everybody know."""
        await self._deliver(connection, _availability(self._topics, ONLINE))
        refused = await connection.subscribe(self._topics.command_filters)
        if self._settings.birth_topic is not None:
            refused += await connection.subscribe((self._settings.birth_topic,), live_only=True)
        if refused:
            self._status.denied(f"the MQTT broker refuses the subscription to {', '.join(refused)}: see its ACL")
        now = self._clock.monotonic()
        self._backoff.connected(now)
        self._dispatcher.connected()
        self._status.connected(self._settings.where, now)
        self._hooks.on_connected()

    async def _serve(self, connection: "MqttConnection") -> None:
        """Send and receive until `close`. Raises BrokerError when the connection is lost."""
        from satellite.adapters.mqtt_connection import raise_if_cancelled  # noqa: PLC0415 - loaded only when used

        lost: list[BrokerError] = []
        try:
            async with asyncio.TaskGroup() as group:
                receiver = group.create_task(self._receive(connection), name="satellite.mqtt.receive")
                await self._send(connection)
                receiver.cancel()
        except* BrokerError as errors:
            lost.extend(error for error in errors.exceptions if isinstance(error, BrokerError))
        raise_if_cancelled()
        if lost:
            raise lost[0]

    async def _receive(self, connection: "MqttConnection") -> None:
        """Hand on what arrives. Raises BrokerError when the connection is lost."""
        warned = False
        async for incoming in connection.messages():
            if incoming.topic == self._settings.birth_topic:
                if incoming.payload == ONLINE and not incoming.retained:
                    self._hooks.on_birth()
            elif incoming.retained:
                if not warned:
                    topic = printable(incoming.topic, 128)
                    log.warning(
                        "%s: retained commands are ignored (%s); send them without retain", self._client_id, topic
                    )
                warned = True
            else:
                self._command(incoming)

    def _command(self, incoming: "Incoming") -> None:
        command = parse(
            self._topics, incoming.topic, incoming.payload, retained=False, targets_max=self._settings.targets_max
        )
        if command is not None:
            self._hooks.on_command(command)

    async def _send(self, connection: "MqttConnection") -> None:
        """Publish what waits, one acknowledged message after the other, until `close`. Raises BrokerError."""
        while not self._closing.is_set():
            entry = self._dispatcher.next()
            if entry is None:
                self._dispatcher.wake.clear()
                await self._dispatcher.wake.wait()
            elif await self._deliver(connection, entry.message):
                self._dispatcher.taken(entry)
                self.delivered += 1
            else:
                self._dispatcher.refused(entry.message.topic)
        await self._deliver(connection, _availability(self._topics, OFFLINE))

    async def _deliver(self, connection: "MqttConnection", message: Message) -> bool:
        """Publish one message; False when the broker does not take it at present. Raises BrokerError.

        One that the broker will never take is counted and given up.
        """
        from satellite.adapters.mqtt_connection import PublishRefusedError  # noqa: PLC0415 - loaded only when used

        try:
            await connection.publish(message)
        except PublishRefusedError as refused:
            self.refused += refused.is_final
            self._status.denied(
                f"the MQTT broker does not take messages to {message.topic}: {refused}; see its ACL and limits"
            )
            return refused.is_final
        return True

    def _republish(self) -> None:
        """What was withheld is tried again; states were not kept and are said anew."""
        if self._status.is_connected:
            self._hooks.on_connected()

    def _tell_suspect(self, topic: str | None) -> None:
        if topic is not None:
            log.warning(
                "%s: connections end with a message to %s on its way: does the broker's ACL allow it?",
                *(self._client_id, topic),
            )

    async def _pause(self, lost: BrokerError) -> None:
        """Report the loss and wait as long as it calls for, or until `close`."""
        now = self._clock.monotonic()
        wait = self._backoff.lost(lost.category, now)
        delay_s = min(wait.delay_s, REFUSED_RETRY_S)
        sentence = str(lost)
        if self._backoff.quick_failures >= QUICK_FAILURES and lost.category.is_retryable:
            sentence += f", again and again; is another client called {self._client_id} on it?"
        self._status.lost(sentence, delay_s, now)
        try:
            async with asyncio.timeout(delay_s):
                await self._closing.wait()
        except TimeoutError:
            return


def _availability(topics: Topics, payload: bytes) -> Message:
    return Message(topics.availability, payload, retain=True)
