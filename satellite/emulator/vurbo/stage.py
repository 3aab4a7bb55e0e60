"""A running session of the emulated Vurbo service: recognition, commands one after another, text, speech, the end."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from websockets.exceptions import ConnectionClosed

from satellite.emulator.conversation import Conversation
from satellite.emulator.report import Spoken
from satellite.emulator.vurbo.control import Answer, Control
from satellite.emulator.vurbo.intake import Intake
from satellite.emulator.vurbo.line import Wire
from satellite.emulator.vurbo.schema import Course, Refusal, words
from satellite.emulator.vurbo.script import Data, Script, Sentence
from satellite.emulator.vurbo.service import Service, Session
from satellite.emulator.vurbo.texts import status_text
from satellite.emulator.vurbo.tts import WAV, encode, ready
from satellite.emulator.vurbo.turns import Turns

STATUS_ANSWERED = words("pause resume stop set_name tts_stop start_speaking broadcast_announcement set_standby_message")
POLL_S = 0.005


class Stage:
    """What goes on between `start` and `task_complete`; `jobs` run until the connection ends."""

    def __init__(self, service: Service, session: Session, wire: Wire) -> None:
        self._service = service
        self._session = session
        self._wire = wire
        variants = service.settings.variants
        course = session.course
        recogniser = service.truth.recogniser(service.settings, exact=course.audio_format == "pcm")
        self._script = Script(course, service.truth.language, variants, service.settings.seed, self._elapsed_ms)
        self._conversation = Conversation(recogniser, self._script)
        self.intake = Intake(service, session, self._conversation)
        self._control = Control(session, self._script, self._speak_later, is_chinese=variants.chinese_messages)
        self._turns = Turns(session, self._script, is_chinese=variants.chinese_messages)
        self._commands: deque[tuple[str, dict[str, Any]]] = deque()
        self._has_command = asyncio.Event()
        self._in_hand: str | None = None
        self.is_uploaded = False
        self.withhold_end: Callable[[], Awaitable[bool]] | None = None

    @property
    def jobs(self) -> tuple[Callable[[], Awaitable[None]], ...]:
        """What runs beside one another."""
        return self._understand, self._write, self._speak, self._obey

    def command(self, action: str, data: dict[str, Any]) -> None:
        """Queue a command; two that are answered by the same `status` must not be under way at once."""
        pending = [*([self._in_hand] if self._in_hand else []), *(name for name, _ in self._commands)]
        if action in STATUS_ANSWERED and STATUS_ANSWERED.intersection(pending):
            self._record("two_commands_in_flight", f"{action} while {pending[0]} is not answered")
        if action == "stop_speaking":
            self._session.course.is_ending_speech = self._session.course.speaking is not None
        self._service.commands[action] = self._service.commands.get(action, 0) + 1
        self._commands.append((action, data))
        self._has_command.set()

    def _elapsed_ms(self) -> float:
        return (self._service.clock() - self._session.started_s) * 1000

    def _record(self, rule: str, detail: str) -> None:
        self._service.ledger.record(rule, detail, self._session.number)

    # ---- speech in, text out

    async def _understand(self) -> None:
        while True:
            for resent in await self._conversation.understand():
                self._record("audio_resent", f"{resent.duration_ms} ms at {resent.stream_ms} ms were sent before")

    async def _write(self) -> None:
        while (message := await self._conversation.next_message()) is not None:
            await self._tell(message)
        if not self.is_uploaded:
            await self._upload()

    async def _tell(self, message: Data) -> None:
        origin = message.get("origin")
        if isinstance(origin, dict) and origin["is_final"]:
            known = {each["sid"] for each in self._session.concluded}
            if origin["sid"] not in known:
                self._session.concluded.append({"sid": origin["sid"], "text": origin["text"]})
        await self._wire.event(message)

    async def _upload(self) -> None:
        """Both uploads, and the summary."""
        await asyncio.sleep(self._service.settings.limits.upload_s)
        if self.withhold_end is not None and await self.withhold_end():
            return
        self.is_uploaded = self._session.is_complete = True
        await self._wire.event({"action": "task_complete", "task_id": self._session.task_id})
        if self._session.course.has_summary:
            await self._wire.event({"action": "summary_done", "task_id": self._session.task_id})

    # ---- speech out

    def _speak_later(self, number: int, code: str) -> None:
        self._conversation.speeches.append(f"{number} {code}")
        self._conversation.has_speech.set()

    async def _speak(self) -> None:
        settings = self._service.settings
        media = settings.target_media or WAV
        while True:
            number, _, code = (await self._conversation.next_speech()).partition(" ")
            try:
                sentence = self._script.sentence(int(number))
                text = "" if sentence is None else sentence.translations[code]
                pcm = await self._service.synthesiser.speak(text, code)
                self._service.spoken.append(Spoken(code, text, pcm))
                await self._wire.event(ready(encode(pcm, media), media, int(number), code, settings.variants))
            finally:
                self._conversation.speech_over(None)

    # ---- commands

    async def _obey(self) -> None:
        """One command after another, each answered a moment after it came."""
        while True:
            while not self._commands:
                self._has_command.clear()
                await self._has_command.wait()
            self._in_hand, data = self._commands.popleft()
            await asyncio.sleep(self._service.settings.limits.reply_s)
            await self._carry_out(self._in_hand, data)
            self._in_hand = None

    async def _carry_out(self, action: str, data: dict[str, Any]) -> None:
        if action == "stop":
            await self._stop()
        elif action == "stop_speaking":
            await self._stop_speaking()
        elif action == "switch_language":
            await self._switch_language(data)
        else:
            await self._answered(await self._answer(action, data))
        if action == "resume":
            self.intake.resume()

    async def _answer(self, action: str, data: dict[str, Any]) -> Answer:
        if self._control.handles(action):
            return self._control.answer(action, data)
        if action == "start_speaking":
            return self._turns.start_speaking(data)
        if action == "set_speaker_language":
            return self._turns.set_speaker_language(data)
        if action == "switch_conversation_mode":
            await self._understood()
            return self._turns.switch_conversation_mode(data)
        return Refusal("invalid_action", f"no action {action}", "unknown_action")

    async def _answered(self, answer: Answer) -> None:
        if isinstance(answer, Refusal):
            await self.refuse(answer)
            return
        for event in answer:
            await self._wire.event(event)

    async def refuse(self, refusal: Refusal) -> None:
        """An error that is not about one sentence."""
        if refusal.rule is not None:
            self._record(refusal.rule, refusal.detail)
        await self._wire.error(refusal.code, refusal.detail)

    async def _stop(self) -> None:
        message = status_text("stop", is_chinese=self._service.settings.variants.chinese_messages)
        await self._wire.event({"action": "status", "message": message})
        if self._service.settings.variants.early_task_complete:
            await self._upload()
        self._conversation.listen(None, self._service.clock())

    async def _stop_speaking(self) -> None:
        refusal = self._turns.stop_speaking_refusal()
        if refusal is not None:
            await self.refuse(refusal)
            return
        await self._understood()
        ended = self._script.end_speech()
        self._session.course.speaking, self._session.course.is_ending_speech = None, False
        if ended is None:
            return
        sentence, message = ended
        await self._tell(message)
        if self._session.course.tts_mode == "sync":
            for code in sentence.translations:
                if self._script.is_spoken(code):
                    self._speak_later(sentence.number, code)

    async def _understood(self) -> None:
        """Wait until all audio that came was recognised."""
        while self._conversation.stream_ms < self.intake.heard_ms - 1:  # noqa: ASYNC110 - what is slept is bounded
            await asyncio.sleep(POLL_S)

    async def _switch_language(self, data: dict[str, Any]) -> None:
        answer = self._turns.switch_language(data)
        if isinstance(answer, Refusal):
            await self.refuse(answer)
            return
        for at, event in enumerate(answer):
            await asyncio.sleep(self._service.settings.limits.reply_s)
            if any(name == "switch_language" for name, _ in self._commands):
                self._commands = deque(each for each in self._commands if each[0] != "switch_language")
                await self.refuse(Refusal("switch_language_in_progress", "a switch goes on", "second_switch"))
            if self._service.settings.variants.failing_sentence and 0 < at == len(answer) - 2:
                failed: Sentence = self._script.sentences[at - 1]
                await self._wire.error("translation_failed", "provider", "fatal", failed.number)
            else:
                await self._wire.event(event)


def started(session: Session, message: str, *, without_task_id: bool) -> Data:
    """`session_started`."""
    course: Course = session.course
    event: Data = {
        "action": "session_started",
        "session_id": f"session-{session.number}",
        "task_id": session.task_id,
        "recording_id": session.task_id,
        "recording_type": course.kind,
        "recognition_mode": "multi_speaker" if course.is_multi_speaker else "single",
        "message": message,
    }
    if without_task_id:
        del event["task_id"]
    if course.kind == "broadcast":
        event |= {"phase": course.phase, "viewer_count": 0, "queue_count": 0, "peak_viewers": 0, "total_viewers": 0}
    return event


async def quietly(job: Callable[[], Awaitable[None]]) -> None:
    """Run a helper whose connection may go away under it; the reader sees that too."""
    try:
        await job()
    except ConnectionClosed:
        return
