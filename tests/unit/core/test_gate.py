import itertools
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from satellite.core.audio import FRAME_SAMPLES
from satellite.core.gate import (
    TRANSITIONS,
    Cause,
    EndReason,
    GateEvent,
    GateSettings,
    GateState,
    UtteranceAudio,
    UtteranceEnded,
    UtteranceStarted,
    VadGate,
    next_state,
)
from satellite.errors import LocalMisuse

SETTINGS = GateSettings(onset_ms=60, pre_roll_ms=80, hang_over_ms=100, max_utterance_s=0.4)
"""In frames of 20 ms: onset 3, pre-roll 4, hang-over 5, longest utterance 20."""

Told = str | tuple[str, int, int, range]


def frame(number: int) -> bytes:
    """A frame that tells which one it is."""
    return number.to_bytes(2, "little") * FRAME_SAMPLES


def frames_in(audio: bytes) -> range:
    """Numbers of the frames in audio; fails unless they are whole and follow each other."""
    numbers = [int.from_bytes(audio[at : at + 2], "little") for at in range(0, len(audio), 2 * FRAME_SAMPLES)]
    assert audio == b"".join(frame(number) for number in numbers)
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    return range(numbers[0], numbers[0] + len(numbers))


def told(event: GateEvent) -> Told:
    """An event in short, in frames."""
    match event:
        case UtteranceStarted(start, onset, audio):
            assert frames_in(audio)[0] == start // FRAME_SAMPLES
            return "started", start // FRAME_SAMPLES, onset // FRAME_SAMPLES, frames_in(audio)
        case UtteranceAudio(data):
            return " ".join(str(number) for number in frames_in(data))
        case UtteranceEnded(reason, end, speech_end):
            return f"{reason.value} {end // FRAME_SAMPLES} {speech_end // FRAME_SAMPLES}"


class Play:
    """A gate that is shown scenes: `s` a frame of speech, `.` one without."""

    def __init__(self, settings: GateSettings = SETTINGS) -> None:
        self.gate = VadGate(settings)
        self.number = 0

    def scene(self, script: str) -> list[Told]:
        """What the gate tells while the script is played."""
        return [told(event) for letter in script for event in self.frame(0.9 if letter == "s" else 0.1)]

    def frame(self, probability: float) -> list[GateEvent]:
        events = self.gate.push(frame(self.number), probability)
        self.number += 1
        return events

    def state(self) -> GateState:
        return self.gate.state

    def say(self, events: Iterable[GateEvent]) -> list[Told]:
        return [told(event) for event in events]


def started(start: int, onset: int, end: int) -> Told:
    """UtteranceStarted with the frames from `start` up to `end`."""
    return "started", start, onset, range(start, end)


def audio(start: int, end: int) -> list[Told]:
    """UtteranceAudio, a frame at a time."""
    return [str(number) for number in range(start, end)]


class TestOpening:
    def test_silence_opens_nothing(self) -> None:
        play = Play()
        assert play.scene("." * 100) == []
        assert (play.state(), play.gate.is_open) == (GateState.QUIET, False)

    def test_an_onset_opens_with_the_pre_roll_before_its_first_frame(self) -> None:
        play = Play()
        assert play.scene("." * 10 + "sss") == [started(6, 10, 13)]
        assert (play.state(), play.gate.is_open) == (GateState.SPEAKING, True)

    def test_speech_from_the_first_sample_has_no_pre_roll(self) -> None:
        assert Play().scene("sss") == [started(0, 0, 3)]

    def test_a_short_sound_opens_nothing_and_becomes_pre_roll(self) -> None:
        play = Play()
        assert play.scene("....ss..") == []
        assert play.scene("sss") == [started(4, 8, 11)]

    def test_while_an_onset_is_counted_the_gate_is_starting(self) -> None:
        play = Play()
        play.scene("ss")
        assert (play.state(), play.gate.is_open) == (GateState.STARTING, False)
        play.scene("..")
        assert play.state() is GateState.QUIET

    def test_one_dropped_frame_does_not_undo_an_onset_nor_count_for_it(self) -> None:
        assert Play().scene("..s.s.s") == [started(0, 2, 7)]

    def test_two_dropped_frames_undo_an_onset(self) -> None:
        assert Play().scene("ss..ss") == []

    def test_the_threshold_itself_is_speech(self) -> None:
        play = Play(GateSettings(onset_ms=20, threshold=0.7))
        assert play.frame(0.69) == []
        assert len(play.frame(0.7)) == 1

    @pytest.mark.parametrize("onset_ms", [0, 20])
    def test_an_onset_of_one_frame_opens_with_it(self, onset_ms: int) -> None:
        assert Play(GateSettings(onset_ms=onset_ms, pre_roll_ms=0)).scene(".s") == [started(1, 1, 2)]

    def test_the_position_counts_every_sample(self) -> None:
        gate = VadGate(SETTINGS)
        gate.push(bytes(100), 0.0)
        gate.push(bytes(2), 1.0)
        assert gate.position == 51

    @pytest.mark.parametrize("broken", [b"", b"abc"])
    def test_a_frame_that_is_not_whole_samples_is_a_bug(self, broken: bytes) -> None:
        with pytest.raises(LocalMisuse, match="whole samples"):
            VadGate(SETTINGS).push(broken, 0.0)


class TestClosing:
    def test_the_hang_over_belongs_to_the_utterance(self) -> None:
        play = Play()
        assert play.scene("sss" + "....." + "..") == [started(0, 0, 3), *audio(3, 8), "silence 8 3"]
        assert play.state() is GateState.QUIET

    def test_speech_in_the_hang_over_begins_it_anew(self) -> None:
        play = Play()
        assert play.scene("sss....") == [started(0, 0, 3), *audio(3, 7)]
        assert play.state() is GateState.STOPPING
        assert play.scene("s") == ["7"]
        assert play.state() is GateState.SPEAKING
        assert play.scene(".....") == [*audio(8, 13), "silence 13 8"]

    def test_the_next_utterance_takes_nothing_of_the_one_before(self) -> None:
        play = Play()
        play.scene("sss.....")
        assert play.scene(".sss") == [started(8, 9, 12)]

    @pytest.mark.parametrize("reason", list(EndReason))
    def test_an_end_from_outside_closes_now(self, reason: EndReason) -> None:
        play = Play()
        play.scene("ssss.")
        assert play.say(play.gate.end(reason)) == [f"{reason.value} 5 4"]
        assert play.gate.end(reason) == []

    def test_an_end_from_outside_forgets_pre_roll_and_onset(self) -> None:
        play = Play()
        play.scene("....ss")
        assert play.gate.end(EndReason.DEVICE_LOST) == []
        assert play.state() is GateState.QUIET
        assert play.scene("sss") == [started(6, 6, 9)]


class TestLength:
    def test_speech_that_goes_on_begins_the_next_utterance_with_the_very_next_sample(self) -> None:
        first = [started(0, 0, 3), *audio(3, 20), "max_length 20 20"]
        second = [started(20, 20, 21), *audio(21, 40), "max_length 40 40"]
        assert Play().scene("s" * 41) == [*first, *second, started(40, 40, 41)]

    def test_the_pre_roll_counts(self) -> None:
        assert Play().scene("...." + "s" * 17)[-2:] == ["max_length 20 20", started(20, 20, 21)]

    def test_a_pause_at_the_bound_ends_nothing_and_its_hang_over_goes_on(self) -> None:
        play = Play()
        assert play.scene("s" * 18 + "...")[-2:] == ["max_length 20 18", started(20, 20, 21)]
        assert play.scene("...") == ["21", "22", "silence 23 20"]

    def test_only_this_reason_says_that_the_speech_goes_on(self) -> None:
        assert [reason for reason in EndReason if reason.goes_on] == [EndReason.MAX_LENGTH]


class TestSuppressed:
    def test_it_closes_the_gate_and_keeps_it_closed(self) -> None:
        play = Play()
        play.scene("ssss.")
        assert play.say(play.gate.suppress()) == ["suppressed 5 4"]
        assert play.scene("s" * 30) == []
        assert play.gate.position == 35 * FRAME_SAMPLES

    def test_nothing_heard_meanwhile_is_kept(self) -> None:
        play = Play()
        play.scene("....ss")
        assert play.gate.suppress() == []
        play.scene("ssss")
        play.gate.release()
        assert play.scene("sss") == [started(10, 10, 13)]

    def test_it_can_be_wished_twice(self) -> None:
        play = Play()
        play.scene("sss")
        assert len(play.gate.suppress()) == 1
        assert play.gate.suppress() == []
        play.gate.release()
        play.gate.release()
        assert play.scene(".sss") == [started(3, 4, 7)]

    def test_an_utterance_can_be_ended_meanwhile_without_effect(self) -> None:
        play = Play()
        play.gate.suppress()
        assert play.gate.end(EndReason.MUTED) == []
        assert play.scene("sss") == []


class TestPushToTalk:
    def test_it_opens_at_once_with_the_pre_roll(self) -> None:
        play = Play()
        play.scene("." * 10)
        assert play.say(play.gate.hold()) == [started(6, 10, 10)]
        assert play.scene("..") == ["10", "11"]

    def test_a_begun_onset_is_part_of_it(self) -> None:
        play = Play()
        play.scene("." * 10 + "ss")
        assert play.say(play.gate.hold()) == [started(6, 10, 12)]

    def test_without_pre_roll_it_opens_with_the_next_frame(self) -> None:
        play = Play()
        assert play.gate.hold() == []
        assert play.scene(".") == [started(0, 0, 1)]

    def test_silence_does_not_close_it(self) -> None:
        play = Play()
        play.gate.hold()
        play.scene("." * 15)
        assert (play.gate.is_open, play.state()) == (True, GateState.SPEAKING)

    def test_letting_go_begins_the_hang_over(self) -> None:
        play = Play()
        play.gate.hold()
        play.scene("ss" + "." * 8)
        assert play.gate.unhold() == []
        assert play.scene(".....") == [*audio(10, 15), "released 15 2"]

    def test_without_any_speech_the_speech_ends_where_it_would_have_begun(self) -> None:
        play = Play()
        play.scene("." * 5)
        play.gate.hold()
        play.gate.unhold()
        assert play.scene(".....")[-1] == "released 10 5"

    def test_speech_after_letting_go_makes_it_an_utterance_as_any_other(self) -> None:
        play = Play()
        play.gate.hold()
        play.scene("sss")
        play.gate.unhold()
        assert play.scene("...s" + ".....") == [*audio(3, 12), "silence 12 7"]

    def test_without_hang_over_letting_go_ends_it(self) -> None:
        play = Play(GateSettings(hang_over_ms=0))
        play.gate.hold()
        play.scene("s")
        assert play.say(play.gate.unhold()) == ["released 1 1"]

    def test_holding_an_open_gate_keeps_it_open(self) -> None:
        play = Play()
        play.scene("sss....")
        assert play.state() is GateState.STOPPING
        assert play.gate.hold() == []
        assert play.state() is GateState.SPEAKING
        assert play.scene("......") == audio(7, 13)

    def test_holding_again_during_the_hang_over_of_letting_go(self) -> None:
        play = Play()
        play.gate.hold()
        play.scene("..")
        play.gate.unhold()
        play.scene("..")
        assert play.gate.hold() == []
        assert play.scene("......") == audio(4, 10)

    def test_letting_go_grants_the_whole_hang_over_whatever_silence_there_was_before(self) -> None:
        play = Play()
        play.scene("sss....")
        play.gate.hold()
        play.scene(".")
        play.gate.unhold()
        assert play.scene(".....") == [*audio(8, 13), "released 13 3"]

    def test_the_utterance_after_it_ends_for_a_reason_of_its_own(self) -> None:
        play = Play()
        play.gate.hold()
        play.scene("s")
        play.gate.unhold()
        assert play.scene(".....")[-1] == "released 6 1"
        assert play.scene("sss.....")[-1] == "silence 14 9"

    def test_holding_twice_is_holding_once(self) -> None:
        play = Play()
        play.scene("..")
        assert len(play.gate.hold()) == 1
        assert play.gate.hold() == []

    def test_letting_go_of_nothing_changes_nothing(self) -> None:
        play = Play()
        play.scene("sss")
        assert play.gate.unhold() == []
        assert play.state() is GateState.SPEAKING

    def test_letting_go_before_anything_was_heard_opens_nothing(self) -> None:
        play = Play()
        play.gate.hold()
        assert play.gate.unhold() == []
        assert play.scene("..") == []

    def test_suppressed_wins_and_the_held_gate_opens_on_release(self) -> None:
        play = Play()
        play.gate.suppress()
        assert play.gate.hold() == []
        assert play.scene("..") == []
        play.gate.release()
        assert play.scene("..") == [started(2, 2, 3), "3"]

    def test_suppressing_ends_it(self) -> None:
        play = Play()
        play.gate.hold()
        play.scene("s.")
        assert play.say(play.gate.suppress()) == ["suppressed 2 1"]

    def test_it_is_split_at_the_longest_length_even_in_silence(self) -> None:
        play = Play()
        play.gate.hold()
        assert play.scene("s" + "." * 20)[-2:] == ["max_length 20 1", started(20, 20, 21)]

    def test_an_end_from_outside_does_not_let_go(self) -> None:
        play = Play()
        play.gate.hold()
        play.scene("..")
        play.gate.end(EndReason.DEVICE_LOST)
        assert play.scene(".") == [started(2, 2, 3)]


class TestTable:
    @pytest.mark.parametrize(("state", "cause"), list(itertools.product(GateState, Cause)))
    def test_moves_not_in_the_table_are_bugs(self, state: GateState, cause: Cause) -> None:
        if (state, cause) in TRANSITIONS:
            assert next_state(state, cause) is TRANSITIONS[state, cause]
        else:
            with pytest.raises(LocalMisuse, match=f"'{cause.value}' while {state.value}"):
                next_state(state, cause)

    def test_every_state_can_be_left_and_reached(self) -> None:
        assert {state for state, _ in TRANSITIONS} == set(GateState) == set(TRANSITIONS.values())


class Record:
    """Checks a stream of gate events against the audio pushed, and remembers where utterances lie."""

    def __init__(self) -> None:
        self.pushed = b""
        self.is_open = False
        self.start = self.end = 0
        self.ends: list[UtteranceEnded] = []

    def take(self, events: Sequence[GateEvent], position: int) -> None:
        for event, following in itertools.zip_longest(events, events[1:]):
            match event:
                case UtteranceStarted(start, onset, data):
                    assert not self.is_open
                    assert data
                    assert self.end <= start <= onset <= position
                    self.is_open, self.start, self.end = True, start, start
                    self.grow(data)
                case UtteranceAudio(data):
                    assert self.is_open
                    self.grow(data)
                case UtteranceEnded(reason, end, speech_end):
                    assert self.is_open
                    assert end == self.end
                    assert self.start <= speech_end <= end
                    assert reason.goes_on is isinstance(following, UtteranceStarted)
                    self.is_open = False
                    self.ends.append(event)
        if self.is_open:
            assert self.end == position

    def grow(self, data: bytes) -> None:
        assert self.pushed[2 * self.end : 2 * self.end + len(data)] == data
        self.end += len(data) // 2


class GateUnderAnyTreatment(RuleBasedStateMachine):
    """Whatever is done to the gate: exact positions, no overlap, no sample lost or doubled inside an utterance."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = VadGate(SETTINGS)
        self.record = Record()
        self.is_suppressed = False
        self.is_held = False

    @rule(script=st.text("s.", min_size=1, max_size=30), samples=st.sampled_from([FRAME_SAMPLES, 160, 500]))
    def push(self, script: str, samples: int) -> None:
        for letter in script:
            number = self.gate.position
            data = b"".join((value % 65_536).to_bytes(2, "little") for value in range(number, number + samples))
            self.record.pushed += data
            self.record.take(self.gate.push(data, 1.0 if letter == "s" else 0.0), self.gate.position)

    @rule(is_suppressed=st.booleans())
    def suppress(self, is_suppressed: bool) -> None:
        self.is_suppressed = is_suppressed
        if is_suppressed:
            self.record.take(self.gate.suppress(), self.gate.position)
        else:
            self.gate.release()

    @rule(is_held=st.booleans())
    def hold(self, is_held: bool) -> None:
        self.is_held = is_held
        self.record.take(self.gate.hold() if is_held else self.gate.unhold(), self.gate.position)

    @rule(reason=st.sampled_from([EndReason.MUTED, EndReason.STOPPED, EndReason.DEVICE_LOST]))
    def end(self, reason: EndReason) -> None:
        self.record.take(self.gate.end(reason), self.gate.position)

    @invariant()
    def it_says_truly_whether_it_is_open(self) -> None:
        assert self.gate.is_open is self.record.is_open
        assert not (self.gate.is_open and self.is_suppressed)
        assert self.gate.position * 2 == len(self.record.pushed)

    @invariant()
    def held_and_open_is_speaking(self) -> None:
        assert not (self.is_held and self.gate.is_open and self.gate.state is GateState.STOPPING)


TestGateUnderAnyTreatment = GateUnderAnyTreatment.TestCase


@given(st.text("s.", max_size=300))
def test_no_onset_of_speech_is_missed(script: str) -> None:
    play, covered = Play(), set[int]()
    for event in (event for letter in script for event in play.frame(1.0 if letter == "s" else 0.0)):
        if not isinstance(event, UtteranceEnded):
            covered.update(frames_in(event.audio if isinstance(event, UtteranceStarted) else event.data))
    for at in range(len(script) - 2):
        if script[at : at + 3] == "sss":
            assert {at, at + 1, at + 2} <= covered
