"""Messenger: tells satellites a command at their broker, and waits for what comes of it."""

import asyncio

from satellite.adapters.mqtt_connection import MqttConnection, PublishRefusedError
from satellite.adapters.mqtt_settings import MqttSettings
from satellite.app.visiting import first, subscription_refused, visit
from satellite.errors import BrokerError, ErrorCategory
from satellite.homeassistant.errand import Errand
from satellite.homeassistant.topics import EVERYBODY

QUIET_S = 1.0
"""Retained messages come at once: after so long without one there is no more."""
BETWEEN_S = 0.1
"""The same between two filters for all: a broker keeps only so much for one client."""


class Messenger:
    """Runs one errand, once."""

    def __init__(self, settings: MqttSettings, errand: Errand) -> None:
        self._settings = settings
        self._errand = errand
        self._news = asyncio.Event()
        self._found = asyncio.Event()

    async def run(self, within_s: float) -> None:
        """Return when the outcomes are known, or time is up. Raises BrokerError."""
        trouble = None
        try:
            await self._run(within_s)
        except* BrokerError as errors:
            trouble = first(errors)
        if trouble is not None:
            raise trouble

    async def _run(self, within_s: float) -> None:
        """Raises BrokerError, in a group or alone."""
        async with visit(self._settings, "tell") as connection, asyncio.TaskGroup() as group:
            hearing = group.create_task(self._hear(connection))
            await self._tell(connection)
            await self._settled(self._errand.patience_s(within_s))
            hearing.cancel()

    async def _tell(self, connection: MqttConnection) -> None:
        """Look who is there, and publish. Raises BrokerError."""
        refused: list[str] = []
        for one in self._errand.filters:
            refused += await connection.look_on((one,))
            if not self._errand.ids:
                await self._until_quiet(BETWEEN_S)
        if refused:
            raise subscription_refused(refused)
        await self._until_quiet(QUIET_S)
        for satellite_id, message in self._errand.sent().items():
            try:
                await connection.publish(message)
            except PublishRefusedError as refusal:
                detail = f"the MQTT broker does not let this login publish to {message.topic} ({refusal}): see its ACL"
                if satellite_id == EVERYBODY:
                    raise BrokerError(ErrorCategory.AUTHORIZATION, detail) from refusal
                self._errand.forbidden(satellite_id, detail)

    async def _until_quiet(self, quiet_s: float) -> None:
        """Return when all that is retained has come, or as much of it as is needed."""
        while not self._errand.is_prepared:
            self._found.clear()
            try:
                async with asyncio.timeout(quiet_s):
                    await self._found.wait()
            except TimeoutError:
                return

    async def _settled(self, seconds: float) -> None:
        """Return when all outcomes are known, or time is up."""
        try:
            async with asyncio.timeout(seconds):
                while not self._errand.is_settled():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return

    async def _hear(self, connection: MqttConnection) -> None:
        async for incoming in connection.messages():
            self._errand.hear(incoming.topic, incoming.payload, is_live=not incoming.retained)
            self._news.set()
            if incoming.retained:
                self._found.set()
