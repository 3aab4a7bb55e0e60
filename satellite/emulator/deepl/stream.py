"""One WebSocket of a session: takes audio, judges it, sends what the session has to say (Voice reference §8-§12)."""

import asyncio
import functools
import random  # noqa: TID251 - the order of end messages is drawn from a seeded generator of the emulator's own
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from satellite.emulator.conversation import Conversation
from satellite.emulator.deepl import framing
from satellite.emulator.deepl.dress import dress
from satellite.emulator.deepl.intake import Intake, Verdict
from satellite.emulator.deepl.service import Service
from satellite.emulator.deepl.struck import Struck
from satellite.emulator.deepl.tokens import Session, SessionState
from satellite.emulator.deepl.voice import Voice
from satellite.emulator.report import ConnectionLog
from satellite.emulator.stalls import TICK_S
from satellite.emulator.trouble import Trouble, usual_code

CLIENT_CLOSE_S = 5.0


class Stream:
    """Serves one admitted connection until it is over; used once."""

    def __init__(self, service: Service, session: Session, socket: ServerConnection) -> None:
        self._service = service
        self._session = session
        self.socket = socket
        self._conversation: Conversation = service.conversations[session.number]
        self.log = ConnectionLog(len(session.connections) + 1, service.clock())
        self._intake = Intake(service, session, self.log)
        self._trouble = Trouble(service.faults, service.stalls, service.clock, Struck(service, session, self))
        self._origin_ms = round(self._conversation.stream_ms)
        self._over = asyncio.Event()
        self._record = functools.partial(service.ledger.record, session=session.number)
        self._has_failed = False
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
                await self.close(usual_code(refusal), "")
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
            self.socket.transport.abort()
            self._trouble.let_go()
        else:
            await self.socket.close(code, reason)

    async def closed(self) -> None:
        """Wait until the connection is over and judged."""
        await self._over.wait()

    # ---- upstream

    async def _read(self) -> None:
        while True:
            try:
                frame = await self.socket.recv()
            except ConnectionClosed:
                return
            arrived = self._service.clock()
            if self._has_failed:
                continue
            verdict = self._intake.take(frame, arrived)
            if verdict is not None:
                await self._refuse(verdict)
            await self._trouble.act()

    async def _refuse(self, verdict: Verdict) -> None:
        self._record(verdict.rule, verdict.detail)
        if verdict.close_code is None:
            await self.fail(verdict.request, verdict.code, verdict.detail)
            return
        self._has_failed = True
        self._session.kill("protocol error")
        await self.close(verdict.close_code, verdict.rule)

    async def fail(self, request: str, code: int, text: str) -> None:
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
        await self._trouble.flow.wait()
        dressed = dress(message, self._service.settings.variants, self._origin_ms)
        await self.socket.send(framing.encode(dressed, self._session.config.message_format))
        self._last_sent_s = self._service.clock()
        if self._service.settings.keep_audio:
            self.log.sent.append(dressed)

    async def _write(self) -> None:
        while (message := await self._conversation.next_message()) is not None:
            try:
                await self._send(message)
            except (ConnectionClosed, asyncio.CancelledError):
                self._conversation.give_back(message)
                raise
            if self._service.settings.variants.unknown_messages:
                await self._send({"session_statistics": {"messages": len(self.log.sent)}})
        await self._end()

    async def _speak(self) -> None:
        config = self._session.config
        voice = Voice(self._service, str(config.speech_language), config.target_media)
        while True:
            text = await self._conversation.next_speech()
            unheard: str | None = text
            try:
                async with aclosing(voice.speak(text)) as messages:
                    async for message in messages:
                        await self._send(message)
                        unheard = None
            finally:
                self._conversation.speech_over(unheard)

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
            self._trouble.is_excused = True
            await self.close(usual_code(withheld), "")
            return
        self._session.state = SessionState.ENDED
        await self._send({"end_of_stream": {}})
        await asyncio.sleep(CLIENT_CLOSE_S)
        await self.close(1000, "")

    # ---- timers and faults

    async def _watch(self) -> None:
        limits = self._service.settings.limits
        self._service.stalls.start(self._service.clock())
        while True:
            await asyncio.sleep(TICK_S)
            self._service.stalls.beat(self._service.clock())
            await self._trouble.act()
            now = self._service.clock()
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
            await self.fail("source_media_chunk", 408, "Timeout: no audio received")

    def _judge_close(self) -> None:
        """A clean close by the client is judged; a lost connection is nobody's fault."""
        close = self.socket.protocol.close_rcvd
        self.log.close_code = self.socket.close_code
        is_theirs = close is not None and bool(self.socket.protocol.close_rcvd_then_sent)
        if not is_theirs or self._trouble.is_excused or self._has_failed or close is None:
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
