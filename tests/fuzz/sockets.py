"""Targets: what comes over sockets: HTTP answers, WebSocket handshakes and frames, and what reaches the emulator.

All peers are on loopback. Everything runs in one event loop of this process, whose servers live as long as it does.
"""

import asyncio
import base64
import functools
import hashlib
import json
import ssl
import struct
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import cache
from typing import Any
from urllib.parse import quote

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from satellite.adapters import httpcall, websocket
from satellite.backends.base import HttpFailed, HttpRequest, OpenSocket
from satellite.emulator.deepl.framing import CLIENT_MESSAGES, FramingError
from satellite.emulator.deepl.framing import decode as decode_frame
from satellite.emulator.deepl.server import DeepLEmulator
from tests.fuzz.target import Outcome, Shape, Target, hold
from tests.fuzz.wire import messages

PATIENCE_S = 30.0
"""For peers that answer at once, on a slow machine."""
MAX_ANSWER_BYTES = 200_000
MAX_MESSAGE_BYTES = 60_000
FRESH_AFTER = 100
"""Inputs until the emulator, which remembers everything, is begun anew."""
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3


@cache
def _loop() -> asyncio.Runner:
    return asyncio.Runner()


def _run(coroutine: Coroutine[Any, Any, Outcome]) -> Outcome:
    return _loop().run(coroutine)


@cache
def _no_tls() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class _RawServer:
    """Waits for the head of a request, then says what it was told to, in two pieces, and closes."""

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self.answer = answer
        self.port = 0

    async def listen(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._server = server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            data = self.answer(await reader.readuntil(b"\r\n\r\n"))
            writer.write(data[: len(data) // 2])
            await asyncio.sleep(0)
            writer.write(data[len(data) // 2 :])
            writer.write_eof()
            await reader.read()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client has seen enough
        finally:
            writer.transport.abort()


@cache
def _server() -> _RawServer:
    server = _RawServer(lambda _request: b"")
    _loop().run(server.listen())
    return server


# --- HTTP answers -------------------------------------------------------------------------------------------------

_JSON = b'{"streaming_url":"wss://api.deepl.com/x","token":"t"}'
_ANSWERS = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(_JSON), _JSON),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n1f4\r\n"
    + b"x" * 500
    + b"\r\n0\r\nA: b\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nX-Trace-ID: \xe9\r\n\r\nuntil the end",
    b"HTTP/1.0 204 No Content\r\nContent-Encoding: gzip\r\nSet-Cookie: a=b\r\nSet-Cookie: c\r\n folded\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"y" * 300_000,
)


def answer(data: bytes) -> Outcome:
    """An answer over a real socket: a response or the reason for none, within the bound."""
    _server().answer = lambda _request: data
    return _run(_answered())


async def _answered() -> Outcome:
    request = HttpRequest("POST", f"http://127.0.0.1:{_server().port}/x", {"A": "b"}, b"{}", PATIENCE_S, PATIENCE_S)
    result = await httpcall.perform(request, _no_tls(), MAX_ANSWER_BYTES)
    if isinstance(result, HttpFailed):
        hold("no answer in time" not in result.detail, "an answer that has ended is not waited for")
        hold(len(result.detail) < 300 and result.detail.isprintable(), "a reason fits into a line of a log")
        return Outcome(result.detail.partition(": ")[2][:40])
    hold(100 <= result.status <= 999, "a status has three digits")
    hold(len(result.body) <= MAX_ANSWER_BYTES, "an answer is bounded")
    hold(
        all(name == name.lower() and isinstance(text, str) for name, text in result.headers.items()), "headers are text"
    )
    return Outcome(f"status {result.status // 100}")


# --- WebSockets ---------------------------------------------------------------------------------------------------


def _frame(opcode: int, payload: bytes, *, is_last: bool = True) -> bytes:
    length = len(payload)
    size = (
        bytes([length])
        if length < 126
        else struct.pack(">BH" if length < 65_536 else ">BQ", 126 + (length >= 65_536), length)
    )
    return bytes([opcode | (0x80 if is_last else 0)]) + size + payload


def _conversations() -> Sequence[bytes]:
    said = [json.dumps(message, default=repr).encode() for message in messages()]
    close = _frame(8, struct.pack(">H", 1008) + b"policy")
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
    return [
        b"\0" + b"".join(_frame(1, each) for each in said) + close,
        b"\0" + _frame(9, b"ping") + _frame(10, b"") + _frame(2, bytes(300)) + _frame(1, b"\xff\xfe") + close,
        b"\0" + _frame(1, b"a" * 70_000),
        b"\0" + _frame(1, b"hello ", is_last=False) + _frame(9, b"") + _frame(0, b"world") + close[:5],
        b"\0" + bytes([0x82, 127]) + struct.pack(">Q", 2**63 - 1) + bytes(50),
        b"\1" + head + b"KEY\r\n\r\n" + close,
        b"\1HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nforbidden",
        b"\1HTTP/1.1 301 Moved\r\nLocation: wss://evil/\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    ]


def converse(data: bytes) -> Outcome:
    """A connection, or none: after a byte that says which, frames behind a good handshake, or a handshake."""
    is_raw, rest = bool(data[:1] and data[0] & 1), data[1:]
    _server().answer = functools.partial(_raw_handshake if is_raw else _good_handshake, rest)
    return _run(_conversed())


def _accept(request: bytes) -> bytes:
    lines = (line.partition(b":") for line in request.split(b"\r\n"))
    key = next((value.strip() for name, _, value in lines if name.lower() == b"sec-websocket-key"), b"")
    return base64.b64encode(hashlib.sha1(key + _MAGIC).digest())


def _good_handshake(frames: bytes, request: bytes) -> bytes:
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
    return head + _accept(request) + b"\r\n\r\n" + frames


def _raw_handshake(answer: bytes, request: bytes) -> bytes:
    return answer.replace(b"KEY", _accept(request))


async def _conversed() -> Outcome:
    heard: list[str | bytes] = []
    action = OpenSocket(
        f"ws://127.0.0.1:{_server().port}/x?token=t", open_timeout_s=PATIENCE_S, max_message_bytes=MAX_MESSAGE_BYTES
    )
    try:
        connection = await websocket.dial(action, _no_tls())
    except websocket.DialError as error:
        closed = error.closed
        hold(not closed.was_open and len(closed.reason) < 300 and closed.reason.isprintable(), "a reason is a line")
        return Outcome(f"no: {closed.http_status} {closed.reason[:40]}")
    try:
        async with asyncio.timeout(PATIENCE_S):
            closed = await connection.receive(heard.append)
    finally:
        await connection.cut("over")
    hold(closed.was_open and closed.code is not None, "an end has a code")
    hold(
        len(closed.reason.encode()) <= websocket.MAX_REASON_BYTES and closed.reason.isprintable(), "a reason is a line"
    )
    hold(all(len(each) <= MAX_MESSAGE_BYTES for each in heard), "messages are bounded")
    return Outcome(f"{closed.code}, {min(len(heard), 3)} heard")


# --- the emulator -------------------------------------------------------------------------------------------------

_BODY = {
    "source_media_content_type": "audio/pcm;encoding=s16le;rate=16000",
    "message_format": "json",
    "source_language": "en",
    "source_language_mode": "fixed",
    "target_languages": ["de", "fr"],
    "target_media_languages": ["de"],
    "target_media_content_type": "audio/pcm;encoding=s16le;rate=24000",
    "glossary_ids": ["a"],
    "formality": "more",
}
_UP: tuple[dict[str, Any], ...] = (
    {"source_media_chunk": {"data": "AAAA" * 800}},
    {"end_of_source_media": {}},
)


class _Stage:
    """An emulator that is begun anew from time to time."""

    def __init__(self) -> None:
        self._emulator: DeepLEmulator | None = None
        self._inputs = 0

    async def emulator(self) -> DeepLEmulator:
        self._inputs += 1
        if self._emulator is not None and self._inputs % FRESH_AFTER == 0:
            await self._emulator.__aexit__(None, None, None)
            self._emulator = None
        if self._emulator is None:
            self._emulator = await DeepLEmulator().__aenter__()
        return self._emulator


@cache
def _stage() -> _Stage:
    return _Stage()


def _requests() -> Sequence[bytes]:
    body = json.dumps(_BODY).encode()
    key = b"Host: x\r\nAuthorization: DeepL-Auth-Key KEY\r\nContent-Type: application/json\r\n"
    return [
        b"POST /v3/voice/realtime HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s" % (key, len(body), body),
        b"GET /v3/voice/realtime?token=abc%%2F HTTP/1.1\r\n%s\r\nGET /v2/usage HTTP/1.1\r\n%s\r\n" % (key, key),
        b"PUT http://[::1]/v3/voice/realtime?a=1&b HTTP/1.1\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
    ]


def request(data: bytes) -> Outcome:
    """Anything to the emulator's REST half; a strict service does not die of it either."""
    return _run(_requested(data))


async def _requested(data: bytes) -> Outcome:
    emulator = await _stage().emulator()
    port = int(emulator.base_url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(PATIENCE_S):
            writer.write(data.replace(b"KEY", emulator.api_key.encode()))
            writer.write_eof()
            said = await reader.read()
    except ConnectionError:
        said = b""
    finally:
        writer.transport.abort()
    hold(not said or said.startswith(b"HTTP/1.1 "), "what is answered is HTTP")
    return Outcome(said[9:12].decode() or "cut")


def _ups() -> Sequence[bytes]:
    return [json.dumps(message).encode() for message in _UP]


def take(data: bytes) -> Outcome:
    """One message from a client in both encodings, read by the emulator: good, or the rule that it breaks."""
    return Outcome(f"{_taken(data.decode('utf-8', 'replace'), 'json')}, {_taken(data, 'msgpack')}")


def _taken(frame: str | bytes, message_format: str) -> str:
    try:
        message = decode_frame(frame, message_format)
    except FramingError as error:
        hold(len(str(error)) < 200 and error.close_code in (None, 1003, 1007), "a rule is named in a line")
        return error.rule
    hold(message.name in CLIENT_MESSAGES and isinstance(message.audio, bytes), "what is read is known")
    return message.name


def speak(data: bytes) -> Outcome:
    """One message over a real socket to the emulator: used, or answered as published."""
    return _run(_spoken(data))


async def _spoken(data: bytes) -> Outcome:
    emulator = await _stage().emulator()
    asked = HttpRequest(
        "POST", f"{emulator.base_url}/v3/voice/realtime",
        {"Authorization": f"DeepL-Auth-Key {emulator.api_key}", "Content-Type": "application/json"},
        json.dumps(_BODY).encode(), PATIENCE_S, PATIENCE_S,
    )  # fmt: skip
    granted = await httpcall.perform(asked, _no_tls())
    hold(not isinstance(granted, HttpFailed) and granted.status == 200, "the emulator still answers")
    ticket = json.loads(granted.body)  # type: ignore[union-attr]  # looked at in the line before
    async with connect(f"{ticket['streaming_url']}?token={quote(ticket['token'], safe='')}", proxy=None) as client:
        try:
            await client.send(data.decode("utf-8", "replace"))
            await client.send(json.dumps(_UP[1]))
        except ConnectionClosed:
            pass  # refused before the second
        return Outcome(await asyncio.wait_for(_last_words(client.recv), PATIENCE_S))


async def _last_words(receive: Callable[[], Awaitable[str | bytes]]) -> str:
    try:
        while "end_of_stream" not in (said := json.loads(await receive())):
            if "error" in said:
                return f"error {said['error']['error_code']}"
    except ConnectionClosed as closed:
        return f"closed {closed.rcvd.code if closed.rcvd else None}"
    return "ended"


TARGETS = (
    Target("http.answer", Shape.BYTES, answer, lambda: _ANSWERS, 0.5),
    Target("websocket.frames", Shape.BYTES, converse, _conversations, 0.4),
    Target("emulator.request", Shape.TEXT, request, _requests, 0.5),
    Target("emulator.message", Shape.JSON, take, _ups, 6, (*CLIENT_MESSAGES, "data")),
    Target("emulator.stream", Shape.JSON, speak, _ups, 0.1, (*CLIENT_MESSAGES, "data")),
)
