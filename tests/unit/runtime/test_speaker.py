"""Speech is played when the floor allows it, through gaps, cuts and failures."""

import asyncio
from typing import Any

import pytest

from satellite.core.turn import TurnPolicy, TurnSettings
from satellite.ports import DecoderFactory
from satellite.runtime.floor import Floor
from satellite.runtime.speaker import Speaker, SpeakerSettings
from tests.fakes.decoders import Decoders
from tests.fakes.loudspeaker import ScriptedSink
from tests.fakes.stage import pcm, spoken
from tests.fakes.virtual_time import VirtualClock, pass_time, running, virtual
from tests.unit.runtime.test_loudspeaker import Report


class Play:
    """A speaker with a real floor; the story has both what is heard and what the microphone is told."""

    def __init__(self, turn: TurnSettings | None = None, decoders: DecoderFactory | None = None) -> None:
        self.sink, self.report = ScriptedSink(), Report()
        self.floor = Floor(TurnPolicy(turn or TurnSettings()), VirtualClock())
        if decoders is None:
            from satellite.adapters.decoder import make_decoder  # noqa: PLC0415 - the real one, unless scripted

            decoders = make_decoder
        self.speaker = Speaker(self.sink, decoders, self.floor, self.report, SpeakerSettings())
        self.speaker.volume_percent = 100
        self.floor.on_suppress = lambda: self.report.tell("suppress")
        self.floor.on_release = lambda at: self.report.tell(f"release {at - 1000:.1f}")
        self.floor.on_start_playback = self.speaker.start
        self.floor.on_cut_playback = self.speaker.cut

    def speak(self, seconds: float, text: str | None = None, utterance_id: str | None = "u1", **changes: Any) -> None:
        self.speaker.speech(spoken(seconds, text, **changes), utterance_id)

    def told(self, *but: str) -> list[tuple[float, str]]:
        """The story without these and the words that are always there."""
        return [line for line in self.report.story if line[1] not in ("works", "sound", "silence", *but)]

    @property
    def heard(self) -> list[tuple[float, float]]:
        """When there was sound."""
        return [(round(each.start - 1000, 3), round(each.end - 1000, 3)) for each in self.sink.heard]


# --- the ordinary course ------------------------------------------------------------------------------------------


@virtual
async def test_speech_is_heard_with_the_microphone_suppressed_from_its_first_sound_to_the_tail() -> None:
    play = Play()
    async with running(play.speaker.run):
        await pass_time(1)
        play.speak(2.0, "Ja.")
        await pass_time(10)
    assert play.told() == [
        (1.0, "suppress"),
        (1.0, "started u1 2000"),
        (3.0, "finished u1 2000"),
        (3.3, "release 3.3"),
    ]
    assert play.heard == [(1.0, 3.0)]


@virtual
async def test_the_jitter_buffer_fills_before_the_microphone_is_suppressed() -> None:
    play = Play()
    async with running(play.speaker.run):
        await pass_time(1)
        for number in range(30):
            play.speak(0.05, "Ja." if number == 0 else None)
            await pass_time(0.05 if number != 10 else 0.18)
        await pass_time(10)
    assert play.heard == [(1.15, 2.65)], "a gap of 130 ms is not heard"
    assert play.told()[0] == (1.15, "suppress")


@virtual
async def test_speech_shorter_than_the_jitter_buffer_does_not_wait_for_more_than_its_time() -> None:
    play = Play()
    async with running(play.speaker.run):
        play.speak(0.1, "Ja.")
        await pass_time(10)
    assert play.heard == [(0.2, 0.3)]
    assert play.told("suppress")[:2] == [(0.2, "started u1 100"), (0.3, "finished u1 100")]


@virtual
async def test_a_pause_of_arrival_until_the_device_has_run_dry_is_one_run() -> None:
    play = Play()
    async with running(play.speaker.run):
        play.speak(1.0, "Ja, ")
        await pass_time(0.99)
        play.speak(1.0, "bitte.")
        await pass_time(10)
    assert [what for _, what in play.told()] == ["suppress", "started u1 1000", "finished u1 2000", "release 2.3"]
    assert play.heard == [(0, 2.0)]


@virtual
async def test_a_longer_pause_is_two_runs_each_with_its_own_length() -> None:
    play = Play()
    async with running(play.speaker.run):
        play.speak(1.0, "Ja.")
        await pass_time(5)
        play.speak(0.5, "Bitte.")
        await pass_time(10)
    assert [what for _, what in play.told("suppress")] == [
        "started u1 1000",
        "finished u1 1000",
        "release 1.3",
        "started u1 500",
        "finished u1 500",
        "release 5.8",
    ]


@virtual
async def test_speech_that_comes_in_the_tail_goes_on_without_a_release() -> None:
    play = Play()
    async with running(play.speaker.run):
        play.speak(1.0, "Eins.")
        await pass_time(1.2)
        play.speak(1.0, "Zwei.", "u2")
        await pass_time(10)
    assert [what for _, what in play.told() if "re" in what] == ["suppress", "release 2.5"]


@virtual
async def test_speech_that_comes_while_the_last_of_it_drains_is_the_same_run() -> None:
    play = Play()
    async with running(play.speaker.run):
        play.speak(1.0, "Eins.")
        play.sink.drain_s = 0.2
        await pass_time(1.1)
        play.speak(1.0, None)
        await pass_time(10)
    assert [what for _, what in play.told() if "u1" in what] == ["started u1 1000", "finished u1 2000"]


@virtual
async def test_utterances_are_told_one_after_the_other() -> None:
    play = Play()
    async with running(play.speaker.run):
        play.speak(1.0, "Eins.", "u1")
        play.speak(1.0, "Zwei.", "u2")
        await pass_time(10)
    assert play.told("suppress")[:4] == [
        (0, "started u1 1000"),
        (1.0, "finished u1 1000"),
        (1.0, "started u2 1000"),
        (2.0, "finished u2 1000"),
    ]


@virtual
async def test_a_sound_is_queued_behind_the_speech() -> None:
    play = Play()
    async with running(play.speaker.run):
        play.speak(1.0, "Ja.")
        play.speaker.sound(pcm(0.5, 8000, level=77), 8000)
        await pass_time(10)
    assert play.sink.opened == [16_000, 8000]
    assert [heard.rate_hz for heard in play.sink.heard] == [16_000, 8000]
    assert play.heard == [(0, 1.0), (1.0, 1.5)]


@virtual
async def test_volume() -> None:
    play = Play()
    play.speaker.volume_percent = 10
    async with running(play.speaker.run):
        play.speak(1.0, "Ja.")
        await pass_time(10)
    assert play.speaker.volume_percent == 10
    assert play.sink.heard[0].pcm[:2] == (10).to_bytes(2, "little")


@virtual
async def test_an_idle_device_is_given_back() -> None:
    play = Play()
    async with running(play.speaker.run):
        play.speak(1.0, "Eins.")
        await pass_time(9)
        play.speak(1.0, "Zwei.")
        await pass_time(60)
        assert play.sink.closed_at == [pytest.approx(1020, abs=0.3)]
        play.speak(1.0, "Drei.")
        await pass_time(5)
        assert len(play.sink.closed_at) == 1


@virtual
async def test_settled_when_all_was_heard() -> None:
    play = Play()
    async with running(play.speaker.run):
        await play.speaker.settled()
        play.speak(1.0, "Eins.")
        play.speak(1.0, "Zwei.", "u2")
        await play.speaker.settled()
        assert asyncio.get_running_loop().time() - 1000 == pytest.approx(2.0, abs=0.3)
        assert play.told()[-1][1] == "finished u2 1000"


@virtual
async def test_cancelling_gives_the_device_back() -> None:
    play = Play()
    async with running(play.speaker.run):
        play.speak(5.0, "Eins.")
        await pass_time(1)
    assert play.sink.closed_at == [1001.0]


# --- decoders that keep back --------------------------------------------------------------------------------------


@virtual
async def test_the_decoder_is_flushed_at_the_end() -> None:
    decoders = Decoders()
    play = Play(decoders=decoders)
    async with running(play.speaker.run):
        play.speak(0, "Ja.", data=(pcm(0.5), pcm(0.5), pcm(0.5)))
        await pass_time(10)
    assert decoders.made[0].flushes >= 1
    assert sum(end - start for start, end in play.heard) == pytest.approx(1.5)


@virtual
async def test_what_the_decoder_kept_back_follows_without_a_break() -> None:
    play = Play(decoders=Decoders(flush_s=0.05))
    async with running(play.speaker.run):
        play.speak(1.0, "Ja.", data=(pcm(0.5), pcm(0.5)))
        await pass_time(10)
    assert play.heard == [(0, 1.0)]


@virtual
async def test_speech_so_short_that_the_decoder_keeps_it_all_is_heard() -> None:
    play = Play(decoders=Decoders())
    async with running(play.speaker.run):
        play.speak(0.1, "Ja.")
        await pass_time(10)
        await play.speaker.settled()
    assert [round(end - start, 3) for start, end in play.heard] == [0.1]


@virtual
async def test_speech_without_any_sound_does_not_take_the_floor() -> None:
    play = Play(decoders=Decoders())
    async with running(play.speaker.run):
        play.speak(0.1, "Ja.", data=(b"",))
        await pass_time(10)
        await play.speaker.settled()
    assert (play.report.story, play.sink.opened) == ([], [])


@virtual
async def test_a_stream_that_follows_at_once_takes_nothing_from_the_one_before() -> None:
    decoders = Decoders()
    play = Play(decoders=decoders)
    async with running(play.speaker.run):
        play.speak(1.0, "Eins.", "u1", data=(pcm(0.5), pcm(0.5)))
        play.speaker.speech_stream_ended()
        play.speak(1.0, "Zwei.", "u2", data=(pcm(0.5), pcm(0.5)))
        await pass_time(10)
    assert len(decoders.made) == 2
    assert [what for _, what in play.told("suppress")][:4] == [
        "started u1 1000",
        "finished u1 1000",
        "started u2 1000",
        "finished u2 1000",
    ]


# --- the floor ----------------------------------------------------------------------------------------------------


@virtual
async def test_speech_waits_for_the_end_of_the_utterance() -> None:
    play = Play()
    async with running(play.speaker.run):
        play.floor.utterance_started()
        play.speak(1.0, "Ja.")
        await pass_time(5)
        assert play.report.story == []
        play.floor.utterance_ended()
        await pass_time(5)
    assert play.heard == [(5.0, 6.0)]


@virtual
async def test_in_simultaneous_duplex_it_does_not_wait() -> None:
    play = Play(TurnSettings("simultaneous"))
    async with running(play.speaker.run):
        play.floor.utterance_started()
        play.speak(1.0, "Ja.")
        await pass_time(5)
    assert play.told() == [(0, "started u1 1000"), (1.0, "finished u1 1000")]


@virtual
async def test_barge_in_cuts_it() -> None:
    play = Play(TurnSettings("simultaneous", barge_in=True))
    async with running(play.speaker.run):
        play.speak(5.0, "Ja.")
        await pass_time(1.0)
        play.floor.utterance_started()
        await pass_time(5)
    assert play.told() == [(0, "started u1 5000"), (1.0, "cut u1 1000")]
    assert play.heard == [(0, 1.0)]
