"""The commands of one client: their distances, and what they do to the task (reference §7, §9, §10.3, §15)."""

import enum
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from satellite.emulator.palabra.book import Session
from satellite.emulator.palabra.pace import PaceRule
from satellite.emulator.palabra.schema import Refusal, Task, check_task
from satellite.emulator.palabra.service import Service

SLACK_S = 0.03
"""An arrival is not a departure."""
MAX_SAY_CHARACTERS = 2048
COMMANDS = {
    "set_task": "task",
    "get_task": "task",
    "pause_task": "stop",
    "end_task": "stop",
    "tts_task": "say",
    "flush_task": "flush",
    "interrupt_task": "flush",
}


class State(enum.Enum):
    """Whether the task works and is billed."""

    NONE = "none"
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    ENDING = "ending"


@dataclass(frozen=True, slots=True)
class Say:
    """Text to be spoken in a language."""

    language: str
    text: str


class Desk:
    """Judges commands and keeps the task's state; `replies` are sent by whoever has the connection."""

    def __init__(self, service: Service, session: Session, transport: str, pace: PaceRule) -> None:
        self._service = service
        self._session = session
        self._transport = transport
        self._pace = pace
        self._last: dict[str, float] = {}
        self._says: deque[float] = deque(maxlen=1000)
        self._ready_s = 0.0
        self._ran_since_s = 0.0
        self._payload: dict[str, Any] = {}
        self.state = State.NONE
        self.task: Task | None = None
        self.is_cancelled = False
        """True when what is being said is to be dropped; whoever does so sets it back."""
        self.is_forced = False
        self.eos_timeout_s = 0.0
        self.wishes: deque[Say] = deque()
        self.replies: deque[dict[str, Any]] = deque()

    @property
    def is_running(self) -> bool:
        """True when audio is taken."""
        self._tick()
        return self.state is State.RUNNING

    def command(self, kind: str, data: Mapping[str, Any], now: float) -> None:
        """One command."""
        self._tick()
        if self._is_too_soon(kind, now):
            return
        if self.state is State.ENDING:
            self._record("command_after_end", f"{kind} after end_task")
            return
        handle = {
            "set_task": self._set,
            "get_task": self._get,
            "pause_task": self._pause,
            "end_task": self._end,
            "tts_task": self._say,
            "flush_task": self._flush,
            "interrupt_task": self._flush,
        }[kind]
        if kind == "flush_task" and self._service.settings.variants.interrupt_only:
            self._complain("VALIDATION_ERROR", "unknown message type")
        else:
            handle(data, now)

    def over(self) -> None:
        """The connection is gone: nothing is billed any more."""
        self._tick()
        if self.state in (State.RUNNING, State.ENDING):
            self._stop_billing()

    # ---- commands

    def _set(self, data: Mapping[str, Any], now: float) -> None:
        checked = check_task(data)
        if isinstance(checked, Refusal):
            self._record("bad_task", f"{'.'.join(checked.loc)}: {checked.msg}")
            self._refuse(checked.loc, checked.msg)
            return
        if checked.transport != self._transport:
            self._record("wrong_transport", f"a {checked.transport} task over {self._transport}")
            self._refuse(("input_stream", "source", "type"), "does not match the transport")
            return
        self.task = checked
        self._payload = dict(data)
        self._session.tasks.append(self._payload)
        if self.state is not State.RUNNING:
            self.state = State.STARTING
            self._ready_s = now + self._service.settings.limits.ready_s
        for voice in checked.voices:
            if voice not in ("default_low", "default_high"):
                self.replies.append(
                    {"message_type": "warning", "data": {"code": "VOICE_NOT_FOUND", "message": f"no voice {voice}"}}
                )

    def _get(self, data: Mapping[str, Any], _: float) -> None:
        if data.keys() - {"exclude_hidden"}:
            self._record("bad_command", "get_task takes exclude_hidden only")
        if self.state in (State.NONE, State.STARTING):
            self._complain("NOT_FOUND", "no active task")
        else:
            body = {**self._payload, "task_status": "paused" if self.state is State.PAUSED else "running"}
            self.replies.append({"message_type": "current_task", "data": body})

    def _pause(self, data: Mapping[str, Any], _: float) -> None:
        if data:
            self._record("bad_command", "pause_task takes nothing")
        if self.state is not State.RUNNING:
            self._record("pause_without_task", f"pause_task while {self.state.value}")
        elif not self._service.settings.variants.deaf_to_pause:
            self._stop_billing()
            self.state = State.PAUSED

    def _end(self, data: Mapping[str, Any], _: float) -> None:
        timeout = data.get("eos_timeout", 1)
        if data.keys() - {"eos_timeout", "force"} or not isinstance(timeout, int) or not 1 <= timeout <= 30:
            self._record("bad_command", "end_task takes eos_timeout, 1 to 30, and force")
        if self.state is State.RUNNING:
            self.eos_timeout_s = float(timeout)
        elif self.state is not State.ENDING:
            self._ran_since_s = self._service.clock()
        self.is_forced = data.get("force") is True
        self.state = State.ENDING

    def _say(self, data: Mapping[str, Any], now: float) -> None:
        text, language = data.get("text"), data.get("language")
        if not isinstance(text, str) or len(text) > MAX_SAY_CHARACTERS or not isinstance(language, str):
            self._refuse(("text",), "a text of at most 2048 characters and its language are required")
            return
        targets = () if self.task is None else self.task.target_languages
        if self.state is not State.RUNNING:
            self._complain("NOT_FOUND", "no active task")
        elif data.get("translate_text") is True:
            self.wishes.extend(Say(target, f"[{target}] {text}") for target in targets)
        elif language not in targets:
            self._refuse(("language",), "is no target language of the task")
        else:
            self.wishes.append(Say(language, text))
        self._says.append(now)

    def _flush(self, data: Mapping[str, Any], _: float) -> None:
        languages = data.get("languages")
        if not isinstance(languages, list) or not languages or data.keys() - {"languages", "pause_task"}:
            self._record("bad_command", "flush_task takes languages and pause_task")
            self._refuse(("languages",), "a list of codes or global is required")
        else:
            self.is_cancelled = True

    # ---- inside

    def _tick(self) -> None:
        """A task starts when its time has come."""
        if self.state is State.STARTING and self._service.clock() >= self._ready_s:
            self.state = State.RUNNING
            self._ran_since_s = self._service.clock()
            self._pace.begin(self._ran_since_s)

    def _stop_billing(self) -> None:
        self._session.running_s += self._service.clock() - self._ran_since_s

    def _is_too_soon(self, kind: str, now: float) -> bool:
        """True for a command that comes too early after one of its group; it is answered, and not carried out."""
        limits, group = self._service.settings.limits, COMMANDS[kind]
        gap_s = {"task": limits.task_gap_s, "stop": limits.stop_gap_s}.get(group, 0.0)
        last = self._last.get(group, float("-inf"))
        self._last[group] = now
        recent = sum(now - at < 60 for at in self._says) if group == "say" else 0
        if now - last >= gap_s - SLACK_S and recent < limits.says_per_minute:
            return False
        self._record("commands_too_close", f"{kind} {now - last:.2f} s after one of its kind")
        self._complain("RATE_LIMIT", "too many commands")
        return True

    def _refuse(self, loc: tuple[str, ...], msg: str) -> None:
        """A validation error as the service writes it: a list of objects, or that as text."""
        self._complain("VALIDATION_ERROR", json.dumps([{"loc": list(loc), "msg": msg}]).replace('"', "'"))

    def _complain(self, code: str, text: str) -> None:
        self.replies.append({"message_type": "error", "data": {"code": code, "desc": text, "param": None}})

    def _record(self, rule: str, detail: str) -> None:
        self._service.ledger.record(rule, detail, self._session.number)
