"""Blocks → utterances: which audio, and when it was spoken by the wall clock."""

import asyncio
import itertools
from dataclasses import dataclass

import pytest

from satellite.core.audio import RATE_HZ, AudioChunk, CaptureBlock
from satellite.core.backlog import Dropped
from satellite.core.gate import EndReason, GateSettings, VadGate
from satellite.runtime.hearing import Hearing
from tests.fakes.room import LOUD, LoudDetector, Room
from tests.fakes.stage import GATE
from tests.fakes.virtual_time import VirtualClock, virtual


@dataclass
class Utterance:
    """What a sink was told of one utterance."""

    id: str
    start_s: float
    onset_s: float
    chunks: list[AudioChunk]
    end_s: float | None = None
    reason: EndReason | None = None

    @property
    def audio(self) -> bytes:
        return b"".join(chunk.data for chunk in self.chunks)


class Sink:
    """hearing.UtteranceSink."""

    def __init__(self) -> None:
        self.utterances: list[Utterance] = []
        self.lost_samples = 0

    def utterance_started(self, utterance_id: str, start_s: float, onset_s: float) -> None:
        assert all(utterance.reason is not None for utterance in self.utterances), "two at a time"
        self.utterances.append(Utterance(utterance_id, start_s, onset_s, []))

    def audio(self, chunk: AudioChunk) -> None:
        assert chunk.utterance_id == self.utterances[-1].id
        assert self.utterances[-1].reason is None, "audio after the end"
        self.utterances[-1].chunks.append(chunk)

    def audio_dropped(self, dropped: Dropped) -> None:
        assert dropped.utterance_id == self.utterances[-1].id
        self.lost_samples += dropped.samples

    def utterance_ended(self, utterance_id: str, end_s: float, reason: EndReason) -> None:
        assert utterance_id == self.utterances[-1].id
        self.utterances[-1].end_s, self.utterances[-1].reason = end_s, reason


class Play:
    """A hearing in a room; blocks come when the play says so."""

    def __init__(self, gate: GateSettings = GATE) -> None:
        self.room, self.sink, self.clock = Room(), Sink(), VirtualClock()
        numbers = itertools.count(1)
        self.hearing = Hearing(VadGate(gate), LoudDetector(), self.clock, lambda: f"u{next(numbers)}", self.sink)
        self.at = asyncio.get_running_loop().time()

    async def listen(self, seconds: float, lost_s: float = 0.0) -> None:
        """Blocks of 100 ms arrive as they end; before the first of them something is missing."""
        await asyncio.sleep(lost_s)
        self.at += lost_s
        for _ in range(round(seconds * 10)):
            await asyncio.sleep(0.1)
            self.hearing.block(CaptureBlock(self.room.sound(self.at, 1600), self.at, lost_s))
            self.at += 0.1
            lost_s = 0.0

    def wall(self, seconds: float) -> object:
        """The wall clock, so many seconds after the beginning, to a tenth of a frame."""
        return pytest.approx(self.clock.wall_s + seconds, abs=0.002)


@virtual
async def test_silence_is_no_utterance() -> None:
    play = Play()
    await play.listen(5)
    assert play.sink.utterances == []
    assert (play.hearing.is_open, play.hearing.utterances) == (False, 0)


@virtual
async def test_an_utterance_with_pre_roll_and_hang_over() -> None:
    play = Play()
    play.room.speak(2.0, in_s=1.0)
    await play.listen(2)
    assert play.hearing.is_open
    await play.listen(5)
    (heard,) = play.sink.utterances
    assert (heard.id, heard.reason, play.hearing.utterances) == ("u1", EndReason.SILENCE, 1)
    assert (heard.start_s, heard.onset_s, heard.end_s) == (play.wall(0.6), play.wall(1.0), play.wall(3.0))
    assert len(heard.audio) / 2 / RATE_HZ == pytest.approx(0.4 + 2.0 + 0.9)
    assert heard.audio[: 2 * 6400] == bytes(2 * 6400), "the pre-roll"
    assert heard.audio[2 * 6400 :][: 2 * 32000] == LOUD * 32000


@virtual
async def test_one_block_makes_one_chunk() -> None:
    play = Play()
    play.room.speak(2.0, in_s=1.0)
    await play.listen(6)
    (heard,) = play.sink.utterances
    assert [chunk.samples for chunk in heard.chunks] == [8000] + [1600] * 28
    assert all(chunk.utterance_id == "u1" for chunk in heard.chunks)


@virtual
async def test_chunks_follow_each_other_on_the_wall_clock() -> None:
    play = Play()
    play.room.speak(3.0, in_s=1.0)
    await play.listen(6)
    (heard,) = play.sink.utterances
    assert heard.chunks[0].start_s == heard.start_s
    for before, after in itertools.pairwise(heard.chunks):
        assert after.start_s == pytest.approx(before.start_s + before.samples / RATE_HZ, abs=1e-6)


@virtual
async def test_a_jump_of_the_wall_clock_is_seen_once_and_only_by_the_next_utterance() -> None:
    play = Play()
    play.room.speak(2.0, in_s=1.0)
    play.room.speak(2.0, in_s=11.0)
    play.room.speak(2.0, in_s=21.0)
    await play.listen(2)
    play.clock.wall_s += 3600.0
    await play.listen(28)
    first, second, third = play.sink.utterances
    assert (first.start_s, first.end_s) == (play.wall(0.6 - 3600), play.wall(3.0 - 3600)), "not torn apart"
    assert first.chunks[-1].start_s < first.start_s + 4
    assert (second.start_s, second.end_s) == (play.wall(10.6), play.wall(13.0))
    assert (third.start_s, third.end_s) == (play.wall(20.6), play.wall(23.0))


@virtual
async def test_audio_the_device_lost_leaves_a_gap_in_the_times() -> None:
    play = Play()
    play.room.speak(9.0, in_s=1.0)
    await play.listen(3)
    await asyncio.sleep(2.0)
    play.at += 2.0
    await play.listen(10)
    (heard,) = play.sink.utterances
    starts = [chunk.start_s for chunk in heard.chunks]
    gaps = [after - before for before, after in itertools.pairwise(starts[1:])]
    assert max(gaps) == pytest.approx(2.1, abs=1e-3)
    assert heard.end_s == play.wall(10.0)


@virtual
async def test_what_follows_a_long_sleep_of_the_machine_is_another_utterance() -> None:
    """Nobody was heard meanwhile, and nobody is made to have spoken for that long."""
    play = Play()
    play.room.speak(60.0, in_s=1.0)
    await play.listen(3)
    await asyncio.sleep(20.0)
    play.at += 20.0
    await play.listen(3)
    play.hearing.end(EndReason.STOPPED)
    first, second = play.sink.utterances
    assert (first.start_s, first.end_s, first.reason) == (play.wall(0.6), play.wall(3.0), EndReason.DEVICE_LOST)
    assert (second.start_s, second.end_s) == (play.wall(23.0), play.wall(26.0))
    assert sum(len(heard.audio) for heard in (first, second)) / 2 / RATE_HZ == pytest.approx(5.4, abs=0.03)


@virtual
async def test_speech_longer_than_allowed_goes_on_in_the_next_utterance() -> None:
    play = Play(GateSettings(pre_roll_ms=400, max_utterance_s=2.45))
    play.room.speak(3.0, in_s=1.0)
    await play.listen(6)
    first, second = play.sink.utterances
    assert first.reason is EndReason.MAX_LENGTH
    assert second.start_s == second.onset_s == pytest.approx(first.start_s + len(first.audio) / 2 / RATE_HZ, abs=1e-4)
    assert second.end_s == play.wall(4.0)
    assert (len(first.audio) + len(second.audio)) / 2 / RATE_HZ == pytest.approx(0.4 + 3.0 + 0.9)
    assert second.chunks[0].samples < 1600, "the rest of the block in which the first one ended"


@virtual
async def test_suppression_ends_the_utterance_and_nothing_is_heard_until_the_release() -> None:
    play = Play()
    play.room.speak(20.0, in_s=1.0)
    await play.listen(3)
    play.hearing.suppress()
    assert play.sink.utterances[0].reason is EndReason.SUPPRESSED
    await play.listen(4)
    assert len(play.sink.utterances) == 1
    play.hearing.release(play.at + 0.25)
    await play.listen(1)
    assert play.sink.utterances[1].start_s == play.wall(7.26), "the first whole frame captured after the release"


@virtual
async def test_what_was_captured_before_the_release_is_not_heard_however_late_it_comes() -> None:
    play = Play()
    play.hearing.suppress()
    play.room.speak(1.0, in_s=0.5)
    play.room.speak(1.0, in_s=3.0)
    await asyncio.sleep(2.0)
    play.hearing.release(play.at + 2.0)
    for _ in range(20):  # two seconds of blocks that waited somewhere
        play.hearing.block(CaptureBlock(play.room.sound(play.at, 1600), play.at))
        play.at += 0.1
    await play.listen(4)
    (heard,) = play.sink.utterances
    assert heard.start_s == play.wall(2.6)


@virtual
async def test_a_suppression_takes_a_release_to_come_back() -> None:
    play = Play()
    play.hearing.suppress()
    play.hearing.release(play.at + 1.0)
    play.hearing.suppress()
    play.room.speak(5.0, in_s=1.5)
    await play.listen(5)
    assert play.sink.utterances == []


@virtual
async def test_push_to_talk_begins_with_the_pre_roll_and_ends_with_the_hang_over() -> None:
    play = Play()
    await play.listen(3)
    play.hearing.hold(is_held=True)
    assert play.hearing.is_open
    assert [chunk.samples for chunk in play.sink.utterances[0].chunks] == [6400], "sent at once"
    await play.listen(2)
    play.hearing.hold(is_held=False)
    await play.listen(3)
    (heard,) = play.sink.utterances
    assert (heard.start_s, heard.onset_s) == (play.wall(2.6), play.wall(3.0))
    assert heard.reason is EndReason.RELEASED
    assert len(heard.audio) / 2 / RATE_HZ == pytest.approx(0.4 + 2.0 + 0.9)


@virtual
async def test_letting_go_without_hang_over_ends_it_there() -> None:
    play = Play(GateSettings(hang_over_ms=0))
    await play.listen(1)
    play.hearing.hold(is_held=True)
    play.hearing.hold(is_held=False)
    assert play.sink.utterances[0].reason is EndReason.RELEASED


@virtual
async def test_an_end_from_outside_is_told_with_its_reason() -> None:
    play = Play()
    play.room.speak(9.0, in_s=1.0)
    await play.listen(3)
    play.hearing.end(EndReason.DEVICE_LOST)
    assert play.sink.utterances[0].reason is EndReason.DEVICE_LOST
    assert play.sink.utterances[0].end_s == play.wall(3.0)
    play.hearing.end(EndReason.DEVICE_LOST)
    assert len(play.sink.utterances) == 1


@virtual
async def test_what_was_heard_before_an_end_is_no_pre_roll_afterwards() -> None:
    play = Play()
    await play.listen(1)
    play.hearing.end(EndReason.DEVICE_LOST)
    play.room.speak(1.0, in_s=0.2)
    await play.listen(3)
    assert play.sink.utterances[0].start_s == play.wall(1.0)


@virtual
async def test_a_short_last_block_is_heard_as_far_as_it_fills_frames() -> None:
    play = Play()
    play.room.speak(1.05)
    await play.listen(1)
    play.hearing.block(CaptureBlock(play.room.sound(play.at, 800), play.at))
    play.hearing.end(EndReason.STOPPED)
    (heard,) = play.sink.utterances
    assert len(heard.audio) / 2 == 16000 + 640


@virtual
async def test_half_a_frame_from_before_an_end_does_not_shift_what_comes_afterwards() -> None:
    play = Play()
    play.hearing.block(CaptureBlock(bytes(2 * 800), play.at))
    play.hearing.end(EndReason.DEVICE_LOST)
    play.room.speak(1.0)
    play.hearing.hold(is_held=True)
    await play.listen(0.5)
    (heard,) = play.sink.utterances
    assert heard.audio == LOUD * 8000


@virtual
async def test_sound_lost_in_an_utterance_is_told_and_the_times_stay_true() -> None:
    play = Play()
    play.room.speak(5.0, in_s=1.0)
    await play.listen(3)
    await play.listen(5, lost_s=0.7)
    (heard,) = play.sink.utterances
    assert play.sink.lost_samples == round(0.7 * RATE_HZ)
    torn = [chunk for chunk in heard.chunks if chunk.start_s > play.clock.wall_s + 3.0 + 0.6]
    assert torn[0].start_s == play.wall(3.7)
    assert heard.end_s == play.wall(6.0)


@virtual
async def test_what_was_heard_before_a_long_gap_is_no_pre_roll() -> None:
    play = Play()
    play.room.speak(2.0, in_s=4.1)
    await play.listen(3)
    await play.listen(4, lost_s=1.0)
    (heard,) = play.sink.utterances
    assert heard.start_s == play.wall(4.0), "all that came since the gap, and nothing from before"
    assert play.sink.lost_samples == 0


@virtual
async def test_what_was_heard_before_a_short_gap_stays_the_pre_roll() -> None:
    play = Play()
    play.room.speak(2.0, in_s=4.1)
    await play.listen(3)
    await play.listen(4, lost_s=0.1)
    (heard,) = play.sink.utterances
    assert heard.start_s == play.wall(3.7)
