"""Commands of a running session, one after another (Vurbo reference §3B, §7)."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from satellite.emulator.conversation import Conversation
from satellite.emulator.vurbo.control import Answer, Control
from satellite.emulator.vurbo.intake import Intake
from satellite.emulator.vurbo.line import Wire
from satellite.emulator.vurbo.schema import Refusal, words
from satellite.emulator.vurbo.script import Data, Script, Sentence
from satellite.emulator.vurbo.service import Service, Session
from satellite.emulator.vurbo.texts import status_text
from satellite.emulator.vurbo.turns import Turns

STATUS_ANSWERED = words("pause resume stop set_name tts_stop start_speaking broadcast_announcement set_standby_message")
POLL_S = 0.005


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What commands act on; `speak` is given sid and language of what is to be spoken."""

    service: Service
    session: Session
    wire: Wire
    script: Script
    conversation: Conversation
    intake: Intake
    speak: Callable[[int, str], None]


class Desk:
    """Takes commands, and carries them out in order."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._course = around.session.course
        is_chinese = around.service.settings.variants.chinese_messages
        self._control = Control(around.session, around.script, around.speak, is_chinese=is_chinese)
        self._turns = Turns(around.session, around.script, is_chinese=is_chinese)
        self._commands: deque[tuple[str, dict[str, Any]]] = deque()
        self._has_command = asyncio.Event()
        self._in_hand: str | None = None

    def command(self, action: str, data: dict[str, Any]) -> None:
        """Queue a command; two that are answered by the same `status` must not be under way at once."""
        pending = [*([self._in_hand] if self._in_hand else []), *(name for name, _ in self._commands)]
        if action in STATUS_ANSWERED and STATUS_ANSWERED.intersection(pending):
            self._record("two_commands_in_flight", f"{action} while {pending[0]} is not answered")
        if action == "stop_speaking":
            self._course.is_ending_speech = self._course.speaking is not None
        counted = self._around.service.commands
        counted[action] = counted.get(action, 0) + 1
        self._commands.append((action, data))
        self._has_command.set()

    async def obey(self) -> None:
        """One command after another, each answered a moment after it came."""
        while True:
            while not self._commands:
                self._has_command.clear()
                await self._has_command.wait()
            self._in_hand, data = self._commands.popleft()
            await asyncio.sleep(self._around.service.settings.limits.reply_s)
            await self._carry_out(self._in_hand, data)
            self._in_hand = None

    async def refuse(self, refusal: Refusal) -> None:
        """An error that is not about one sentence."""
        if refusal.rule is not None:
            self._record(refusal.rule, refusal.detail)
        await self._around.wire.error(refusal.code, refusal.detail)

    def _record(self, rule: str, detail: str) -> None:
        self._around.service.ledger.record(rule, detail, self._around.session.number)

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
            self._around.intake.resume()

    async def _answer(self, action: str, data: dict[str, Any]) -> Answer:
        if self._control.handles(action):
            return self._control.answer(action, data)
        if action == "switch_conversation_mode":
            await self._understood()
        if self._turns.handles(action):
            return self._turns.answer(action, data)
        return Refusal("invalid_action", f"no action {action}", "unknown_action")

    async def _answered(self, answer: Answer) -> None:
        if isinstance(answer, Refusal):
            await self.refuse(answer)
            return
        for event in answer:
            await self._around.wire.event(event)

    async def _stop(self) -> None:
        variants = self._around.service.settings.variants
        message = status_text("stop", is_chinese=variants.chinese_messages)
        await self._around.wire.event({"action": "status", "message": message})
        self._around.conversation.listen(None, self._around.service.clock())

    async def _stop_speaking(self) -> None:
        refusal = self._turns.stop_speaking_refusal()
        if refusal is not None:
            await self.refuse(refusal)
            return
        await self._understood()
        ended = self._around.script.end_speech()
        self._course.speaking, self._course.is_ending_speech = None, False
        if ended is None:
            return
        sentence, message = ended
        await self._tell(sentence, message)
        if self._course.tts_mode == "sync":
            for code in filter(self._course.is_spoken, sentence.translations):
                self._around.speak(sentence.number, code)

    async def _tell(self, sentence: Sentence, message: Data) -> None:
        self._around.session.concluded.append({"sid": sentence.number, "text": sentence.text})
        await self._around.wire.event(message)

    async def _understood(self) -> None:
        """Wait until all audio that came was recognised."""
        around = self._around
        while around.conversation.stream_ms < around.intake.heard_ms - 1:  # noqa: ASYNC110 - what is slept is bounded
            await asyncio.sleep(POLL_S)

    async def _switch_language(self, data: dict[str, Any]) -> None:
        answer = self._turns.switch_language(data)
        if isinstance(answer, Refusal):
            await self.refuse(answer)
            return
        settings = self._around.service.settings
        for at, event in enumerate(answer):
            await asyncio.sleep(settings.limits.reply_s)
            if any(name == "switch_language" for name, _ in self._commands):
                self._commands = deque(each for each in self._commands if each[0] != "switch_language")
                await self.refuse(Refusal("switch_language_in_progress", "a switch goes on", "second_switch"))
            if settings.variants.failing_sentence and 0 < at == len(answer) - 2:
                failed = self._around.script.sentences[at - 1]
                await self._around.wire.error("translation_failed", "provider", "fatal", failed.number)
            else:
                await self._around.wire.event(event)
