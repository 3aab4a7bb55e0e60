"""A hand-written client of Palabra's wire, for tests of the emulator: it can also do everything wrong."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from satellite.emulator.palabra.rest import CREATE_PATH, SESSIONS_PATH
from satellite.emulator.palabra.server import PalabraEmulator
from satellite.emulator.palabra.settings import PalabraLimits, PalabraSettings
from tests.fakes.rawdeepl import DATA, RawAnswer, demo_pcm, request

FIRST_SENTENCE = demo_pcm(500, 3600)
FIRST_TEXT = "Good morning, the kitchen light is on."
BEAT_BYTES = 10_240
QUICK = PalabraLimits(ready_s=0.05, task_gap_s=0.0, stop_gap_s=0.0)
SETTINGS = PalabraSettings(
    recording=DATA / "demo.wav", labels=DATA / "demo.labels.json", speech="tones", limits=QUICK, speech_speed=100.0
)


def task(*targets: str, speaks: bool = True, **pipeline: Any) -> dict[str, Any]:
    """A task in German unless the targets say otherwise; `pipeline` is laid over it."""
    return {
        "input_stream": {
            "content_type": "audio",
            "source": {"type": "ws", "format": "pcm_s16le", "sample_rate": 16_000, "channels": 1},
        },
        "output_stream": {"content_type": "audio", "target": {"type": "ws", "format": "pcm_s16le"}} if speaks else None,
        "pipeline": {
            "transcription": {"source_language": "en"},
            "translations": [{"target_language": target} for target in targets or ("de",)],
            **pipeline,
        },
    }


@dataclass(slots=True)
class RawClient:
    """One client, step by step; `received` holds every message."""

    emulator: PalabraEmulator
    hash: str = "0123456789abcdef"
    answer: dict[str, Any] = field(default_factory=dict)
    received: list[dict[str, Any]] = field(default_factory=list)
    close_code: int | None = None
    socket: ClientConnection | None = None

    async def call(self, method: str, path: str, body: object = None, **headers: str) -> RawAnswer:
        """A request, with the application's pair unless headers are given."""
        pair = {"ClientId": "emulated-client-id", "ClientSecret": "emulated-client-secret"}
        sent = {"Content-Type": "application/json", **(headers or pair)}
        payload = b"" if body is None else json.dumps(body).encode()
        return await request(self.emulator.doors.http_url, method, path, sent, payload)

    async def create(self, body: object = None) -> RawAnswer:
        answer = await self.call("POST", CREATE_PATH, {"data": {"intent": "api"}} if body is None else body)
        if answer.status == 201:
            self.answer = answer.json["data"]
        return answer

    async def delete(self, session_id: str | None = None) -> RawAnswer:
        session_id = self.answer["id"] if session_id is None else session_id
        return await self.call("DELETE", f"{SESSIONS_PATH}/{quote(session_id, safe='')}")

    async def dial(self, url: str | None = None, **options: Any) -> ClientConnection:
        """By key, unless a URL is given."""
        if url is None:
            url = f"{self.emulator.doors.socket_url}/streaming-api/{self.hash}/v1/speech-to-speech/stream"
            options = {"additional_headers": {"Authorization": f"Bearer {SETTINGS.api_key}"}, **options}
        self.socket = await connect(url, compression=None, ping_interval=None, close_timeout=1, **options)
        return self.socket

    async def join(self) -> ClientConnection:
        """The stream of the session that was created."""
        publisher = self.answer["publisher"]
        token = publisher if isinstance(publisher, str) else publisher[0]
        url = self.answer.get("ws_url") or self.answer["control_url"]
        return await self.dial(f"{url}?token={quote(token, safe='')}")

    async def say(self, kind: str, **data: Any) -> None:
        assert self.socket is not None
        await self.socket.send(json.dumps({"message_type": kind, "data": data}))

    async def audio(self, pcm: bytes) -> None:
        await self.say("input_audio_data", data=base64.b64encode(pcm).decode())

    async def run(self, wanted: dict[str, Any] | None = None) -> None:
        """Set the task and wait until it runs."""
        await self.say("set_task", **(wanted or task()))
        await self.until_running()

    async def until_running(self) -> None:
        while True:
            await self.say("get_task")
            answer = await self.one("current_task", "error")
            data = answer["data"]
            if (json.loads(data) if isinstance(data, str) else data).get("task_status") == "running":
                return
            await asyncio.sleep(0.05)

    async def stream(self, pcm: bytes, gap_s: float = 0.32) -> None:
        """Audio in beats; stops quietly when the socket is closed."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        for at in range(0, len(pcm), BEAT_BYTES):
            try:
                await self.audio(pcm[at : at + BEAT_BYTES].ljust(BEAT_BYTES, b"\0"))
            except ConnectionClosed:
                return
            due = max(due, loop.time()) + gap_s
            await asyncio.sleep(due - loop.time())

    async def one(self, *kinds: str) -> dict[str, Any]:
        """The next message of one of these types."""
        assert self.socket is not None
        while True:
            async with asyncio.timeout(20):
                message: dict[str, Any] = json.loads(await self.socket.recv())
            self.received.append(message)
            if not kinds or message.get("message_type") in kinds:
                return message

    async def until_closed(self) -> None:
        """Collect everything up to the close."""
        assert self.socket is not None
        try:
            while True:
                await self.one("nothing that is ever sent")
        except ConnectionClosed:
            self.close_code = self.socket.close_code

    async def converse(self, pcm: bytes = FIRST_SENTENCE, wanted: dict[str, Any] | None = None) -> None:
        """A whole conversation: task, audio, end, and all that is said."""
        await self.run(wanted)
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(self.until_closed())
            await self.stream(pcm)
            await self.say("end_task", eos_timeout=1)
            await reading

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message["data"] for message in self.received if message.get("message_type") == kind]

    def texts(self, kind: str) -> list[str]:
        return [each["transcription"]["text"] for each in self.of(kind)]


@asynccontextmanager
async def emulated(settings: PalabraSettings = SETTINGS) -> AsyncIterator[tuple[PalabraEmulator, RawClient]]:
    async with PalabraEmulator(settings) as emulator:
        yield emulator, RawClient(emulator)


def rules(emulator: PalabraEmulator) -> list[str]:
    return [violation.rule for violation in emulator.violations]
