"""A hand-written client of the DeepL Voice wire, for tests of the emulator: it can also do everything wrong."""

import asyncio
import base64
import json
import ssl
import wave
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import msgpack
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

PCM_16K = "audio/pcm;encoding=s16le;rate=16000"
DATA = Path(__file__).parents[2] / "satellite" / "data"


@dataclass(frozen=True, slots=True)
class RawAnswer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.body)
        return value


async def request(
    base_url: str, method: str, path: str, headers: dict[str, str], body: bytes = b"", tls: ssl.SSLContext | None = None
) -> RawAnswer:
    """One HTTP/1.1 request on a connection of its own."""
    url = urlsplit(base_url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port, ssl=tls)
    lines = [f"{method} {path} HTTP/1.1", f"Host: {url.netloc}", "Connection: close", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    try:
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        fields = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:-2])}
        return RawAnswer(int(head[0].split(" ")[1]), fields, await reader.readexactly(int(fields["content-length"])))
    finally:
        writer.close()


@dataclass(slots=True)
class RawClient:
    """One session, step by step; `received` holds the decoded messages of all its sockets."""

    base_url: str
    api_key: str
    tls: ssl.SSLContext | None = None
    token: str = ""
    url: str = ""
    message_format: str = "json"
    received: list[dict[str, Any]] = field(default_factory=list)
    socket: ClientConnection | None = None

    @property
    def auth(self) -> dict[str, str]:
        return {"Authorization": f"DeepL-Auth-Key {self.api_key}"}

    async def post(self, body: object = None, **extra: object) -> RawAnswer:
        body = {"source_media_content_type": PCM_16K, **extra} if body is None else body
        headers = {**self.auth, "Content-Type": "application/json"}
        payload = json.dumps(body).encode()
        return self._keep(await request(self.base_url, "POST", "/v3/voice/realtime", headers, payload, self.tls))

    async def get(self, token: str | None = None) -> RawAnswer:
        path = f"/v3/voice/realtime?token={quote(self.token if token is None else token, safe='')}"
        return self._keep(await request(self.base_url, "GET", path, self.auth, tls=self.tls))

    def _keep(self, answer: RawAnswer) -> RawAnswer:
        if answer.status == 200:
            self.token, self.url = answer.json["token"], answer.json["streaming_url"]
        return answer

    async def dial(self, token: str | None = None, **options: Any) -> ClientConnection:
        token = quote(self.token if token is None else token, safe="")
        options = {"compression": None, "max_size": 2**24, **options}
        self.socket = await connect(
            f"{self.url}?token={token}", ssl=self.tls, ping_interval=None, close_timeout=1, **options
        )
        return self.socket

    async def open(self, **extra: object) -> ClientConnection:
        self.message_format = str(extra.get("message_format", "json"))
        answer = await self.post(**extra)
        assert answer.status == 200, answer.body
        return await self.dial()

    def chunk(self, pcm: bytes) -> str | bytes:
        if self.message_format == "msgpack":
            packed: bytes = msgpack.packb({"source_media_chunk": {"data": pcm}})
            return packed
        return json.dumps({"source_media_chunk": {"data": base64.b64encode(pcm).decode()}})

    async def send(self, pcm: bytes) -> None:
        assert self.socket is not None
        await self.socket.send(self.chunk(pcm))

    async def end(self) -> None:
        assert self.socket is not None
        message: dict[str, object] = {"end_of_source_media": {}}
        await self.socket.send(msgpack.packb(message) if self.message_format == "msgpack" else json.dumps(message))

    async def stream(
        self, pcm: bytes, chunk_ms: int = 100, speed: float = 1.8, rate_hz: int = 16_000, width: int = 2
    ) -> None:
        """Send audio in paced chunks; stops quietly when the socket is closed."""
        step = rate_hz * chunk_ms // 1000 * width
        loop = asyncio.get_running_loop()
        due = loop.time()
        for at in range(0, len(pcm), step):
            try:
                await self.send(pcm[at : at + step])
            except ConnectionClosed:
                return
            # from the sending, not from the plan: a late chunk must not make the next one early
            due = max(due, loop.time()) + chunk_ms / 1000 / speed
            await asyncio.sleep(due - loop.time())

    async def receive(self) -> dict[str, Any]:
        assert self.socket is not None
        frame = await self.socket.recv()
        message: dict[str, Any] = json.loads(frame) if isinstance(frame, str) else msgpack.unpackb(frame)
        self.received.append(message)
        return message

    async def read_until(self, name: str = "end_of_stream") -> None:
        """Collect messages up to one of that name, or to the close."""
        try:
            while name not in await self.receive():
                pass
        except ConnectionClosed:
            return

    async def finish(self) -> None:
        """End the input properly and read to the end."""
        await self.end()
        await self.read_until()
        await self.close()

    async def close(self, code: int = 1000) -> None:
        assert self.socket is not None
        await self.socket.close(code)

    def of(self, name: str) -> list[dict[str, Any]]:
        return [message[name] for message in self.received if name in message]

    def source_text(self) -> str:
        return "".join(item["text"] for update in self.of("source_transcript_update") for item in update["concluded"])

    def target_text(self, language: str) -> str:
        updates = [update for update in self.of("target_transcript_update") if update["language"] == language]
        return "".join(item["text"] for update in updates for item in update["concluded"])

    def speech_elements(self) -> list[bytes]:
        elements = [element for message in self.of("target_media_chunk") for element in message["data"]]
        return [base64.b64decode(item) if isinstance(item, str) else item for item in elements]


def demo_pcm(start_ms: int = 0, end_ms: int | None = None) -> bytes:
    """The bundled recording, or a part of it."""
    with wave.open(str(DATA / "demo.wav"), "rb") as file:
        pcm = file.readframes(file.getnframes())
    return pcm[start_ms * 32 : None if end_ms is None else end_ms * 32]
