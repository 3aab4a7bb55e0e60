"""Targets: the pure machines of the core, walked through in any order, their promises held after every step."""

import json
from array import array
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from satellite.core.audio import FRAME_SAMPLES, RATE_HZ, SAMPLE_BYTES, AudioChunk
from satellite.core.backlog import Backlog, Dropped, UtteranceEnd
from satellite.core.backoff import Backoff
from satellite.core.framing import BlockStamper, Framer
from satellite.core.gate import (
    EndReason,
    GateEvent,
    GateSettings,
    UtteranceAudio,
    UtteranceEnded,
    UtteranceStarted,
    VadGate,
)
from satellite.core.speech import MAX_PASSAGES, SpeechCursor
from satellite.core.timeline import Timeline
from satellite.core.turn import CutPlayback, Release, StartPlayback, Suppress, TurnPolicy, TurnSettings
from satellite.errors import ErrorCategory
from tests.fuzz.target import Outcome, Shape, Target, hold, number_of, steps_of

STEPS_MAX = 200
WALL_S = 1_700_000_000.0
Script = list[Any]


class Walk(Protocol):
    """A machine with its promises."""

    label: str

    def step(self, name: str, arguments: Sequence[Any]) -> None:
        """One step; what it cannot mean is left out."""

    def end(self) -> None:
        """What must hold at the end."""


def walked(make: Callable[[dict[str, Any]], Walk]) -> Callable[[bytes], Outcome]:
    """A target that walks through this machine."""

    def run(data: bytes) -> Outcome:
        wishes, steps = steps_of(data, STEPS_MAX)
        walk = make(wishes)
        for name, arguments in steps:
            walk.step(name, arguments)
        walk.end()
        return Outcome(walk.label, max(1, len(steps)))

    return run


_RAMP = array("H", range(60_000))


def pcm(samples: int, first: int) -> bytes:
    """Samples that count up, so that each can be told from its neighbours."""
    begin = first % len(_RAMP)
    return (
        (_RAMP[begin:] + _RAMP[:begin])[:samples].tobytes()
        if begin + samples > len(_RAMP)
        else _RAMP[begin : begin + samples].tobytes()
    )


class GateWalk:
    """Every sample belongs to at most one utterance, and utterances hold what was pushed, in order and whole."""

    def __init__(self, wishes: dict[str, Any]) -> None:
        self.label = "nothing"
        settings = GateSettings(
            onset_ms=number_of(wishes.get("onset_ms"), 500),
            pre_roll_ms=number_of(wishes.get("pre_roll_ms"), 500),
            hang_over_ms=number_of(wishes.get("hang_over_ms"), 500),
            max_utterance_s=max(0.1, number_of(wishes.get("max_utterance_s"), 5)),
        )
        self._max_samples = int(settings.max_utterance_s * RATE_HZ)
        self._pre_roll_samples = int((settings.pre_roll_ms + settings.onset_ms) * RATE_HZ / 1000) + 40 * FRAME_SAMPLES
        self._gate = VadGate(settings)
        self._is_open = False
        self._at = 0
        self._begun_at = 0
        self._first_frame = 0

    def step(self, name: str, arguments: Sequence[Any]) -> None:
        gate = self._gate
        match name:
            case "push":
                before = gate.position
                samples = 1 + int(number_of(arguments[0], 2 * FRAME_SAMPLES))
                for _ in range(1 + int(number_of(arguments[2], 20))):
                    self._first_frame = samples
                    self._take(gate.push(pcm(samples, gate.position), number_of(arguments[1], 1)))
                hold(gate.position > before, "positions go on")
            case "suppress":
                self._take(gate.suppress())
            case "release":
                gate.release()
            case "hold":
                self._take(gate.hold())
            case "unhold":
                self._take(gate.unhold())
            case "end":
                reasons = list(EndReason)
                self._take(gate.end(reasons[int(number_of(arguments[0], len(reasons) - 1))]))

    def end(self) -> None:
        self._take(self._gate.end(EndReason.STOPPED))
        hold(not self._gate.is_open, "a closed gate is closed")

    def _take(self, events: Sequence[GateEvent]) -> None:
        for event in events:
            match event:
                case UtteranceStarted():
                    hold(not self._is_open, "one utterance at a time")
                    hold(event.start_sample >= self._at, "no sample belongs to two utterances")
                    hold(event.start_sample <= event.onset_sample <= self._gate.position, "speech begins inside")
                    self._is_open, self._at = True, event.start_sample
                    self._begun_at = event.start_sample
                    self._hear(event.audio)
                    self.label = "spoken"
                case UtteranceAudio():
                    hold(self._is_open, "audio belongs to an utterance")
                    self._hear(event.data)
                case UtteranceEnded():
                    hold(self._is_open, "what ends has begun")
                    hold(event.end_sample == self._at, "an utterance ends behind its last sample")
                    hold(self._begun_at <= event.speech_end_sample <= event.end_sample, "speech ends inside")
                    limit = max(self._max_samples, self._pre_roll_samples) + self._first_frame
                    hold(event.end_sample - self._begun_at <= limit, "an utterance has a greatest length")
                    self._is_open = False
        hold(self._is_open == self._gate.is_open, "the gate is open as long as an utterance is")

    def _hear(self, audio: bytes) -> None:
        hold(bool(audio) and audio == pcm(len(audio) // SAMPLE_BYTES, self._at), "audio comes in order and whole")
        self._at += len(audio) // SAMPLE_BYTES


class BacklogWalk:
    """What was put in is taken out, dropped or waits; in order, within the bound, each mark once."""

    def __init__(self, wishes: dict[str, Any]) -> None:
        self.label = "kept"
        self._capacity = 1 + int(number_of(wishes.get("capacity"), 5_000))
        self._backlog = Backlog(self._capacity)
        self._utterance = 0
        self._is_speaking = False
        self._appended = self._taken = self._dropped = 0
        self._wall = 0
        self._next_out = 0
        self._marks: list[str] = []

    def step(self, name: str, arguments: Sequence[Any]) -> None:
        match name:
            case "append":
                self._append(int(number_of(arguments[0], 2_000)), int(number_of(arguments[1], 400)))
            case "end" if self._is_speaking:
                self._is_speaking = False
                self._backlog.end_utterance(f"u{self._utterance}")
            case "take":
                self._take(1 + int(number_of(arguments[0], 2_000)))
            case "discard":
                self._drop(self._backlog.discard_audio())
                hold(self._backlog.samples == 0, "what is discarded is gone")
        waiting = self._backlog.samples
        hold(self._appended == self._taken + self._dropped + waiting, "samples are conserved")
        hold(0 <= waiting <= self._capacity, "the bound holds")

    def end(self) -> None:
        while not self._backlog.is_empty:
            self._take(700)
        hold(self._appended == self._taken + self._dropped, "all that was kept comes out")

    def _append(self, samples: int, gap: int) -> None:
        if not self._is_speaking:
            self._is_speaking = True
            self._utterance += 1
        self._wall += gap
        chunk = AudioChunk(pcm(samples, self._wall), self._wall / RATE_HZ, f"u{self._utterance}")
        self._wall += samples
        self._appended += samples
        self._drop(self._backlog.append(chunk))

    def _drop(self, dropped: Sequence[Dropped]) -> None:
        self._dropped += sum(each.samples for each in dropped)
        hold(all(each.samples > 0 for each in dropped), "only what was there is dropped")
        hold(len({each.utterance_id for each in dropped}) == len(dropped), "told once for each utterance")
        if dropped:
            self.label = "dropped"

    def _take(self, most: int) -> None:
        piece = self._backlog.take(most)
        if isinstance(piece, AudioChunk):
            hold(0 < piece.samples <= most, "a piece is as long as was asked for, at most")
            first = round(piece.start_s * RATE_HZ)
            hold(first >= self._next_out, "audio comes out in order")
            hold(piece.data[:SAMPLE_BYTES] == pcm(1, first), "audio is where its time says")
            self._next_out = first + piece.samples
            self._taken += piece.samples
        elif isinstance(piece, UtteranceEnd):
            hold(piece.utterance_id not in self._marks, "an end comes once")
            self._marks.append(piece.utterance_id)


class FramingWalk:
    """Frames joined are what was pushed; stamps lie before the arrival and do not go back."""

    def __init__(self, wishes: dict[str, Any]) -> None:
        self.label = "framed"
        self._frame_samples = 1 + int(number_of(wishes.get("frame"), 500))
        self._framer = Framer(self._frame_samples)
        self._pushed = b""
        self._framed = b""
        self._stamper = BlockStamper()
        self._now = 0.0
        self._stamped_at = float("-inf")

    def step(self, name: str, arguments: Sequence[Any]) -> None:
        match name:
            case "push":
                data = bytes(int(number_of(arguments[0], 3_000))) + b"\x07"
                self._pushed += data
                frames = self._framer.push(data)
                hold(
                    all(len(frame) == self._frame_samples * SAMPLE_BYTES for frame in frames),
                    "frames are of one length",
                )
                self._framed += b"".join(frames)
                hold(self._pushed.startswith(self._framed), "frames joined are what was pushed")
                rest = len(self._pushed) - len(self._framed)
                hold(0 <= rest < self._frame_samples * SAMPLE_BYTES, "no whole frame is kept back")
            case "reset":
                self._framer.reset()
                self._pushed = self._framed = b""
            case "stamp":
                samples = 1 + int(number_of(arguments[0], 5_000))
                self._now += samples / RATE_HZ + number_of(arguments[1], 3)
                at = self._stamper.stamp(samples, self._now)
                hold(at <= self._now - samples / RATE_HZ + 1e-6, "nothing is captured after it arrived")
                hold(at >= self._stamped_at, "time does not go back")
                self._stamped_at = at
            case "gap":
                lost = int(number_of(arguments[0], 5_000))
                self._stamper.gap(lost)
                self._now += lost / RATE_HZ

    def end(self) -> None:
        """Nothing is kept for later."""


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
        position = self._timeline.locate(start_ms)
        hold(start_s <= end_s, "no span ends before it begins")
        hold((utterance_id is None) == (self._first_s is None), "what was sent has an utterance")
        if self._first_s is not None:
            self.label = "somewhere"
            hold(self._first_s - 0.1 <= start_s <= end_s <= self._wall_s + 0.1, "a span lies inside the audio")
            hold(self._first_s - 0.1 <= position.wall_s <= self._wall_s + 0.1, "a moment lies inside the audio")


def _scripts(*scripts: Script) -> Callable[[], Sequence[bytes]]:
    return lambda: [json.dumps(script).encode() for script in scripts]


_GATE = _scripts(
    [
        {"onset_ms": 60, "pre_roll_ms": 100, "hang_over_ms": 100},
        ["push", 319, 0, 9],
        ["push", 319, 1, 9],
        ["push", 319, 0, 9],
    ],
    [{"max_utterance_s": 0.3}, ["hold"], ["push", 319, 0, 19], ["unhold"], ["push", 319, 1, 5], ["end", 3]],
    [
        {"onset_ms": 100},
        ["push", 0, 1, 3],
        ["suppress"],
        ["push", 5, 1],
        ["hold"],
        ["release"],
        ["push", 400, 0, 3],
        ["suppress"],
    ],
)
_BACKLOG = _scripts(
    [
        {"capacity": 4000},
        ["append", 1600],
        ["append", 1600, 50],
        ["take", 400],
        ["end"],
        ["append", 1600],
        ["take", 2000],
    ],
    [
        {"capacity": 700},
        ["append", 500],
        ["end"],
        ["append", 500],
        ["end"],
        ["take", 0],
        ["discard"],
        ["append", 9],
        ["end"],
    ],
)
_FRAMING = _scripts(
    [{"frame": 319}, ["push", 3000], ["push", 1], ["push", 639], ["reset"], ["push", 2]],
    [{}, ["stamp", 1600, 0.01], ["stamp", 1600, 0], ["gap", 1600], ["stamp", 1600, 0.2], ["stamp", 1600, 2]],
)
_TURN = _scripts(
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
_BACKOFF = _scripts(
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
_SPEECH = _scripts(
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
_TIMELINE = _scripts(
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
        ["reconnected"],
        ["observe", 3, 5, "x"],
        ["sent", 50],
        ["span", 0, 9],
    ],
)

TARGETS = tuple(
    Target(name, Shape.JSON, walked(make), seeds, share, tree_share=0.97, has_steps=True)
    for name, make, seeds, share in (
        ("core.gate", GateWalk, _GATE, 4),
        ("core.backlog", BacklogWalk, _BACKLOG, 4),
        ("core.framing", FramingWalk, _FRAMING, 3),
        ("core.turn", TurnWalk, _TURN, 4),
        ("core.backoff", BackoffWalk, _BACKOFF, 3),
        ("core.speech", SpeechWalk, _SPEECH, 3),
        ("core.timeline", TimelineWalk, _TIMELINE, 4),
    )
)
