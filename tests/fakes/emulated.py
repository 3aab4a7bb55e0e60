"""A running emulator with a raw client beside it, and the first sentence of the demo recording."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from satellite.emulator.deepl.server import DeepLEmulator
from satellite.emulator.deepl.settings import DeepLSettings
from tests.fakes.rawdeepl import DATA, RawClient, demo_pcm

SETTINGS = DeepLSettings(recording=DATA / "demo.wav", labels=DATA / "demo.labels.json", speech="tones")
FIRST_SENTENCE = demo_pcm(500, 3600)
FIRST_TEXT = "Good morning, the kitchen light is on."
CHUNK = demo_pcm(1000, 1100)


@asynccontextmanager
async def emulated(settings: DeepLSettings = SETTINGS) -> AsyncIterator[tuple[DeepLEmulator, RawClient]]:
    async with DeepLEmulator(settings) as emulator:
        yield emulator, RawClient(emulator.base_url, emulator.api_key)


def rules(emulator: DeepLEmulator) -> list[str]:
    return [violation.rule for violation in emulator.violations]


async def say(client: RawClient, pcm: bytes, **options: Any) -> None:
    """Stream audio, end it and collect everything."""
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(client.read_until())
        await client.stream(pcm, **options)
        await client.end()
        await reading
    await client.close()
