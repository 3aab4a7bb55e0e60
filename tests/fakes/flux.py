"""The emulated Deepgram Flux service with a hand-written client beside it, and the way to it as in the daemon."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from satellite.adapters.clock import SystemClock
from satellite.adapters.encoder import make_encoder
from satellite.adapters.link import SessionDriver
from satellite.app.parts import cloud_backoff, new_id
from satellite.backends.base import BackendSession, SessionSetup
from satellite.backends.deepgram.backend import upload_format
from satellite.backends.deepgram.manners import Manners
from satellite.backends.deepgram.options import DeepgramOptions
from satellite.backends.deepgram.session import DeepgramSession
from satellite.core.audio import RATE_HZ, AudioChunk
from satellite.core.backlog import Backlog
from satellite.core.section import Section
from satellite.emulator.deepgram.server import DeepgramEmulator
from satellite.emulator.deepgram.settings import DeepgramLimits, DeepgramSettings
from satellite.runtime.uplink import Uplink, UplinkParts
from tests.fakes.rawdeepl import DATA, RawAnswer, demo_pcm, request
from tests.fakes.sections import made
from tests.fakes.virtual_time import running
from tests.fakes.voice_link import SPOKEN_AT_S, Heard, missing_ms

SETTINGS = DeepgramSettings(recording=DATA / "demo.wav", labels=DATA / "demo.labels.json")
FIRST_SENTENCE = demo_pcm(500, 3600)
FIRST_TEXT = "Good morning, the kitchen light is on."
SENTENCES: list[dict[str, Any]] = json.loads((DATA / "demo.labels.json").read_text())["sentences"]
PCM = {"model": "flux-general-en", "encoding": "linear16", "sample_rate": "16000"}
CHUNK_BYTES = 2560
SPEED = 8.0
"""Seconds of audio per second that the hand-written client sends, as all that is tried runs on the audio."""
FAST = replace(SETTINGS, limits=DeepgramLimits(speed=40.0, latency_s=0.02))
"""Lets it."""


@dataclass(slots=True)
class RawFlux:
    """One connection, step by step."""

    emulator: DeepgramEmulator
    received: list[dict[str, Any]] = field(default_factory=list)
    socket: ClientConnection | None = None

    async def dial(
        self, query: Sequence[tuple[str, str]] | Mapping[str, str] = PCM, path: str = "/v2/listen", **headers: str
    ) -> ClientConnection:
        headers = headers or {"Authorization": f"Token {self.emulator.api_key}"}
        url = f"{self.emulator.doors.socket_url}{path}?{urlencode(query, quote_via=quote)}"
        self.socket = await connect(
            url, additional_headers=headers, ping_interval=None, close_timeout=1, max_size=2**24
        )
        return self.socket

    async def open(self, **query: str) -> ClientConnection:
        """Dialled and greeted; parameters beside those of raw audio."""
        socket = await self.dial({**PCM, **query})
        assert (await self.receive())["type"] == "Connected"
        return socket

    async def grant(self, body: bytes = b"", scheme: str = "Token") -> RawAnswer:
        headers = {"Authorization": f"{scheme} {self.emulator.api_key}"}
        return await request(self.emulator.doors.http_url, "POST", "/v1/auth/grant", headers, body)

    async def send(self, frame: str | bytes) -> None:
        assert self.socket is not None
        await self.socket.send(frame)

    async def tell(self, kind: str, **members: object) -> None:
        await self.send(json.dumps({"type": kind, **members}))

    async def stream(self, pcm: bytes, speed: float = SPEED) -> None:
        """Audio in paced chunks; stops quietly when the socket is closed."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        for at in range(0, len(pcm), CHUNK_BYTES):
            try:
                await self.send(pcm[at : at + CHUNK_BYTES])
            except ConnectionClosed:
                return
            due = max(due, loop.time()) + CHUNK_BYTES / 2 / RATE_HZ / speed
            await asyncio.sleep(due - loop.time())

    async def receive(self) -> dict[str, Any]:
        assert self.socket is not None
        message: dict[str, Any] = json.loads(await self.socket.recv())
        self.received.append(message)
        return message

    async def until(self, kind: str, within_s: float = 5.0) -> dict[str, Any]:
        """The next message of this type, or event of this name."""
        async with asyncio.timeout(within_s):
            while kind not in ((message := await self.receive())["type"], message.get("event")):
                pass
        return message

    async def drain(self, within_s: float = 5.0) -> None:
        """Everything up to the end of the connection."""
        async with asyncio.timeout(within_s):
            try:
                while True:
                    await self.receive()
            except ConnectionClosed:
                return

    async def say(self, pcm: bytes) -> None:
        """Audio, then everything up to the end of the connection."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.drain(60.0))
            await self.stream(pcm)
            await self.tell("CloseStream")

    def turns(self, event: str | None = None) -> list[dict[str, Any]]:
        """All `TurnInfo`s, or those of one event."""
        infos = [message for message in self.received if message["type"] == "TurnInfo"]
        return [info for info in infos if event in (None, info["event"])]

    def events(self) -> list[str]:
        """The events that are no updates, in order."""
        return [info["event"] for info in self.turns() if info["event"] != "Update"]


@asynccontextmanager
async def emulated(settings: DeepgramSettings = FAST) -> AsyncIterator[tuple[DeepgramEmulator, RawFlux]]:
    async with DeepgramEmulator(settings) as emulator:
        client = RawFlux(emulator)
        try:
            yield emulator, client
        finally:
            if client.socket is not None:
                await client.socket.close()


def rules(emulator: DeepgramEmulator) -> list[str]:
    return [violation.rule for violation in emulator.violations]


async def refused(client: RawFlux, *arguments: Any, **headers: Any) -> tuple[int, dict[str, str]]:
    """Status and body of a handshake that is refused."""
    with pytest.raises(InvalidStatus) as caught:
        await client.dial(*arguments, **headers)
    response = caught.value.response
    assert response.headers["dg-request-id"]
    body: dict[str, str] = json.loads(response.body or b"{}")
    assert response.headers["dg-error"] == body["description"]
    return response.status_code, body


class Way:
    """Our session through the real driver: say something, and look at what came of it."""

    def __init__(self, emulator: DeepgramEmulator, uplink: Uplink, backlog: Backlog, heard: Heard) -> None:
        self.emulator = emulator
        self.uplink = uplink
        self.backlog = backlog
        self.heard = heard
        self._said = bytearray()

    async def speak(self, utterance_id: str, start_ms: float, end_ms: float) -> None:
        """A part of the recording, in real time; pieces that are late are given at once."""
        loop = asyncio.get_running_loop()
        due, pcm = loop.time(), demo_pcm(int(start_ms), int(end_ms))
        for at in range(0, len(pcm), 3200):
            start_s = SPOKEN_AT_S + start_ms / 1000 + at / 32_000
            self._said += pcm[at : at + 3200]
            self.uplink.audio(AudioChunk(pcm[at : at + 3200], start_s, utterance_id))
            due += 0.1
            await asyncio.sleep(due - loop.time())

    async def say(self, number: int) -> None:
        """One sentence as the gate lets it through, as an utterance of its own."""
        sentence = SENTENCES[number]
        await self.speak(f"u{number}", sentence["start_ms"] - 400, sentence["end_ms"] + 800)
        self.uplink.utterance_ended(f"u{number}")

    async def until(self, what: str, holds: Any, within_s: float = 20.0) -> None:
        """Wait for a condition, a callable without arguments."""
        try:
            async with asyncio.timeout(within_s):
                while not holds():
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"{what}: not within {within_s} s; {self.heard.events[-5:]}") from None

    async def finish(self) -> None:
        """End in order, and wait for it."""
        self.uplink.finish()
        await self.until("the end", lambda: self.backlog.is_empty and self.uplink._present is None)

    def missing_ms(self) -> float:
        """What was said and never received; fails when anything came twice or out of order."""
        connections = [log for session in self.emulator.sessions for log in session.connections]
        got = b"".join(bytes(log.pcm_16k) for log in connections)
        return missing_ms(bytes(self._said), got)

    def text(self) -> list[str]:
        return [segment.text.strip() for segment in self.heard.text()]


@asynccontextmanager
async def flux_way(
    settings: DeepgramSettings = SETTINGS,
    standing: Mapping[str, Section] | None = None,
    idle_close_s: float = 60.0,
    **more: Any,
) -> AsyncIterator[Way]:
    """Everything running; `more` are options of the backend."""
    async with DeepgramEmulator(settings) as emulator:
        backlog, heard, clock = Backlog(30 * RATE_HZ), Heard(), SystemClock()
        options = made(DeepgramOptions, {**emulator.options, **more})
        manners = Manners()

        def make_session(waiting: Backlog) -> BackendSession:
            encoder = make_encoder(upload_format(options).value)
            setup = SessionSetup(waiting, encoder, "en", (), None, None, idle_close_s, standing or {})
            return DeepgramSession(options, setup, manners)

        parts = UplinkParts(
            backlog=backlog,
            make_session=make_session,
            make_link=lambda session, on_event, _: SessionDriver(session, on_event, clock),
            backoff=cloud_backoff(),
            clock=clock,
            new_id=new_id,
        )
        uplink = Uplink(parts, heard)
        async with running(uplink.run):
            yield Way(emulator, uplink, backlog, heard)
