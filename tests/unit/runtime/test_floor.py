"""Who may be heard: the turn policy's decisions, carried out on time."""

import asyncio

from satellite.core.turn import CUE_TIMEOUT_S, Duplex, TurnPolicy, TurnSettings
from satellite.runtime.floor import Floor
from tests.fakes.virtual_time import VirtualClock, pass_time, virtual


class Play:
    """A floor, and what it had done when."""

    def __init__(self, duplex: Duplex = "consecutive", barge_in: bool = False) -> None:
        self.story: list[tuple[float, str]] = []
        self.floor = Floor(TurnPolicy(TurnSettings(duplex, 0.3, barge_in)), VirtualClock())
        self.floor.on_suppress = lambda: self.tell("suppress")
        self.floor.on_release = lambda at: self.tell(f"release from {at - 1000:.1f}")
        self.floor.on_start_playback = lambda: self.tell("start")
        self.floor.on_cut_playback = lambda reason: self.tell(f"cut: {reason}")

    def tell(self, what: str) -> None:
        self.story.append((round(asyncio.get_running_loop().time() - 1000, 3), what))


@virtual
async def test_the_microphone_is_released_when_the_tail_is_over() -> None:
    play = Play()
    play.floor.speech_waiting()
    play.floor.playback_started()
    await pass_time(2)
    play.floor.playback_drained()
    await pass_time(10)
    assert play.story == [(0, "suppress"), (0, "start"), (2.3, "release from 2.3")]


@virtual
async def test_speech_waits_for_the_end_of_the_utterance_in_consecutive_duplex() -> None:
    play = Play()
    play.floor.utterance_started()
    await pass_time(1)
    play.floor.speech_waiting()
    await pass_time(1)
    assert play.story == []
    play.floor.utterance_ended()
    assert play.story == [(2, "suppress"), (2, "start")]


@virtual
async def test_speech_that_went_away_is_not_started() -> None:
    play = Play()
    play.floor.utterance_started()
    play.floor.speech_waiting()
    play.floor.speech_gone()
    play.floor.utterance_ended()
    assert play.story == []


@virtual
async def test_in_simultaneous_duplex_nobody_waits() -> None:
    play = Play("simultaneous")
    play.floor.utterance_started()
    play.floor.speech_waiting()
    play.floor.playback_started()
    play.floor.utterance_ended()
    play.floor.utterance_started()
    play.floor.playback_drained()
    assert play.story == [(0, "start")]


@virtual
async def test_barge_in_cuts() -> None:
    play = Play("simultaneous", barge_in=True)
    play.floor.speech_waiting()
    play.floor.playback_started()
    play.floor.utterance_started()
    assert play.story == [(0, "start"), (0, "cut: barge_in")]


@virtual
async def test_what_the_microphone_is_told_waits_while_muted() -> None:
    play = Play()
    play.floor.speech_waiting()
    play.floor.muted(is_muted=True)
    play.floor.playback_started()
    play.floor.playback_drained()
    await pass_time(5)
    assert play.story == [(0, "suppress"), (0, "start")]
    play.floor.muted(is_muted=False)
    assert play.story[2:] == [(5, "release from 5.0")]


@virtual
async def test_playback_that_never_begins_does_not_leave_the_satellite_deaf() -> None:
    play = Play()
    play.floor.speech_waiting()
    await pass_time(60)
    assert play.story[2:] == [(CUE_TIMEOUT_S, f"release from {CUE_TIMEOUT_S:.1f}")]


@virtual
async def test_a_floor_that_nobody_is_wired_to_does_nothing() -> None:
    floor = Floor(TurnPolicy(TurnSettings("simultaneous", 0.3, barge_in=True)), VirtualClock())
    floor.speech_waiting()
    floor.utterance_started()
    floor.playback_drained()
    floor = Floor(TurnPolicy(TurnSettings()), VirtualClock())
    floor.speech_waiting()
    await pass_time(60)
