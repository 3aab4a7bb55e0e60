"""Targets: the machines that sound goes through: gate, backlog, framing."""

from array import array
from collections.abc import Sequence
from typing import Any

from satellite.core.audio import FRAME_SAMPLES, RATE_HZ, SAMPLE_BYTES, AudioChunk
from satellite.core.backlog import Backlog, Dropped, UtteranceEnd
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
from tests.fuzz.target import hold, number_of
from tests.fuzz.walks import scripts, walk_target

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


_GATE = scripts(
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
_BACKLOG = scripts(
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
_FRAMING = scripts(
    [{"frame": 319}, ["push", 3000], ["push", 1], ["push", 639], ["reset"], ["push", 2]],
    [{}, ["stamp", 1600, 0.01], ["stamp", 1600, 0], ["gap", 1600], ["stamp", 1600, 0.2], ["stamp", 1600, 2]],
)

TARGETS = (
    walk_target("core.gate", GateWalk, _GATE, 4),
    walk_target("core.backlog", BacklogWalk, _BACKLOG, 4),
    walk_target("core.framing", FramingWalk, _FRAMING, 3),
)
