"""Forgetting: clears what a broker retains of a satellite, and what Home Assistant was told of it."""

import asyncio
from dataclasses import dataclass

from satellite.adapters.mqtt_connection import MqttConnection, PublishRefusedError
from satellite.app import parts
from satellite.app.visiting import subscription_refused, visit
from satellite.backends.registry import load as load_backend
from satellite.config.model import DISCOVERY_PREFIX, Config
from satellite.errors import BrokerError, ErrorCategory
from satellite.homeassistant.discovery import filter_of
from satellite.homeassistant.messages import Message
from satellite.homeassistant.topics import ONLINE, Topics

QUIET_S = 1.0
"""Retained messages come at once: after so long without one there is no more."""
TOPICS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was cleared; `is_online` when the satellite runs and will say it all again."""

    topics: tuple[str, ...]
    is_online: bool


async def forget(config: Config, satellite_id: str) -> Forgotten:
    """Clear everything retained of this satellite at the configured broker. Raises BrokerError."""
    topics = Topics(config.mqtt.base_topic, satellite_id)
    settings = parts.mqtt_settings(config, load_backend(config.voice.backend).capabilities.max_target_languages)
    async with visit(settings, "forget") as connection:
        refused = await connection.subscribe(_filters(config, topics))
        if refused:
            raise subscription_refused(refused)
        retained = await _retained(connection)
        states = [topic for topic in retained if topic.startswith(f"{topics.root}/")]
        for topic in retained.keys() - states:
            await _clear(connection, topic)
        await asyncio.sleep(QUIET_S)  # Home Assistant removes the entities before it finds their states empty
        for topic in states:
            await _clear(connection, topic)
    return Forgotten(tuple(retained), retained.get(topics.availability) == ONLINE)


def _filters(config: Config, topics: Topics) -> tuple[str, ...]:
    # one whose discovery is switched off now may have been announced before
    prefix = config.mqtt.discovery_prefix or DISCOVERY_PREFIX
    return f"{topics.root}/#", filter_of(prefix, topics)


async def _retained(connection: MqttConnection) -> dict[str, bytes]:
    """What is retained at the topics subscribed to."""
    found: dict[str, bytes] = {}
    arriving = connection.messages()
    while len(found) < TOPICS_MAX:
        try:
            async with asyncio.timeout(QUIET_S):
                incoming = await anext(arriving)
        except TimeoutError:
            break
        if incoming.retained and incoming.payload:
            found[incoming.topic] = incoming.payload
    return found


async def _clear(connection: MqttConnection, topic: str) -> None:
    try:
        await connection.publish(Message(topic, b"", retain=True))
    except PublishRefusedError as refused:
        detail = f"the MQTT broker does not let us clear {topic}: {refused}; see its ACL"
        raise BrokerError(ErrorCategory.AUTHORIZATION, detail) from refused
