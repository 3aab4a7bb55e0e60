import itertools

import pytest
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from satellite.core.turn import (
    CUE_TIMEOUT_S,
    TRANSITIONS,
    Cause,
    CutPlayback,
    Duplex,
    Release,
    StartPlayback,
    Suppress,
    TurnAction,
    TurnPolicy,
    TurnSettings,
    TurnState,
    next_state,
)
from satellite.errors import LocalMisuse

TAIL_S = 0.3


class Play:
    """A policy to which things happen: each line says what, when, and what it wants done."""

    def __init__(self, duplex: Duplex = "consecutive", barge_in: bool = False, tail_s: float = TAIL_S) -> None:
        self.policy = TurnPolicy(TurnSettings(duplex, tail_s, barge_in))

    def at(self, now: float, *inputs: str) -> list[TurnAction]:
        for name in inputs:
            getattr(self.policy, name)(now)
        return self.policy.actions()

    def state(self) -> TurnState:
        return self.policy.state

    def deadline(self) -> float | None:
        return self.policy.next_deadline()


class TestConsecutive:
    def test_it_begins_listening(self) -> None:
        policy = Play().policy
        assert (policy.state, policy.next_deadline(), policy.actions()) == (TurnState.LISTENING, None, [])

    def test_speech_is_heard_with_the_microphone_suppressed_until_the_tail_is_over(self) -> None:
        play = Play()
        assert play.at(1.0, "speech_waiting") == [Suppress(), StartPlayback()]
        assert play.at(1.2, "playback_started") == []
        assert play.state() is TurnState.PLAYING
        assert play.deadline() is None
        assert play.at(3.0, "playback_drained") == []
        assert play.state() is TurnState.TAIL
        assert play.deadline() == pytest.approx(3.3)
        assert play.at(3.3, "deadline_reached") == [Release()]
        assert (play.state(), play.deadline()) == (TurnState.LISTENING, None)

    def test_speech_waits_for_the_end_of_the_utterance(self) -> None:
        play = Play()
        assert play.at(1.0, "utterance_started") == []
        assert play.at(1.5, "speech_waiting") == []
        assert play.state() is TurnState.LISTENING
        assert play.at(2.0, "utterance_ended") == [Suppress(), StartPlayback()]

    def test_utterances_without_speech_change_nothing(self) -> None:
        assert Play().at(1.0, "utterance_started", "utterance_ended") == []

    def test_speech_thrown_away_while_it_waits_is_not_started(self) -> None:
        play = Play()
        assert play.at(1.0, "utterance_started", "speech_waiting", "speech_gone", "utterance_ended") == []

    def test_more_speech_while_it_plays_just_goes_on(self) -> None:
        play = Play()
        play.at(1.0, "speech_waiting")
        assert play.at(1.1, "speech_waiting") == []
        play.at(1.2, "playback_started")
        assert play.at(1.5, "speech_waiting") == []
        play.at(2.0, "playback_drained")
        assert play.at(2.5, "deadline_reached") == [Release()]

    def test_speech_in_the_tail_starts_at_once_without_a_release(self) -> None:
        play = Play()
        play.at(1.0, "speech_waiting", "playback_started", "playback_drained")
        assert play.at(1.1, "speech_waiting") == [StartPlayback()]
        play.at(1.2, "playback_started", "playback_drained")
        assert play.at(1.5, "deadline_reached") == [Release()]

    def test_speech_at_the_very_end_of_the_tail_starts_without_a_release(self) -> None:
        play = Play()
        play.at(1.0, "speech_waiting", "playback_started", "playback_drained")
        assert play.at(1.0 + TAIL_S, "speech_waiting") == [StartPlayback()]

    def test_an_early_deadline_changes_nothing(self) -> None:
        play = Play()
        play.at(1.0, "speech_waiting", "playback_started", "playback_drained")
        assert play.at(1.1, "deadline_reached") == []
        assert play.state() is TurnState.TAIL

    def test_without_tail_the_microphone_is_released_with_the_last_sample(self) -> None:
        play = Play(tail_s=0.0)
        play.at(1.0, "speech_waiting", "playback_started")
        assert play.at(2.0, "playback_drained") == [Release()]

    def test_barge_in_is_for_simultaneous_duplex_only(self) -> None:
        play = Play(barge_in=True)
        play.at(1.0, "speech_waiting", "playback_started")
        assert play.at(1.5, "utterance_started") == []

    def test_a_sound_nobody_asked_for_suppresses_too(self) -> None:
        play = Play()
        assert play.at(1.0, "playback_started") == [Suppress()]
        play.at(2.0, "playback_drained")
        assert play.at(2.1, "playback_started") == []
        assert play.at(2.2, "playback_started") == []
        play.at(3.0, "playback_drained")
        assert play.at(3.3, "deadline_reached") == [Release()]

    def test_speech_that_waited_goes_with_a_sound_nobody_asked_for(self) -> None:
        play = Play()
        play.at(1.0, "utterance_started", "speech_waiting")
        assert play.at(1.1, "playback_started") == [Suppress()]
        assert play.at(1.1, "utterance_ended") == []


class TestCued:
    def test_speech_thrown_away_before_a_sound_releases_at_once(self) -> None:
        play = Play()
        play.at(1.0, "speech_waiting")
        assert play.state() is TurnState.CUED
        assert play.at(1.1, "speech_gone") == [Release()]
        assert play.state() is TurnState.LISTENING

    @pytest.mark.parametrize("end", ["speech_gone", "playback_drained"])
    def test_without_a_sound_the_tail_before_is_kept(self, end: str) -> None:
        play = Play()
        play.at(1.0, "speech_waiting", "playback_started")
        play.at(2.0, "playback_drained")
        play.at(2.1, "speech_waiting")
        assert play.at(2.2, end) == []
        assert play.state() is TurnState.TAIL
        assert play.deadline() == pytest.approx(2.0 + TAIL_S)

    def test_a_loudspeaker_that_never_sounds_does_not_leave_us_deaf(self) -> None:
        play = Play()
        play.at(1.0, "speech_waiting")
        assert play.deadline() == 1.0 + CUE_TIMEOUT_S
        assert play.at(CUE_TIMEOUT_S, "deadline_reached") == []
        assert play.at(1.0 + CUE_TIMEOUT_S, "deadline_reached") == [Release()]

    def test_when_it_sounds_after_all_the_microphone_is_suppressed_again(self) -> None:
        play = Play()
        play.at(1.0, "speech_waiting")
        play.at(1.0 + CUE_TIMEOUT_S, "deadline_reached")
        assert play.at(20.0, "playback_started") == [Suppress()]

    def test_late_news_of_silence_is_passed_over(self) -> None:
        play = Play()
        assert play.at(1.0, "playback_drained", "speech_gone") == []
        play.at(2.0, "speech_waiting", "playback_started", "playback_drained")
        assert play.at(2.2, "playback_drained", "speech_gone") == []
        assert play.deadline() == pytest.approx(2.0 + TAIL_S)

    def test_speech_that_is_heard_is_not_gone(self) -> None:
        play = Play()
        play.at(1.0, "speech_waiting", "playback_started")
        assert play.at(1.5, "speech_gone") == []
        assert play.state() is TurnState.PLAYING


class TestMuted:
    def test_speech_starts_while_muted_and_the_microphone_is_told_nothing(self) -> None:
        play = Play()
        assert play.at(1.0, "muted") == []
        assert play.at(1.1, "speech_waiting") == [StartPlayback()]
        assert play.at(1.2, "playback_started") == []
        assert play.at(2.0, "playback_drained") == []
        assert play.at(2.5, "deadline_reached") == []
        assert play.at(3.0, "unmuted") == []

    def test_unmuting_while_it_plays_suppresses(self) -> None:
        play = Play()
        play.at(1.0, "muted", "speech_waiting", "playback_started")
        assert play.at(1.5, "unmuted") == [Suppress()]
        play.at(2.0, "playback_drained")
        assert play.at(2.3, "deadline_reached") == [Release()]

    def test_what_was_suppressed_before_is_released_with_the_unmuting(self) -> None:
        play = Play()
        play.at(1.0, "speech_waiting", "playback_started")
        assert play.at(1.5, "muted") == []
        assert play.at(2.0, "playback_drained") == []
        assert play.at(2.5, "deadline_reached") == []
        assert play.at(3.0, "unmuted") == [Release()]

    def test_muting_and_unmuting_while_it_plays_changes_nothing(self) -> None:
        play = Play()
        play.at(1.0, "speech_waiting", "playback_started")
        assert play.at(1.5, "muted", "unmuted") == []

    def test_muting_ends_the_utterance_that_speech_waited_for(self) -> None:
        play = Play()
        play.at(1.0, "utterance_started", "speech_waiting")
        assert play.at(1.5, "muted") == [StartPlayback()]
        assert play.at(1.5, "utterance_ended") == []


class TestSimultaneous:
    def test_speech_starts_at_once_and_the_microphone_stays_open(self) -> None:
        play = Play("simultaneous")
        assert play.at(1.0, "utterance_started") == []
        assert play.at(1.1, "speech_waiting") == [StartPlayback()]
        assert play.at(1.2, "playback_started", "utterance_ended", "utterance_started") == []
        assert play.at(2.0, "playback_drained") == []
        assert (play.state(), play.deadline()) == (TurnState.LISTENING, None)

    def test_speaking_over_playback_cuts_it(self) -> None:
        play = Play("simultaneous", barge_in=True)
        play.at(1.0, "speech_waiting", "playback_started")
        assert play.at(1.5, "utterance_started") == [CutPlayback("barge_in")]
        assert play.at(1.6, "playback_drained") == []
        assert play.state() is TurnState.LISTENING

    def test_speaking_before_the_first_sound_cuts_it_too(self) -> None:
        play = Play("simultaneous", barge_in=True)
        play.at(1.0, "speech_waiting")
        assert play.at(1.1, "utterance_started") == [CutPlayback("barge_in")]

    def test_speech_that_begins_during_an_utterance_is_not_cut_by_it(self) -> None:
        play = Play("simultaneous", barge_in=True)
        assert play.at(1.0, "utterance_started") == []
        assert play.at(1.5, "speech_waiting", "playback_started", "utterance_ended") == [StartPlayback()]

    def test_muted_or_not_is_all_the_same(self) -> None:
        play = Play("simultaneous")
        assert play.at(1.0, "muted", "speech_waiting", "playback_started", "unmuted") == [StartPlayback()]


class TestTable:
    @pytest.mark.parametrize(("state", "cause"), list(itertools.product(TurnState, Cause)))
    def test_moves_not_in_the_table_are_bugs(self, state: TurnState, cause: Cause) -> None:
        if (state, cause) in TRANSITIONS:
            assert next_state(state, cause) is TRANSITIONS[state, cause]
        else:
            with pytest.raises(LocalMisuse, match=f"'{cause.value}' while {state.value}"):
                next_state(state, cause)

    def test_every_state_can_be_left_and_reached(self) -> None:
        assert {state for state, _ in TRANSITIONS} == set(TurnState) == set(TRANSITIONS.values())


class TurnUnderAnyTreatment(RuleBasedStateMachine):
    """A speaker and a listener that behave, in any order of happenings: neither is heard over the other or stuck."""

    duplex: Duplex = "consecutive"

    def __init__(self) -> None:
        super().__init__()
        self.policy = TurnPolicy(TurnSettings(self.duplex, TAIL_S))
        self.now = 0.0
        self.is_waiting = self.may_start = self.is_heard = False
        self.is_open = self.is_suppressed = self.is_muted = False
        self.silent_since = -1.0

    def carry_out(self) -> None:
        for action in self.policy.actions():
            match action:
                case StartPlayback():
                    self.may_start, self.is_waiting = True, False
                case Suppress():
                    assert not self.is_suppressed
                    self.is_suppressed = True
                    self.end_utterance()
                case Release():
                    assert self.is_suppressed
                    self.is_suppressed = False

    def end_utterance(self) -> None:
        if self.is_open:
            self.is_open = False
            self.policy.utterance_ended(self.now)

    @rule()
    def time_passes(self) -> None:
        self.now += 0.1
        deadline = self.policy.next_deadline()
        if deadline is not None and self.now >= deadline and not self.may_start:
            self.policy.deadline_reached(self.now)
            self.carry_out()

    @precondition(lambda self: not self.may_start)
    @rule()
    def speech_comes(self) -> None:
        self.is_waiting = True
        self.policy.speech_waiting(self.now)
        self.carry_out()

    @precondition(lambda self: self.is_waiting)
    @rule()
    def speech_is_thrown_away(self) -> None:
        self.is_waiting = False
        self.policy.speech_gone(self.now)
        self.carry_out()

    @precondition(lambda self: self.may_start and not self.is_heard)
    @rule()
    def playback_starts(self) -> None:
        self.is_heard = True
        self.policy.playback_started(self.now)
        self.carry_out()

    @precondition(lambda self: self.may_start)
    @rule()
    def playback_ends(self) -> None:
        if self.is_heard:
            self.silent_since = self.now
        self.may_start = self.is_heard = False
        self.policy.playback_drained(self.now)
        self.carry_out()

    @precondition(lambda self: not (self.is_open or self.is_suppressed or self.is_muted))
    @rule()
    def somebody_speaks(self) -> None:
        self.is_open = True
        self.policy.utterance_started(self.now)
        self.carry_out()

    @rule()
    def nobody_speaks(self) -> None:
        self.end_utterance()
        self.carry_out()

    @rule()
    def mute_is_switched(self) -> None:
        self.is_muted = not self.is_muted
        if self.is_muted:
            self.policy.muted(self.now)
            self.end_utterance()
        else:
            self.policy.unmuted(self.now)
        self.carry_out()

    @invariant()
    def the_microphone_does_not_hear_the_loudspeaker(self) -> None:
        sounding = self.is_heard or self.now < self.silent_since + TAIL_S
        if self.duplex == "consecutive" and sounding:
            assert self.is_suppressed or self.is_muted
        if self.duplex == "simultaneous":
            assert not self.is_suppressed

    @invariant()
    def speech_waits_only_for_an_utterance(self) -> None:
        if self.is_waiting:
            assert self.is_open
            assert self.duplex == "consecutive"

    @invariant()
    def a_closed_microphone_has_a_reason_or_an_alarm(self) -> None:
        if self.is_suppressed and not self.is_muted:
            assert self.may_start or self.policy.next_deadline() is not None


class SimultaneousUnderAnyTreatment(TurnUnderAnyTreatment):
    duplex = "simultaneous"


TestTurnUnderAnyTreatment = TurnUnderAnyTreatment.TestCase
TestSimultaneousUnderAnyTreatment = SimultaneousUnderAnyTreatment.TestCase
