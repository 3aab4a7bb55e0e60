"""One client in one session, over whichever transport: commands and audio in, text and speech out."""

import asyncio
import functools
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from satellite.emulator.conversation import Conversation
from satellite.emulator.palabra.book import Session
from satellite.emulator.palabra.desk import COMMANDS, Desk, State
from satellite.emulator.palabra.pace import PaceRule
from satellite.emulator.palabra.script import SPEECH, Script
from satellite.emulator.palabra.service import Service
from satellite.emulator.report import Arrival, ConnectionLog
from satellite.emulator.stalls import TICK_S

CONTROL = {"current_task", "error", "warning", "output_audio_data", "eos", "end_of_stream"}


class Wire(Protocol):
    """How a talk reaches its client."""

    async def send(self, message: dict[str, Any]) -> None:
        """One message."""
        ...

    async def speak(self, sentence: dict[str, Any], is_wanted: Callable[[], bool]) -> None:
        """The speech of one part of a sentence, as long as it is wanted."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """End the connection."""
        ...


class Speaking:
    """What is to be spoken, each language in its own order."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._speeches: deque[dict[str, Any]] = deque()
        self._has_speech = asyncio.Event()
        self._queues: dict[str, asyncio.Queue[tuple[dict[str, Any], int]]] = {}
        self._unspoken = 0
        self._generation = 0
        self.is_silent = asyncio.Event()
        self.is_silent.set()

    def put(self, body: dict[str, Any]) -> None:
        """Something more to be spoken."""
        self._speeches.append(body)
        self._unspoken += 1
        self.is_silent.clear()
        self._has_speech.set()

    def cancel(self) -> None:
        """Nothing of what was put is wanted any more."""
        self._generation += 1

    async def run(self) -> None:
        """Speak one sentence after the other, each language by itself."""
        async with asyncio.TaskGroup() as group:
            while True:
                while not self._speeches:
                    self._has_speech.clear()
                    await self._has_speech.wait()
                sentence = self._speeches.popleft()
                language = str(sentence["language"])
                if language not in self._queues:
                    self._queues[language] = asyncio.Queue()
                    group.create_task(self._speak_language(self._queues[language]))
                self._queues[language].put_nowait((sentence, self._generation))

    async def _speak_language(self, queue: "asyncio.Queue[tuple[dict[str, Any], int]]") -> None:
        while True:
            sentence, generation = await queue.get()

            def is_wanted(wanted: int = generation) -> bool:
                return wanted == self._generation

            if is_wanted():
                await self._wire.speak(sentence, is_wanted)
            self._unspoken -= 1
            if not self._unspoken:
                self.is_silent.set()


class Talk:
    """Serves one client; used once. `is_over` once the end was said."""

    def __init__(self, service: Service, session: Session, log: ConnectionLog, transport: str, wire: Wire) -> None:
        self._service = service
        self._session = session
        self._log = log
        self._wire = wire
        self._transport = transport
        self._pace = PaceRule(service.settings.limits, service.stalls)
        self.desk = Desk(service, session, transport, self._pace)
        is_exact = transport == "ws"
        settings = service.settings
        self._script = Script(service.truth.language, settings.variants, settings.seed, is_exact=is_exact)
        service.scripts[session.number] = self._script
        self._conversation = Conversation(service.truth.recogniser(service.settings, exact=is_exact), self._script)
        self.speaking = Speaking(wire)
        self._said = 0
        self._record = functools.partial(service.ledger.record, session=session.number)
        self._last_audio_s = service.clock()
        self._was_running = False
        self._has_failed = False
        self.is_over = False

    # ---- upstream

    def command(self, kind: str, data: dict[str, Any], now: float) -> None:
        """One command; unknown ones are against the rules."""
        if kind not in COMMANDS:
            self._record("unknown_command", f"{kind[:60]!r} is no command")
            return
        was = self.desk.state
        self.desk.command(kind, data, now)
        self._script.task = self.desk.task
        if self.desk.state is State.STARTING and was is State.PAUSED:
            self._resumed(now)
        if self.desk.is_cancelled:
            self.desk.is_cancelled = False
            self._cancel()
        while self.desk.wishes:
            wish = self.desk.wishes.popleft()
            self._said += 1
            body = {"id": f"say-{self._said}", "part": 0, "language": wish.language, "text": wish.text}
            self.speaking.put(body)

    def audio(self, pcm: bytes, size_bytes: int, now: float) -> None:
        """A chunk of 16 kHz PCM, which came as that many bytes."""
        state = self.desk.state
        duration_ms = len(pcm) / 32
        if not self.desk.is_running:
            rule = {State.PAUSED: "audio_while_paused", State.ENDING: "audio_after_end"}.get(
                state, "audio_before_running"
            )
            self._record(rule, f"{duration_ms:.0f} ms of audio while {state.value}")
            return
        self._last_audio_s = now
        self._log.arrivals.append(Arrival(now, size_bytes, duration_ms))
        if self._service.settings.keep_audio:
            self._log.audio += pcm
            self._log.pcm_16k += pcm
        self._conversation.listen(pcm, now)

    def judge_pace(self, duration_ms: float, now: float) -> None:
        """A chunk came in a message of its own, so its time of arrival tells."""
        breach = self._pace.chunk(duration_ms, now) if self.desk.is_running else None
        if breach is not None:
            self._record("too_fast", breach)
            self._warn("AUDIO_STREAM_TOO_FAST")

    # ---- what goes on meanwhile

    async def understand(self) -> None:
        """Recognise what came."""
        while True:
            resent_pieces = await self._conversation.understand()
            # a room's jitter buffer stretches and repeats sound by itself
            for resent in resent_pieces if self._transport == "ws" else ():
                self._record("audio_resent", f"{resent.duration_ms} ms at {resent.stream_ms} ms were sent before")

    async def write(self) -> None:
        """Send what there is to say."""
        while (message := await self._conversation.next_message()) is not None:
            if message["message_type"] == SPEECH:
                body = message["data"]
                assert isinstance(body, dict)  # noqa: S101 - tells the type checker what a script makes
                self.speaking.put(body)
            else:
                await self._tell(message)
        await self.speaking.is_silent.wait()
        await self._end()

    async def watch(self, act: Callable[[], Any]) -> None:
        """Replies, time-outs and warnings; `act` is done at each tick."""
        stalls, clock = self._service.stalls, self._service.clock
        stalls.start(clock())
        while True:
            await asyncio.sleep(TICK_S)
            stalls.beat(clock())
            await act()
            while self.desk.replies:
                await self._wire.send(self.desk.replies.popleft())
            if self.desk.state is State.ENDING and not self._has_failed:
                self._has_failed = True  # only once
                await self._begin_end()
            elif not self._session.is_stalled and not self._has_failed:
                await self._look(clock())

    async def fail(self, code: str, text: str, close_code: int) -> None:
        """The error after which the service closes."""
        self._has_failed = True
        await self._wire.send({"message_type": "error", "data": {"code": code, "desc": text, "param": None}})
        await self._wire.close(close_code, code)

    def over(self) -> None:
        """The connection is gone."""
        self.desk.over()

    @property
    def is_excused(self) -> bool:
        """True when the service itself has ended the talk."""
        return self._has_failed and self.desk.state is not State.ENDING

    # ---- inside

    async def _look(self, now: float) -> None:
        """What a running task without audio leads to."""
        is_running = self.desk.is_running
        if is_running and not self._was_running:
            self._last_audio_s = now
        self._was_running = is_running
        if not is_running:
            return
        limit_s = self._service.settings.limits.inactivity_s
        if now - self._last_audio_s > limit_s:
            self._record("inactivity", f"no audio for {limit_s:.1f} s while the task ran")
            await self.fail("SERVICE_TIMEOUT", "no input; use pause_task for intentional pauses", 1008)
        elif self.desk.task is not None and self.desk.task.transport == "ws":
            code = self._pace.warning(now)
            if code is not None:
                self._warn(code)

    async def _begin_end(self) -> None:
        """Wait for the silence that was asked for, then let the last sentences be confirmed."""
        if self.desk.is_forced:
            await self._wire.close(1000, "ended")
            return
        heard_s = self._service.clock() - self._last_audio_s
        await asyncio.sleep(max(0.0, self.desk.eos_timeout_s - heard_s))
        self._conversation.listen(None, self._service.clock())

    async def _end(self) -> None:
        withheld = self._service.faults.take("no_end")
        self.is_over = True
        if withheld is None:
            name = "end_of_stream" if self._service.settings.variants.end_of_stream_name else "eos"
            await self._wire.send({"message_type": name, "data": {}})
        await self._wire.close(1000 if withheld is None else withheld.code or 1011, "ended")

    async def _tell(self, message: dict[str, Any]) -> None:
        """A message, if its type was asked for."""
        kind = str(message["message_type"])
        task = self.desk.task
        if task is None or (kind not in CONTROL and kind not in task.message_types):
            return
        await self._wire.send(message)
        variants = self._service.settings.variants
        if variants.duplicate_finals and kind in ("validated_transcription", "translated_transcription"):
            await self._wire.send(message)
        if variants.telemetry:
            for extra in _telemetry(kind):
                await self._wire.send(extra)

    def _resumed(self, now: float) -> None:
        self._last_audio_s = now
        if self._service.settings.variants.times_restart:
            self._script.origin_ms = self._conversation.stream_ms

    def _cancel(self) -> None:
        """Drop what is being said, and what waits to be."""
        self._script.cancel()
        self.speaking.cancel()

    def _warn(self, code: str) -> None:
        self.desk.replies.append({"message_type": "warning", "data": {"code": code, "message": "mind the pace"}})


def _telemetry(kind: str) -> list[dict[str, Any]]:
    """Frames that say nothing about speech: figures, legacy ones without a type, and empty ones."""
    stats = {"stats": {"de": {"current_queue_level_ms": 900, "max_queue_level_ms": 20_000}, "timestamp": 1.0}}
    return [
        {"message_type": "tts_buffer_stats", "data": stats},
        {"message_type": "something_new", "data": {"about": kind}},
        {"es": {"current_queue_level_ms": 1200, "max_queue_level_ms": 8000}},
        {},
    ]
