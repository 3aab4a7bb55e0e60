"""One WebSocket: JSON both ways, audio in base64 (reference §4, §6, §10.1)."""

import asyncio
import base64
import binascii
import json
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from satellite.emulator.faults import Fault
from satellite.emulator.palabra.book import Session
from satellite.emulator.palabra.desk import State
from satellite.emulator.palabra.pace import size_breach
from satellite.emulator.palabra.service import Service
from satellite.emulator.palabra.talk import Talk
from satellite.emulator.palabra.voice import audio_messages
from satellite.emulator.pcm import WIDTH, StreamResampler
from satellite.emulator.report import ConnectionLog
from satellite.emulator.trouble import Trouble, usual_code

HUGE_BYTES = 3_000_000
END_PATIENCE_S = 10.0
ERRORS = {408: "SERVICE_TIMEOUT", 422: "VALIDATION_ERROR", 404: "NOT_FOUND"}


class Stream:
    """Serves one admitted connection until it is over; used once. A trouble.Victim as well."""

    def __init__(self, service: Service, session: Session, socket: ServerConnection) -> None:
        self._service = service
        self._session = session
        self.socket = socket
        self.log = ConnectionLog(len(session.connections) + 1, service.clock())
        self._talk = Talk(service, session, self.log, "ws", self)
        self._trouble = Trouble(service.faults, service.stalls, service.clock, self)
        self._resampler: StreamResampler | None = None
        self._ended_s: float | None = None

    async def serve(self) -> None:
        """Run the connection to its end and judge how it ended."""
        session = self._session
        session.connections.append(self.log)
        session.is_connected = session.is_joined = True
        self._service.live[session.number] = self
        try:
            refusal = self._service.faults.take("accept_close")
            if refusal is not None:
                self._trouble.is_excused = True
                await self.close(usual_code(refusal), "")
            elif self._is_crowded():
                await self.close(1008, "too many connections")
            else:
                await self._run()
        finally:
            self._talk.over()
            self.log.closed_s = self._service.clock()
            session.is_connected = session.is_stalled = False
            self._service.live.pop(session.number, None)
            self._judge_close()

    async def send(self, message: dict[str, Any]) -> None:
        """One message, dressed as the variants have it."""
        await self._trouble.flow.wait()
        variants = self._service.settings.variants
        dressed = message
        if variants.string_data and "data" in message:
            dressed = {**message, "data": json.dumps(message["data"])}
        text = json.dumps(dressed, separators=(",", ":"), ensure_ascii=False)
        await self.socket.send(text.encode() if variants.binary_frames else text)
        if self._service.settings.keep_audio:
            self.log.sent.append(message)

    async def speak(self, sentence: dict[str, Any], is_wanted: Callable[[], bool]) -> None:
        """The speech of one part of a sentence."""
        task = self._talk.desk.task
        is_deflated = task is not None and task.is_deflated
        async with aclosing(audio_messages(self._service, sentence, is_deflated=is_deflated)) as messages:
            async for message in messages:
                if not is_wanted():
                    return
                await self.send(message)

    async def close(self, code: int, reason: str) -> None:
        """Close from the server's side; a stalled connection is cut."""
        if self._session.is_stalled:
            self.socket.transport.abort()
            self._trouble.let_go()
        else:
            await self.socket.close(code, reason)

    # ---- trouble.Victim

    async def strike_error(self, fault: Fault) -> None:
        """The fatal error that a fault wants."""
        code = ERRORS.get(fault.status, "INTERNAL_ERROR")
        await self._talk.fail(code, "injected fault", fault.code or (1008 if fault.status == 408 else 1011))

    def stalled(self, is_stalled: bool) -> None:
        """A stalled connection cannot be seen to time out."""
        self._session.is_stalled = is_stalled

    def garbage(self, what: str) -> str | bytes:
        """A message that is none, or none of use."""
        frames: dict[str, str | bytes] = {
            "array": '["update"]',
            "unknown": json.dumps({"message_type": "surprise", "data": {"level": 11}}),
            "huge": json.dumps({"message_type": "surprise", "data": {"padding": "x" * HUGE_BYTES}}),
            "wrong_frame": b"\xc1\xff\x00",
        }
        return frames.get(what, "{not json")

    # ---- inside

    async def _run(self) -> None:
        jobs: list[Callable[[], Awaitable[None]]] = [
            self._talk.understand,
            self._talk.write,
            self._talk.speaking.run,
            lambda: self._talk.watch(self._trouble.act),
        ]
        async with asyncio.TaskGroup() as group:
            helpers = [group.create_task(_quietly(job)) for job in jobs]
            await self._read()
            for helper in helpers:
                helper.cancel()

    async def _read(self) -> None:
        while True:
            try:
                frame = await self.socket.recv()
            except ConnectionClosed:
                return
            self._take(frame, self._service.clock())
            await self._trouble.act()

    def _take(self, frame: str | bytes, now: float) -> None:
        if isinstance(frame, bytes):
            self._record("binary_frame", "messages go in text frames")
        try:
            message = json.loads(frame)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict) or not isinstance(message.get("data"), dict):
            self._record("bad_message", "a message is an object with message_type and data")
            return
        kind = str(message.get("message_type"))
        if message.keys() != {"message_type", "data"}:
            self._record("bad_message", f"{kind[:60]!r} has fields besides message_type and data")
        if kind == "input_audio_data":
            self._take_audio(message["data"], now)
        else:
            self._talk.command(kind, message["data"], now)
            if self._talk.desk.state is State.ENDING and self._ended_s is None:
                self._ended_s = now

    def _take_audio(self, data: dict[str, Any], now: float) -> None:
        try:
            audio = base64.b64decode(data["data"], validate=True) if data.keys() == {"data"} else b""
        except (binascii.Error, ValueError, TypeError):
            audio = b""
        task = self._talk.desk.task
        if task is None or not audio:
            self._record("bad_audio", "audio is base64 in data, and comes after its task")
            return
        frame_bytes = WIDTH * task.channels
        breach = size_breach(len(audio), frame_bytes)
        if breach is not None:
            self._record(*breach)
        if self._resampler is None:
            self._resampler = StreamResampler(task.rate_hz, 16_000)
        self._talk.judge_pace(len(audio) / frame_bytes / task.rate_hz * 1000, now)
        self._talk.audio(self._resampler.push(audio), len(audio), now)

    def _is_crowded(self) -> bool:
        """More connections than are allowed within a minute."""
        dials, now = self._service.dials, self._service.clock()
        dials.append(now)
        limit = int(self._service.settings.limits.connections_per_minute)
        if sum(now - at < 60 for at in dials) <= limit:
            return False
        self._record("too_many_connections", f"more than {limit} within a minute")
        self._trouble.is_excused = True
        return True

    def _judge_close(self) -> None:
        """A clean close by the client is judged; a lost connection is nobody's fault."""
        close = self.socket.protocol.close_rcvd
        self.log.close_code = self.socket.close_code
        is_theirs = close is not None and bool(self.socket.protocol.close_rcvd_then_sent)
        if not is_theirs or self._trouble.is_excused or self._talk.is_excused or self._talk.is_over:
            return
        desk = self._talk.desk
        if desk.is_running:
            self._record("closed_without_end", "closed while the task ran, without end_task")
        elif self._ended_s is not None and not desk.is_forced:
            waited_s = self._service.clock() - self._ended_s
            if waited_s < desk.eos_timeout_s + END_PATIENCE_S - 1.0:
                self._record("closed_before_end", f"closed {waited_s:.1f} s after end_task, before the tail")

    def _record(self, rule: str, detail: str) -> None:
        self._service.ledger.record(rule, detail, self._session.number)


async def _quietly(job: Callable[[], Awaitable[None]]) -> None:
    """Run a helper whose connection may go away under it; the reader sees that too."""
    try:
        await job()
    except ConnectionClosed:
        return
