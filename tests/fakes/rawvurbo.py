"""A hand-written client of the Vurbo wire, for tests of the emulator: it can also do everything wrong."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from satellite.emulator.vurbo.server import VurboEmulator
from satellite.emulator.vurbo.settings import VurboSettings
from tests.fakes.rawdeepl import DATA, RawAnswer, demo_pcm, request

SETTINGS = VurboSettings(recording=DATA / "demo.wav", labels=DATA / "demo.labels.json", speech="tones")
FIRST = demo_pcm(500, 3600)
SECOND = demo_pcm(4100, 7900)
TEXT = "Good morning, the kitchen light is on."
TRANSCRIBE: dict[str, Any] = {
    "type": "transcribe",
    "transcription_languages": ["en-GB"],
    "translation_languages": ["de-DE"],
    "summary_template": "general",
}
CONVERSATION: dict[str, Any] = {
    "type": "conversation",
    "transcription_languages": ["en-GB", "de-DE"],
    "conversation_mode": "manual",
    "speakers": [{"id": 1, "language": "en-GB"}, {"id": 2, "language": "de-DE"}],
}
BROADCAST: dict[str, Any] = {"type": "broadcast", "broadcast_token": "k7q2", "audio_format": "pcm"}


@dataclass
class RawClient:
    """One connection, step by step; `received` holds the messages."""

    emulator: VurboEmulator
    received: list[dict[str, Any]] = field(default_factory=list)
    socket: ClientConnection | None = None

    async def ask_ticket(self, key: str | None = None, path: str = "/auth/ticket", method: str = "POST") -> RawAnswer:
        options = self.emulator.options
        headers = {"X-API-Key": str(options["api_key"]) if key is None else key}
        return await request(self.emulator.doors.http_url, method, f"/api/v1{path}", headers if key != "" else {})

    async def dial(self, ticket: str | None = None, query: str = "", **options: Any) -> ClientConnection:
        if ticket is None:
            ticket = (await self.ask_ticket()).json["ticket"]
        offered = [Subprotocol(f"ticket.{ticket}")] if ticket else None
        url = f"{self.emulator.options['ws_url']}{query}"
        self.socket = await connect(url, subprotocols=offered, compression=None, ping_interval=None, **options)
        return self.socket

    async def send(self, action: str, **data: Any) -> None:
        await self.put({"type": "voice-translation", "data": {"action": action, **data}})

    async def put(self, message: object) -> None:
        assert self.socket is not None
        await self.socket.send(message if isinstance(message, str | bytes) else json.dumps(message))

    async def start(self, **data: Any) -> dict[str, Any]:
        """Dial and start; what came."""
        await self.dial()
        await self.send("start", **(data or TRANSCRIBE))
        return await self.receive()

    async def receive(self) -> dict[str, Any]:
        """The data of the next message; an error's with its `action`."""
        assert self.socket is not None
        async with asyncio.timeout(10):
            message: dict[str, Any] = json.loads(await self.socket.recv())
        self.received.append(message)
        data: dict[str, Any] = message["data"]
        return data if message["type"] == "voice-translation" else {**data, "action": message["type"]}

    async def ask(self, action: str, **data: Any) -> dict[str, Any]:
        """A command and the first thing that is no text."""
        await self.send(action, **data)
        while (found := await self.receive())["action"] in ("result", "tts_ready"):
            pass
        return found

    async def until(self, action: str) -> dict[str, Any]:
        """The next event of that name."""
        while (found := await self.receive())["action"] != action:
            pass
        return found

    async def speak(self, pcm: bytes = FIRST) -> None:
        """Audio, faster than real time."""
        for at in range(0, len(pcm), 3200):
            await self.send("audio", payload=base64.b64encode(pcm[at : at + 3200]).decode())
            await asyncio.sleep(0.005)

    async def finish(self) -> None:
        """Stop and read to the end."""
        await self.send("stop")
        await self.until("task_complete")
        await self.close()

    async def close(self, code: int = 1000) -> None:
        assert self.socket is not None
        await self.socket.close(code)

    async def is_closed(self) -> int | None:
        """Read until the server closes; its code."""
        assert self.socket is not None
        try:
            while True:
                await self.receive()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd is not None else None

    def of(self, action: str) -> list[dict[str, Any]]:
        return [message["data"] for message in self.received if message["data"].get("action") == action]

    def final_texts(self) -> list[str]:
        origins = [each["origin"] for each in self.of("result") if "origin" in each]
        return [origin["text"] for origin in origins if origin["is_final"]]


@asynccontextmanager
async def emulated(settings: VurboSettings = SETTINGS) -> AsyncIterator[tuple[VurboEmulator, RawClient]]:
    async with VurboEmulator(settings) as emulator:
        yield emulator, RawClient(emulator)


def rules(emulator: VurboEmulator) -> list[str]:
    return [violation.rule for violation in emulator.violations]
