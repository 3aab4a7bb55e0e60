"""A running session of the emulated Vurbo service: recognition, text, speech, and the end (reference §5, §8)."""

import asyncio
from collections.abc import Awaitable, Callable

from websockets.exceptions import ConnectionClosed

from satellite.emulator.conversation import Conversation
from satellite.emulator.report import Spoken
from satellite.emulator.vurbo.desk import Desk, Surroundings
from satellite.emulator.vurbo.intake import Intake
from satellite.emulator.vurbo.line import Wire
from satellite.emulator.vurbo.schema import Course
from satellite.emulator.vurbo.script import Data, Script
from satellite.emulator.vurbo.service import Service, Session
from satellite.emulator.vurbo.tts import WAV, encode, ready


class Stage:
    """What goes on between `start` and `task_complete`; `jobs` run until the connection ends."""

    def __init__(self, service: Service, session: Session, wire: Wire) -> None:
        self._service = service
        self._session = session
        self._wire = wire
        course = session.course
        recogniser = service.truth.recogniser(service.settings, exact=course.audio_format == "pcm")
        settings = service.settings
        self._script = Script(course, service.truth.language, settings.variants, settings.seed, self._elapsed_ms)
        self._conversation = Conversation(recogniser, self._script)
        self.intake = Intake(service, session, self._conversation)
        self.desk = Desk(
            Surroundings(service, session, wire, self._script, self._conversation, self.intake, self._speak_later)
        )
        self.withhold_end: Callable[[], Awaitable[bool]] | None = None

    @property
    def jobs(self) -> tuple[Callable[[], Awaitable[None]], ...]:
        """What runs beside one another."""
        return self._understand, self._write, self._speak, self.desk.obey

    def _elapsed_ms(self) -> float:
        return (self._service.clock() - self._session.started_s) * 1000

    async def _understand(self) -> None:
        while True:
            for resent in await self._conversation.understand():
                detail = f"{resent.duration_ms} ms at {resent.stream_ms} ms were sent before"
                self._service.ledger.record("audio_resent", detail, self._session.number)

    async def _write(self) -> None:
        while (message := await self._conversation.next_message()) is not None:
            is_early = self._service.settings.variants.early_task_complete and self._session.stopped_s is not None
            if is_early and not self._session.is_complete:
                await self._upload()
            await self._tell(message)
        if not self._session.is_complete:
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
        self._session.is_complete = True
        await self._wire.event({"action": "task_complete", "task_id": self._session.task_id})
        if self._session.course.has_summary:
            await self._wire.event({"action": "summary_done", "task_id": self._session.task_id})

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
