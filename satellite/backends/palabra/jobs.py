"""Jobs: what users ask of a running task: to say something, and to be silent (reference §7, §12).

Nothing acknowledges these commands, so one that draws no error within a moment was taken. One is under way at a time.
"""

from collections import deque
from dataclasses import dataclass
from typing import Annotated, Any, cast

from msgspec import Meta

from satellite.backends.base import RuntimeAction
from satellite.backends.lifecycle import Lifecycle
from satellite.backends.palabra.commands import Commands
from satellite.backends.palabra.languages import wire_source, wire_target
from satellite.backends.palabra.messages import ServiceError
from satellite.core.events import ActionAnswered
from satellite.core.section import Section

TAKEN_S = 2.0
"""Without an error for this long a command was taken."""
MAX_WAITING = 32
SAY = "tts_task"
CANCEL = "flush_task"
CANCEL_ANEW = "interrupt_task"
"""The newer name of the same command: which of the two a server takes is not said anywhere, so the other is tried."""


class Say(Section, frozen=True):
    """Text to be spoken into the stream."""

    text: Annotated[str, Meta(max_length=2048, description="What to say.")]
    language: Annotated[
        Annotated[str, Meta(max_length=35)] | None,
        Meta(description="Its language; null: the spoken one, or the source's with translate_text."),
    ] = None
    translate_text: Annotated[bool, Meta(description="Translate it first, and speak every target language.")] = False


class Cancel(Section, frozen=True):
    """Speech, and the sentence in progress, to be dropped."""

    languages: Annotated[tuple[str, ...], Meta(max_length=16, description="Target languages; empty: all of them.")] = ()


ACTIONS = {SAY: RuntimeAction(Say), CANCEL: RuntimeAction(Cancel)}


@dataclass(slots=True)
class _Job:
    """One request, and the command that carries it out."""

    action: str
    command: str
    data: dict[str, Any]


class Jobs:
    """Carries requests out one after the other, and answers each once."""

    def __init__(self, life: Lifecycle, commands: Commands, source_language: str, speech_language: str | None) -> None:
        self._life = life
        self._commands = commands
        self._source = source_language
        self._spoken = speech_language
        self._waiting: deque[_Job] = deque()
        self._under_way: _Job | None = None
        self._taken_at = 0.0

    @property
    def wants_task(self) -> bool:
        """True while something waits for which the task must run."""
        return bool(self._waiting)

    @property
    def is_idle(self) -> bool:
        """True when nothing is asked for."""
        return not self._waiting and self._under_way is None

    @property
    def deadline(self) -> float | None:
        """When the command under way was taken; None when there is none."""
        return self._taken_at if self._under_way is not None else None

    @property
    def ready_at(self) -> float:
        """When the next command may leave; infinite when there is none, or one is under way."""
        if self._under_way is not None or not self._waiting:
            return float("inf")
        return self._commands.ready_at(self._waiting[0].command)

    def ask(self, arguments: Section) -> None:
        """Something is wanted; what cannot be is answered at once."""
        if isinstance(arguments, Say):
            self._ask_to_say(arguments)
        elif isinstance(arguments, Cancel):
            languages = [wire_target(language) for language in arguments.languages] or ["global"]
            self._put(_Job(CANCEL, CANCEL, {"languages": languages, "pause_task": False}))

    def step(self, now: float) -> bool:
        """Send the next command; True when it cancels what is being said."""
        job = self._under_way = self._waiting.popleft()
        self._send(job, now)
        return job.action == CANCEL

    def deadline_reached(self, now: float) -> None:
        """Without a complaint, the command under way was carried out."""
        if self._under_way is not None and now >= self._taken_at:
            self._answer(None)

    def refused(self, error: ServiceError, now: float) -> bool:
        """An error came; True when it is about the command under way."""
        job = self._under_way
        if job is None:
            return False
        if job.command == CANCEL:
            job.command = CANCEL_ANEW
            self._send(job, now)
        else:
            said = f"{error.code} {error.text}".strip()
            self._answer(f"the service refused it{': ' if said else ''}{said}")
        return True

    def over(self, reason: str) -> None:
        """The session ends: nothing more is carried out."""
        if self._under_way is not None:
            self._answer(reason)
        while self._waiting:
            self._life.report(ActionAnswered(self._waiting.popleft().action, reason=reason))

    def _ask_to_say(self, wish: Say) -> None:
        usual = self._source if wish.translate_text else self._spoken
        language = wish.language or usual
        if self._spoken is None:
            self._life.report(ActionAnswered(SAY, reason="nothing is spoken: voice.speech_language is null"))
        elif not wish.text.strip():
            self._life.report(ActionAnswered(SAY, reason="text: must not be empty"))
        elif language is None or language == "auto":
            self._life.report(ActionAnswered(SAY, reason="language: name the language of the text"))
        else:
            wire = wire_source(language) if wish.translate_text else wire_target(language)
            data = {"text": wish.text, "language": wire, "translate_text": wish.translate_text}
            self._put(_Job(SAY, SAY, data))

    def _put(self, job: _Job) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self._life.report(ActionAnswered(job.action, reason="too many requests wait"))
        else:
            self._waiting.append(job)

    def _send(self, job: _Job, now: float) -> None:
        self._taken_at = now + TAKEN_S
        self._life.act(self._commands.take(job.command, job.data, now))

    def _answer(self, reason: str | None) -> None:
        job, self._under_way = cast("_Job", self._under_way), None  # whoever answers has looked
        result = {} if reason is not None else {"command": job.command}
        self._life.report(ActionAnswered(job.action, result, reason))
