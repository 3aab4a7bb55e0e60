"""Speech cut short: by command, by somebody speaking, by a device or data that fail."""

import asyncio

import pytest

from satellite.errors import DeviceError
from tests.fakes.stage import pcm
from tests.fakes.virtual_time import pass_time, running, virtual
from tests.unit.runtime.test_speaker import Play

# --- cuts ---------------------------------------------------------------------------------------------------------


@virtual
async def test_a_cut_is_heard_at_once_and_the_rest_of_that_speech_never() -> None:
    play = Play()
    async with running(play.speaker.run):
        play.speak(2.0, "Eins.")
        await pass_time(0.5)
        play.speaker.cut("stop_speech")
        play.speak(2.0)
        await pass_time(5)
        play.speak(1.0, "Zwei.", "u2")
        await pass_time(5)
    assert play.heard == [(0, 0.5), (5.5, 6.5)]
    assert play.told()[:4] == [
        (0, "suppress"),
        (0, "started u1 2000"),
        (0.5, "cut u1 500"),
        (0.8, "release 0.8"),
    ]


@virtual
@pytest.mark.parametrize("at_s", [0.05, 0.45, 0.85, 0.95])
async def test_a_cut_at_any_moment(at_s: float) -> None:
    """While the jitter buffer fills, while it plays, while the device drains."""
    play = Play()
    async with running(play.speaker.run):
        play.speak(1.0 if at_s > 0.1 else 0.1, "Ja.")
        await pass_time(at_s)
        play.speaker.cut("stop_speech")
        await pass_time()
        await play.speaker.settled()
        assert asyncio.get_running_loop().time() == 1000 + at_s
        await pass_time(5)
    assert play.heard == ([(0, at_s)] if at_s > 0.1 else [])
    ends = [what for _, what in play.told() if "cut" in what or "finished" in what]
    assert ends == ([f"cut u1 {at_s * 1000:.0f}"] if at_s > 0.1 else [])


@virtual
async def test_a_cut_while_waiting_for_the_floor_drops_what_waits() -> None:
    play = Play()
    async with running(play.speaker.run):
        play.floor.utterance_started()
        play.speak(1.0, "Ja.")
        await pass_time(1)
        play.speaker.cut("stop_speech")
        await pass_time()
        await play.speaker.settled()
        play.floor.utterance_ended()
        await pass_time(5)
    assert play.report.story == []


@virtual
async def test_a_cut_as_soon_as_speech_arrived() -> None:
    play = Play()
    async with running(play.speaker.run):
        await pass_time(1)
        play.speak(1.0, "Ja.")
        play.speaker.cut("stop_speech")
        await play.speaker.settled()
        await pass_time(5)
    assert play.report.story == []


@virtual
async def test_a_cut_while_the_device_opens() -> None:
    play = Play()
    play.sink.open_s = 2.0
    async with running(play.speaker.run):
        play.speak(1.0, "Ja.")
        await pass_time(1)
        play.speaker.cut("stop_speech")
        await pass_time(5)
        assert play.told() == []
        play.speak(1.0, "Doch.")
        await pass_time(5)
    assert len(play.heard) == 1


@virtual
async def test_a_cut_of_nothing_does_nothing() -> None:
    play = Play()
    async with running(play.speaker.run):
        play.speaker.cut("stop_speech")
        await pass_time(1)
        play.speaker.cut("stop_speech")
        play.speak(1.0, "Ja.")
        await pass_time(5)
    assert play.heard == [(1.0, 2.0)]


@virtual
async def test_two_cuts_in_a_row_are_one() -> None:
    play = Play()
    async with running(play.speaker.run):
        play.speak(2.0, "Eins.")
        await pass_time(0.5)
        play.speaker.cut("stop_speech")
        await asyncio.sleep(0)
        play.speaker.cut("stopping")
        await pass_time(5)
    assert [what for _, what in play.told() if "cut" in what] == ["cut u1 500"]


@virtual
async def test_speech_that_arrives_right_after_a_cut_is_heard() -> None:
    play = Play()
    async with running(play.speaker.run):
        play.speak(2.0, "Eins.")
        await pass_time(0.5)
        play.speaker.cut("stop_speech")
        play.speak(1.0, "Zwei.", "u2")
        await pass_time(5)
    assert [line for line in play.told() if " u" in line[1]] == [
        (0, "started u1 2000"),
        (0.5, "cut u1 500"),
        (0.5, "started u2 1000"),
        (1.5, "finished u2 1000"),
    ]


# --- failures -----------------------------------------------------------------------------------------------------


@virtual
async def test_a_device_that_does_not_open_is_told_and_tried_again_with_the_next_speech() -> None:
    play = Play()
    play.sink.open_fails = DeviceError("the loudspeaker is busy")
    async with running(play.speaker.run):
        play.speak(1.0, "Eins.")
        await pass_time(0.1)
        play.speak(1.0)
        await pass_time(1)
        assert play.told() == [(0, "failed: the loudspeaker is busy")], "and nobody was kept from speaking"
        play.sink.open_fails = None
        play.speak(1.0, "Zwei.", "u2")
        await pass_time(5)
    assert [what for _, what in play.report.story[1:]] == [
        "suppress",
        "sound",
        "works",
        "started u2 1000",
        "finished u2 1000",
        "silence",
        "release 2.4",
    ]


@virtual
async def test_a_device_that_failed_is_tried_until_it_is_back_and_then_given_back() -> None:
    play = Play()
    play.sink.open_fails = DeviceError("the loudspeaker is busy")
    async with running(play.speaker.run):
        play.speak(1.0, "Eins.")
        await pass_time(10)
        assert play.told() == [(at, "failed: the loudspeaker is busy") for at in (0, 3, 6, 9)]
        play.sink.open_fails = None
        await pass_time(60)
        assert play.report.story[4:] == [(12, "works")]
        assert play.sink.closed_at == [pytest.approx(1022, abs=0.1)]


@virtual
async def test_the_microphone_is_released_before_a_failed_device_is_closed() -> None:
    play = Play()
    async with running(play.speaker.run):
        play.speak(5.0, "Eins.")
        await pass_time(1.0)
        play.sink.write_fails, play.sink.close_s = DeviceError("pulled out"), 1.5
        await pass_time(4.0)
    cut_at, released = next((at, what) for at, what in play.told() if "cut" in what), play.told()[-1]
    assert released[1] == f"release {cut_at[0] + 0.3:.1f}"


@virtual
async def test_a_device_that_hangs_while_it_opens_keeps_nobody_from_speaking() -> None:
    play = Play()
    play.sink.open_s = 30.0
    async with running(play.speaker.run):
        play.speak(1.0, "Eins.")
        await pass_time(20)
        assert play.told() == []


@virtual
async def test_a_device_that_fails_while_it_plays_is_closed_and_the_rest_is_dropped() -> None:
    play = Play()
    async with running(play.speaker.run):
        play.speak(5.0, "Eins.")
        await pass_time(1.0)
        play.sink.write_fails = DeviceError("pulled out")
        await pass_time(1.0)
        await play.speaker.settled()
        play.sink.write_fails = None
        play.speak(1.0, "Zwei.", "u2")
        await pass_time(5)
    told = [what for _, what in play.told("suppress")]
    assert told[1].startswith("cut u1")
    assert told[2] == "failed: pulled out"
    assert told[-3:-1] == ["started u2 1000", "finished u2 1000"]
    assert len(play.sink.closed_at) == 2


@virtual
async def test_more_than_the_bound_is_refused_and_told_and_what_was_taken_is_heard() -> None:
    play = Play()
    async with running(play.speaker.run):
        for number in range(90):
            play.speak(1.0, "Ja." if number == 0 else None)
        await pass_time(100)
    failures = [what for _, what in play.told() if "failed" in what]
    assert failures == ["failed: more than 60 s of speech waits, the rest of this one is dropped"]
    assert play.heard == [(0, 61)]


@virtual
async def test_speech_that_cannot_be_decoded_is_told_and_not_waited_for() -> None:
    play = Play()
    async with running(play.speaker.run):
        play.speak(1.0, "Ja.", content_type="audio/unheard-of")
        await play.speaker.settled()
        play.speaker.sound(pcm(90.0), 16_000)
        play.speaker.sound(pcm(1.0), 16_000)
        await pass_time(1)
    failures = [what for _, what in play.told() if "failed" in what]
    assert failures == [
        "failed: speech of type audio/unheard-of cannot be decoded; ask the service for PCM",
        "failed: more than 60 s of speech waits, a sound is dropped",
    ]
