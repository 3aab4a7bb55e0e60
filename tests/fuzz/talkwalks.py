"""Targets: the machines of a conversation: turn, back-off, speech, timeline."""

from collections.abc import Sequence
from typing import Any

from satellite.core.audio import RATE_HZ
from satellite.core.backoff import Backoff
from satellite.core.speech import MAX_PASSAGES, SpeechCursor
from satellite.core.timeline import Timeline
from satellite.core.turn import CutPlayback, Release, StartPlayback, Suppress, TurnPolicy, TurnSettings
from satellite.errors import ErrorCategory
from tests.fuzz.target import hold, number_of
from tests.fuzz.walks import scripts, walk_target

WALL_S = 1_700_000_000.0


class TurnWalk:
    """Suppress and release take turns, playback starts only where it may, and silence ends in listening."""

    def __init__(self, wishes: dict[str, Any]) -> None:
        self.label = "silent"
        self._is_consecutive = wishes.get("duplex") != "simultaneous"
        duplex = "consecutive" if self._is_consecutive else "simultaneous"
        tail_s = number_of(wishes.get("tail_s"), 2)
        self._turn = TurnPolicy(TurnSettings(duplex, tail_s, barge_in=bool(wishes.get("barge_in"))))  # type: ignore[arg-type]  # a literal, either
        self._now = 0.0
        self._is_suppressed = self._is_open = self._is_muted = False

    def step(self, name: str, arguments: Sequence[Any]) -> None:
        turn, now = self._turn, self._now
        match name:
            case "waits":
                turn.speech_waiting(now)
            case "gone":
                turn.speech_gone(now)
            case "started" if not self._is_suppressed and not self._is_muted:
                self._is_open = True
                turn.utterance_started(now)
            case "ended":
                self._is_open = False
                turn.utterance_ended(now)
            case "heard":
                turn.playback_started(now)
            case "drained":
                turn.playback_drained(now)
            case "muted":
                self._is_muted, self._is_open = True, False
                turn.muted(now)
            case "unmuted":
                self._is_muted = False
                turn.unmuted(now)
            case "tick":
                self._now += number_of(arguments[0], 20)
                self._pass_deadlines()
        self._act()

    def end(self) -> None:
        self.step("unmuted", ())
        self.step("ended", ())
        for _ in range(3):
            self.step("drained", ())
            self.step("tick", (20,))
        hold(not self._is_suppressed, "in the end the microphone is heard")

    def _pass_deadlines(self) -> None:
        for _ in range(5):
            due_at = self._turn.next_deadline()
            if due_at is None or due_at > self._now:
                return
            self._turn.deadline_reached(self._now)
        hold(False, "the floor does not spin")

    def _act(self) -> None:
        for action in self._turn.actions():
            match action:
                case Suppress():
                    hold(self._is_consecutive and not self._is_suppressed, "suppressed once, in consecutive duplex")
                    self._is_suppressed, self._is_open = True, False
                case Release():
                    hold(self._is_suppressed, "only what is suppressed is released")
                    self._is_suppressed = False
                case StartPlayback():
                    hold(not (self._is_consecutive and self._is_open), "nobody is interrupted")
                    self.label = "started"
                case CutPlayback():
                    hold(not self._is_consecutive, "barge-in needs simultaneous duplex")
                    self.label = "cut"


class BackoffWalk:
    """Waits are within their bounds, and no shorter than the service wishes."""

    def __init__(self, wishes: dict[str, Any]) -> None:
        self.label = "waits"
        dice = number_of(wishes.get("dice"), 0.999_999)
        self._backoff = Backoff(lambda: dice)
        self._now = 0.0

    def step(self, name: str, arguments: Sequence[Any]) -> None:
        match name:
            case "connected":
                self._backoff.connected(self._now)
            case "tick":
                self._now += number_of(arguments[0], 200)
            case "lost":
                categories = list(ErrorCategory)
                category = categories[int(number_of(arguments[0], len(categories) - 1))]
                wish = None if arguments[1] is None else number_of(arguments[1], 1e9)
                wait = self._backoff.lost(category, self._now, wish)
                hold(0 < wait.delay_s <= 3_600, "a wait is within its bounds")
                hold(wait.parked or wait.delay_s >= min(wish or 0, 3_600), "the service's wish is kept")
                self.label = "parked" if wait.parked else self.label

    def end(self) -> None:
        """Nothing is kept for later."""


class SpeechWalk:
    """Speech belongs to an utterance whose text waits, and what waits is bounded."""

    def __init__(self, _wishes: dict[str, Any]) -> None:
        self.label = "nobody"
        self._cursor = SpeechCursor()
        self._begun = 0

    def step(self, name: str, arguments: Sequence[Any]) -> None:
        text = arguments[0] if isinstance(arguments[0], str) else ""
        match name:
            case "concluded":
                self._begun += 1
                self._cursor.concluded(f"u{self._begun}", text)
            case "spoken":
                waiting = [f"u{each}" for each in range(1, self._begun + 1) if self._cursor.owes(f"u{each}")]
                owner = self._cursor.spoken(text)
                hold(owner is None or owner in waiting, "speech belongs to text that waited for it")
                hold((owner is None) == (not waiting), "text that waits is spoken first")
                self.label = "somebody" if owner is not None else self.label
        hold(sum(self._cursor.owes(f"u{each}") for each in range(self._begun + 1)) <= MAX_PASSAGES, "the bound holds")

    def end(self) -> None:
        """Nothing is kept for later."""


class TimelineWalk:
    """Whatever the service claims lies inside the audio that was sent."""

    def __init__(self, wishes: dict[str, Any]) -> None:
        self.label = "nowhere"
        self._timeline = Timeline(max_runs=1 + int(number_of(wishes.get("runs"), 20)))
        self._wall_s = WALL_S
        self._first_s: float | None = None
        self._utterance = 0
        self._has_retracted = False

    def step(self, name: str, arguments: Sequence[Any]) -> None:
        timeline = self._timeline
        match name:
            case "sent":
                self._send(int(number_of(arguments[0], 50_000)), number_of(arguments[1], 30))
            case "silence":
                timeline.silence(int(number_of(arguments[0], 50_000)))
            case "next":
                self._utterance += 1
            case "reconnected":
                timeline.reconnected()
            case "retracted":
                timeline.retracted(number_of(arguments[0], 50_000))
                self._has_retracted = True
            case "unheard":
                behind = timeline.unheard()
                hold(all(samples > 0 for samples in behind.values()), "what is behind the text is something")
            case "observe":
                end = arguments[1]
                end_ms = None if end is None else number_of(end, 2**53)
                timeline.observe(str(arguments[2])[:4], number_of(arguments[0], 2**53), end_ms)
            case "span":
                self._span(number_of(arguments[0], 2**53), number_of(arguments[1], 2**53))

    def end(self) -> None:
        self._span(0.0, 2.0**53)

    def _send(self, samples: int, pause_s: float) -> None:
        self._wall_s += pause_s
        self._first_s = self._wall_s if self._first_s is None and samples else self._first_s
        self._timeline.sent(samples, self._wall_s, f"u{self._utterance}")
        self._wall_s += samples / RATE_HZ

    def _span(self, start_ms: float, end_ms: float) -> None:
        start_s, end_s, utterance_id = self._timeline.span(start_ms, end_ms)
        hold(start_s <= end_s, "no span ends before it begins")
        if not self._has_retracted:
            hold((utterance_id is None) == (self._first_s is None), "what was sent has an utterance")
        if self._first_s is not None and utterance_id is not None:
            self.label = "somewhere"
            hold(self._first_s - 0.1 <= start_s <= end_s <= self._wall_s + 0.1, "a span lies inside the audio")


_TURN = scripts(
    [{"tail_s": 0.3}, ["started"], ["waits"], ["ended"], ["heard"], ["tick", 1], ["drained"], ["tick", 1], ["started"]],
    [{"duplex": "simultaneous", "barge_in": True}, ["waits"], ["heard"], ["started"], ["drained"], ["gone"], ["ended"]],
    [
        {"tail_s": 2},
        ["waits"],
        ["muted"],
        ["tick", 20],
        ["heard"],
        ["unmuted"],
        ["drained"],
        ["waits"],
        ["gone"],
        ["tick", 3],
    ],
)
_BACKOFF = scripts(
    [
        {"dice": 0.5},
        ["connected"],
        ["tick", 1],
        ["lost", 0],
        ["connected"],
        ["tick", 100],
        ["lost", 1],
        ["lost", 2, 30],
    ],
    [{"dice": 0}, ["lost", 3], ["lost", 4], ["lost", 5, 1e9], ["lost", 6], ["lost", 2, 1e9]],
)
_SPEECH = scripts(
    [
        {},
        ["concluded", "Guten Morgen."],
        ["spoken", "Guten"],
        ["spoken", " Morgen."],
        ["spoken", "Ja"],
        ["concluded", "Ja."],
    ],
    [{}, ["concluded", "Eins."], ["concluded", "Zwei."], ["concluded", ""], ["spoken", "Zwei."], ["spoken", ""]],
)
_TIMELINE = scripts(
    [
        {},
        ["sent", 16000],
        ["silence", 1600],
        ["next"],
        ["sent", 8000, 4],
        ["span", 100, 900],
        ["observe", 0, 900, "de"],
    ],
    [
        {"runs": 2},
        ["sent", 99],
        ["next"],
        ["sent", 99, 9],
        ["unheard"],
        ["retracted", 60],
        ["reconnected"],
        ["observe", 3, 5, "x"],
        ["sent", 50],
        ["span", 0, 9],
    ],
)

TARGETS = (
    walk_target("core.turn", TurnWalk, _TURN, 4),
    walk_target("core.backoff", BackoffWalk, _BACKOFF, 3),
    walk_target("core.speech", SpeechWalk, _SPEECH, 3),
    walk_target("core.timeline", TimelineWalk, _TIMELINE, 4),
)
