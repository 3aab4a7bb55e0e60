"""One WebSocket of a session: takes audio, judges it, sends what the session has to say (deepl-voice.md §8-§12)."""

import asyncio
import random  # noqa: TID251 - the order of end messages is drawn from a seeded generator of the emulator's own
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from satellite.emulator import framing
from satellite.emulator.conversation import Conversation
from satellite.emulator.faults import Fault
from satellite.emulator.http import reset
from satellite.emulator.media import make_decoder
from satellite.emulator.report import Arrival, ConnectionLog
from satellite.emulator.rules import Breach, PaceRule, check_size
from satellite.emulator.service import Service
from satellite.emulator.tokens import Session, SessionState
from satellite.emulator.voice import Voice
from satellite.errors import MediaError

TICK_S = 0.02
CLIENT_CLOSE_S = 5.0
HUGE_BYTES = 3_000_000
USUAL_CODES = {"cut": 1011, "duration_limit": 1000, "accept_close": 1011, "no_end": 1000}


class Stream:
    """Serves one admitted connection until it is over; used once."""

    def __init__(self, service: Service, session: Session, socket: ServerConnection) -> None:
        self._service = service
        self._session = session
        self._socket = socket
        self._conversation: Conversation = service.conversations[session.number]
        self._decoder = make_decoder(session.config.source_media)
        self._pace = PaceRule(service.settings.limits, service.stalls)
        self._ordinal = service.faults.connections
        self.log = ConnectionLog(len(session.connections) + 1, service.clock(), pacing=self._pace.pacing)
        self._origin_ms = round(self._conversation.stream_ms)
        self._flow = asyncio.Event()
        self._flow.set()
        self._over = asyncio.Event()
        self._has_failed = False
        self._is_excused = False
        self._last_sent_s = self.log.opened_s

    async def serve(self) -> None:
        """Run the connection to its end and judge how it ended."""
        session = self._session
        session.connections.append(self.log)
        session.is_connected = True
        session.last_data_s = self.log.opened_s
        self._service.live[session.number] = self
        try:
            refusal = self._service.faults.take("accept_close")
            if refusal is not None:
                await self.close(_code(refusal), "")
            else:
                await self._run()
        finally:
            self.log.closed_s = self._service.clock()
            session.is_connected = session.is_stalled = False
            self._service.live.pop(session.number, None)
            self._judge_close()
            self._over.set()

    async def _run(self) -> None:
        jobs: list[Callable[[], Awaitable[None]]] = [self._understand, self._write, self._watch]
        if self._session.config.speech_language:
            jobs.append(self._speak)
        async with asyncio.TaskGroup() as group:
            helpers = [group.create_task(_quietly(job)) for job in jobs]
            await self._read()
            for helper in helpers:
                helper.cancel()

    async def close(self, code: int, reason: str) -> None:
        """Close from the server's side; a stalled connection is cut."""
        if self._session.is_stalled:
            self._socket.transport.abort()
            self._flow.set()
        else:
            await self._socket.close(code, reason)

    async def closed(self) -> None:
        """Wait until the connection is over and judged."""
        await self._over.wait()

    # ---- upstream

    async def _read(self) -> None:
        while True:
            try:
                frame = await self._socket.recv()
            except ConnectionClosed:
                return
            arrived = self._service.clock()
            if self._has_failed:
                continue
            try:
                await self._take(frame, arrived)
            except framing.FramingError as fault:
                await self._refuse_frame(fault)
            await self._trigger_faults()

    async def _take(self, frame: str | bytes, arrived: float) -> None:
        message = framing.decode(frame, self._session.config.message_format)
        if self._session.input_ended:
            rule = "audio_after_end" if message.name == "source_media_chunk" else "end_repeated"
            raise framing.FramingError(rule, f"{message.name} after end_of_source_media", request=message.name)
        if message.name == "end_of_source_media":
            self._session.input_ended = True
            self._conversation.listen(None, arrived)
            return
        breach = check_size(message.wire_bytes, len(message.audio), self._decoder.frame_bytes)
        breach = breach or self._accept(message.audio, arrived)
        if breach is not None:
            await self._breach(breach)

    def _accept(self, audio: bytes, arrived: float) -> Breach | None:
        try:
            pcm, duration_ms = self._decoder.push(audio)
        except MediaError as fault:
            return Breach("undecodable_audio", str(fault), 400)
        breach = self._pace.chunk(duration_ms, arrived)
        self._session.last_data_s = arrived
        self.log.arrivals.append(Arrival(arrived, len(audio), duration_ms))
        self.log.audio += audio
        self.log.pcm_16k += pcm
        self._conversation.listen(pcm, arrived)
        return breach

    async def _breach(self, breach: Breach) -> None:
        self._record(breach.rule, breach.detail)
        await self._fail("source_media_chunk", breach.code, breach.detail)

    async def _refuse_frame(self, fault: framing.FramingError) -> None:
        self._record(fault.rule, str(fault))
        if fault.close_code is None:
            await self._fail(fault.request, 400, str(fault))
            return
        self._has_failed = True
        self._session.kill("protocol error")
        await self.close(fault.close_code, fault.rule)

    async def _fail(self, request: str, code: int, text: str) -> None:
        """The fatal `error` message; the session is over with it."""
        self._has_failed = True
        self._session.kill("error")
        error = {"request_type": request, "error_code": code, "reason_code": code * 10_000 + 1, "error_message": text}
        await self._send({"error": error})
        await self.close(1008, "error")

    async def _understand(self) -> None:
        while True:
            for resent in await self._conversation.understand():
                detail = (
                    f"{resent.duration_ms} ms at {resent.stream_ms} ms were sent before at {resent.first_stream_ms} ms"
                )
                self._record("audio_resent", detail)

    # ---- downstream

    async def _send(self, message: dict[str, Any]) -> None:
        await self._flow.wait()
        dressed = self._dress(message)
        self.log.sent.append(dressed)
        self._last_sent_s = self._service.clock()
        await self._socket.send(framing.encode(dressed, self._session.config.message_format))

    def _dress(self, message: dict[str, Any]) -> dict[str, Any]:
        """The message as the variants of the settings have it."""
        variants = self._service.settings.variants
        name, payload = next(iter(message.items()))
        payload = dict(payload)
        if variants.odd_tag_case and "language" in payload:
            payload["language"] = payload["language"].swapcase()
        if variants.extra_fields and name != "end_of_stream":
            payload["x_trace"] = {"emulated": True}
        for part in ("concluded", "tentative"):
            if part in payload:
                payload[part] = [self._dress_segment(segment) for segment in payload[part]]
        return {name: payload}

    def _dress_segment(self, segment: dict[str, Any]) -> dict[str, Any]:
        variants = self._service.settings.variants
        dressed = dict(segment)
        if variants.odd_tag_case and "language" in dressed:
            dressed["language"] = dressed["language"].swapcase()
        if variants.extra_fields:
            dressed["confidence"] = 0.9
        if variants.times_restart:
            for key in ("start_time", "end_time"):
                dressed[key] = max(0, dressed[key] - self._origin_ms)
        return dressed

    async def _write(self) -> None:
        while (message := await self._conversation.next_message()) is not None:
            await self._send(message)
            if self._service.settings.variants.unknown_messages:
                await self._send({"session_statistics": {"messages": len(self.log.sent)}})
        await self._end()

    async def _speak(self) -> None:
        config = self._session.config
        voice = Voice(self._service, str(config.speech_language), config.target_media)
        while True:
            text = await self._conversation.next_speech()
            try:
                async with aclosing(voice.speak(text)) as messages:
                    async for message in messages:
                        await self._send(message)
            finally:
                self._conversation.speech_over()

    async def _end(self) -> None:
        """The end messages, then wait for the client to close."""
        config = self._session.config
        ends: list[dict[str, Any]] = [{"end_of_source_transcript": {}}]
        ends += [{"end_of_target_transcript": {"language": target}} for target in config.target_languages]
        if config.speech_language:
            ends.append({"end_of_target_media": {"language": config.speech_language}})
        if self._service.settings.variants.shuffled_end:
            random.Random(self._service.settings.seed).shuffle(ends)  # noqa: S311 - an order, not a secret
        for end in ends:
            await self._send(end)
        withheld = self._service.faults.take("no_end")
        if withheld is not None:
            self._is_excused = True
            await self.close(_code(withheld), "")
            return
        self._session.state = SessionState.ENDED
        await self._send({"end_of_stream": {}})
        await asyncio.sleep(CLIENT_CLOSE_S)
        await self.close(1000, "")

    # ---- timers and faults

    async def _watch(self) -> None:
        limits = self._service.settings.limits
        while True:
            before = self._service.clock()
            await asyncio.sleep(TICK_S)
            now = self._service.clock()
            self._service.stalls.note(now, max(0.0, now - before - TICK_S - 0.002))
            await self._trigger_faults()
            if self._session.is_stalled or self._session.input_ended or self._has_failed:
                continue
            if now - self._session.last_data_s > limits.inactivity_s:
                await self._time_out(limits.inactivity_s)
            elif limits.connection_s is not None and now - self.log.opened_s > limits.connection_s:
                await self.close(1000, "connection duration limit")

    async def _time_out(self, limit_s: float) -> None:
        self._record("inactivity", f"no audio for {limit_s:.1f} s")
        if self._service.settings.variants.timeout_without_error:
            self._has_failed = True
            self._session.kill("timeout")
            await self.close(1000, "timeout")
        else:
            await self._fail("source_media_chunk", 408, "Timeout: no audio received")

    async def _trigger_faults(self) -> None:
        elapsed_s = self._service.clock() - self.log.opened_s
        fault = self._service.faults.due(self._ordinal, len(self.log.arrivals), elapsed_s)
        if fault is None:
            return
        self._is_excused = True
        if fault.kind == "error":
            await self._fail("source_media_chunk", fault.status, "injected fault")
        elif fault.kind == "cut" and fault.how == "rst":
            reset(self._socket.transport)
        elif fault.kind in ("cut", "duration_limit"):
            await self.close(_code(fault), "")
        elif fault.kind == "stall":
            await self._stall(fault.for_s)
        else:
            await self._send_garbage(fault.what)

    async def _stall(self, for_s: float) -> None:
        """Read nothing, answer nothing, send nothing; the peer cannot be seen to leave meanwhile."""
        self._session.is_stalled = True
        self._flow.clear()
        self._socket.transport.pause_reading()
        try:
            async with asyncio.timeout(for_s):
                await self._flow.wait()
        except TimeoutError:
            self._session.is_stalled = False
            self._session.last_data_s = self._service.clock()
            self._socket.transport.resume_reading()
            self._flow.set()

    async def _send_garbage(self, what: str) -> None:
        is_json = self._session.config.message_format == "json"
        encode = framing.encode
        if what == "array":
            await self._socket.send('["update"]' if is_json else b"\x91\xa6update")
        elif what == "unknown":
            await self._socket.send(encode({"surprise": {"level": 11}}, self._session.config.message_format))
        elif what == "huge":
            message = {"surprise": {"padding": "x" * HUGE_BYTES}}
            await self._socket.send(encode(message, self._session.config.message_format))
        elif what == "wrong_frame":
            await self._socket.send(encode({"end_of_stream": {}}, "msgpack" if is_json else "json"))
        else:
            await self._socket.send("{not json" if is_json else b"\xc1\xff")

    def _record(self, rule: str, detail: str) -> None:
        self._service.ledger.record(rule, detail, self._session.number)

    def _judge_close(self) -> None:
        """A clean close by the client is judged; a lost connection is nobody's fault."""
        close = self._socket.protocol.close_rcvd
        self.log.close_code = self._socket.close_code
        is_theirs = close is not None and bool(self._socket.protocol.close_rcvd_then_sent)
        if not is_theirs or self._is_excused or self._has_failed or close is None:
            return
        if self._session.state is SessionState.ENDED:
            if close.code != 1000:
                self._record("close_code", f"closed with {close.code} after end_of_stream, not 1000")
        elif self._session.input_ended:
            waited_s = self._service.clock() - self._last_sent_s
            if waited_s < self._service.settings.limits.drain_patience_s:
                self._record("closed_before_end_of_stream", f"closed {waited_s:.1f} s after the last message")
        else:
            self._session.left_early_at_s = self._service.clock()


async def _quietly(job: Callable[[], Awaitable[None]]) -> None:
    """Run a helper whose connection may go away under it; the reader sees that too."""
    try:
        await job()
    except ConnectionClosed:
        return


def _code(fault: Fault) -> int:
    return fault.code or USUAL_CODES.get(fault.kind, 1011)
