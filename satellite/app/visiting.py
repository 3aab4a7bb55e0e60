"""Visiting: connections to the broker beside those of the satellites, which disturb nobody."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from satellite.adapters.mqtt_connection import MqttConnection, ProtocolRefusedError
from satellite.adapters.mqtt_settings import MqttSettings
from satellite.app import parts
from satellite.errors import BrokerError, ErrorCategory

GOODBYE_WITHIN_S = 1.0


@asynccontextmanager
async def visit(settings: MqttSettings, purpose: str) -> AsyncIterator[MqttConnection]:
    """A connection with a client id of its own and no last will, of an older MQTT if need be. Raises BrokerError."""
    name = f"voice-satellite-{purpose}-{parts.new_id()}"
    try:
        connection = await _opened(MqttConnection(settings, name, None, is_version_5=True))
    except ProtocolRefusedError:
        connection = await _opened(MqttConnection(settings, name, None, is_version_5=False))
    try:
        yield connection
    finally:
        await _closed(connection)


def first(group: BaseExceptionGroup[BrokerError]) -> BrokerError:
    """The first of a group."""
    one = group.exceptions[0]
    return first(one) if isinstance(one, BaseExceptionGroup) else one


def subscription_refused(filters: Iterable[str]) -> BrokerError:
    """The broker does not let this login read there."""
    detail = f"the MQTT broker refuses the subscription to {', '.join(filters)}: see its ACL"
    return BrokerError(ErrorCategory.AUTHORIZATION, detail)


async def _opened(connection: MqttConnection) -> MqttConnection:
    await connection.open()
    return connection


async def _closed(connection: MqttConnection) -> None:
    """Say goodbye, if the broker still listens."""
    try:
        async with asyncio.timeout(GOODBYE_WITHIN_S):
            await connection.close()
    except TimeoutError:
        connection.abort()
