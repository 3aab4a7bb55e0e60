"""Commander: one control command in flight, the others in order behind it (reference §7).

Neither request nor reply carries a number, and eight actions share one reply, so which command an answer is about can
only be told while there is just one. Audio and heartbeat go past this queue.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from satellite.backends.vurbo.failures import RULES, Then, meaning_of
from satellite.backends.vurbo.messages import ServiceError

MAX_QUEUED = 32
REPLY_S = 10.0
LONGEST_S = 120.0
"""However often a command is said to go on."""
MAX_RESULT_ENTRIES = 200
MAX_RESULT_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Expected:
    """What a command is answered with."""

    replies: frozenset[str]
    timeout_s: float = REPLY_S
    is_silence_consent: bool = False
    """No answer in time is as good as a yes."""
    holds_audio: bool = False
    """No audio goes out until it is answered."""
    progress: frozenset[str] = frozenset()
    """What shows that the service is at work on it."""


def _reply(*names: str, timeout_s: float = REPLY_S, consent: bool = False, holds_audio: bool = False) -> Expected:
    return Expected(frozenset(names), timeout_s, consent, holds_audio)


EXPECTED: Mapping[str, Expected] = {
    "start": _reply("session_started", timeout_s=20.0, holds_audio=True),
    "stop": _reply("status", "task_complete", consent=True, holds_audio=True),
    "config": _reply("config_updated", holds_audio=True),
    "pause": _reply("status", holds_audio=True),
    "resume": _reply("status", holds_audio=True),
    "set_name": _reply("status"),
    "switch_language": Expected(
        frozenset({"language_switch_done", "language_switched"}),
        progress=frozenset({"language_switch_start", "batch_retranslation"}),
    ),
    "start_speaking": _reply("status", holds_audio=True),
    # a speech in which nothing was recognised may be answered by nothing at all (§3B.6)
    "stop_speaking": _reply("result", consent=True, holds_audio=True),
    "switch_conversation_mode": _reply("conversation_mode_changed", holds_audio=True),
    # the recogniser is rebuilt: what it was sent meanwhile would be lost
    "set_speaker_language": _reply("speaker_language_changed", timeout_s=20.0, holds_audio=True),
    "tts_play": _reply("tts_ready", "tts_error", timeout_s=3.0, consent=True),
    "tts_stop": _reply("status"),
    "tts_mode": _reply("tts_mode_changed"),
    "set_tts": _reply("tts_updated"),
    "rename_speaker": _reply("speaker_renamed"),
    "reassign_speaker": _reply("speaker_reassigned"),
    "merge_speakers": _reply("speakers_merged"),
    "retranslate": _reply("translation"),
    "broadcast_go_live": _reply("broadcast_phase_changed", "status"),
    "broadcast_announcement": _reply("status"),
    "set_standby_message": _reply("status"),
}
"""By action; the times are those that the reference advises."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a command; `reason` says why it was not carried out, `code` is the service's, if it gave one."""

    result: Mapping[str, object] = field(default_factory=dict)
    reason: str | None = None
    code: str | None = None


Done = Callable[[Outcome, float], None]


@dataclass(frozen=True, slots=True)
class Command:
    """Something to be asked for; `sid` is the sentence that its answer must be about."""

    action: str
    fields: Mapping[str, object]
    done: Done
    sid: int | None = None


@dataclass(slots=True)
class _Flight:
    command: Command
    deadline: float
    last_at: float


class Commander:
    """Sends commands one by one and finds out what became of each. Every wait is bounded."""

    def __init__(self, send: Callable[[Command, float], None]) -> None:
        self._send = send
        self._urgent: deque[Command] = deque()
        self._queued: deque[Command] = deque()
        self._flight: _Flight | None = None
        self._is_open = False

    @property
    def is_busy(self) -> bool:
        """True while a command waits to be sent or answered."""
        return self._flight is not None or bool(self._urgent or self._queued)

    @property
    def holds_audio(self) -> bool:
        """True while a command is under way, or about to be, during which no audio may go out."""
        under_way = [] if self._flight is None else [self._flight.command]
        waiting = [*under_way, *self._urgent, *self._queued]
        return any(EXPECTED[command.action].holds_audio for command in waiting)

    @property
    def deadline(self) -> float | None:
        """When an answer is given up."""
        return None if self._flight is None else self._flight.deadline

    def open(self, now: float) -> None:
        """There is a connection: what waits may go."""
        self._is_open = True
        self._next(now)

    def ask(self, command: Command, now: float) -> bool:
        """Send it, or queue it; False when too many wait."""
        if len(self._queued) >= MAX_QUEUED:
            return False
        self._queued.append(command)
        self._next(now)
        return True

    def insist(self, command: Command, now: float) -> None:
        """A command of our own, without which audio or the end has to wait: it goes before those of users."""
        self._urgent.append(command)
        self._next(now)

    def replied(self, name: str, data: Mapping[str, object], now: float, sid: int | None = None) -> bool:
        """Something came that may be an answer; True when it is."""
        flight = self._flight
        if flight is None:
            return False
        expected = EXPECTED[flight.command.action]
        if name in expected.progress:
            flight.deadline = min(flight.last_at, now + expected.timeout_s)
            return True
        if name not in expected.replies or flight.command.sid not in (None, sid):
            return False
        reason = "the speech could not be made" if name == "tts_error" else None
        self._finish(flight, Outcome(told(data), reason), now)
        return True

    def refused(self, error: ServiceError, now: float) -> bool:
        """An error came; True when it is the answer.

        A code is told by the table which commands it can answer; an unknown one is, without a sentence it is about.
        """
        flight = self._flight
        rule = RULES.get(error.code)
        if flight is None or (rule is None and error.severity == "warning"):
            return False
        is_answer = error.sid is None if rule is None else flight.command.action in rule.commands
        if is_answer:
            is_as_asked = rule is not None and rule.then is Then.IGNORE
            reason = None if is_as_asked else meaning_of(error.code)
            self._finish(
                flight, Outcome({"note": meaning_of(error.code)} if is_as_asked else {}, reason, error.code), now
            )
        return is_answer

    def deadline_reached(self, now: float) -> None:
        """Give the answer up when it is time."""
        flight = self._flight
        if flight is None or now < flight.deadline:
            return
        if EXPECTED[flight.command.action].is_silence_consent:
            self._finish(flight, Outcome(), now)
        else:
            self._finish(flight, Outcome(reason="the service did not answer in time"), now)

    def _next(self, now: float) -> None:
        waiting = self._urgent or self._queued
        if not self._is_open or self._flight is not None or not waiting:
            return
        command = waiting.popleft()
        timeout_s = EXPECTED[command.action].timeout_s
        self._flight = _Flight(command, now + timeout_s, now + max(timeout_s, LONGEST_S))
        self._send(command, now)

    def _finish(self, flight: _Flight, outcome: Outcome, now: float) -> None:
        self._flight = None
        flight.command.done(outcome, now)
        self._next(now)


def told(data: Mapping[str, object]) -> dict[str, object]:
    """The fields of a reply that a user is told: plain values, and lists and maps of them, none of them endless."""
    plain = {name: _plain(value) for name, value in data.items() if name not in ("action", "message")}
    return {name: value for name, value in plain.items() if value is not None}


def _plain(value: object, depth: int = 2) -> object:
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return value[:MAX_RESULT_CHARACTERS].encode("utf-8", "replace").decode()
    if isinstance(value, list) and depth:
        return [each for item in value[:MAX_RESULT_ENTRIES] if (each := _plain(item, depth - 1)) is not None]
    if isinstance(value, dict) and depth:
        items = list(value.items())[:MAX_RESULT_ENTRIES]
        return {str(name)[:100]: each for name, item in items if (each := _plain(item, depth - 1)) is not None}
    return None
