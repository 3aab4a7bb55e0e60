"""Pieces to the device, and what is heard told at that moment."""

import asyncio

import pytest

from satellite.errors import DeviceError
from satellite.runtime.intake import Passage, Piece
from satellite.runtime.loudspeaker import Loudspeaker
from tests.fakes.loudspeaker import ScriptedSink
from tests.fakes.stage import pcm
from tests.fakes.virtual_time import pass_time, virtual


class Report:
    """loudspeaker.SpeechReport, on one line per word."""

    def __init__(self) -> None:
        self.story: list[tuple[float, str]] = []

    def playing(self, is_heard: bool) -> None:
        self.tell("sound" if is_heard else "silence")

    def speech_event(self, event: str, passage: Passage, duration_ms: int) -> None:
        self.tell(f"{event} {passage.utterance_id} {duration_ms}")

    def speaker_failed(self, detail: str) -> None:
        self.tell(f"failed: {detail}")

    def speaker_works(self) -> None:
        self.tell("works")

    def tell(self, what: str) -> None:
        self.story.append((round(asyncio.get_running_loop().time() - 1000, 3), what))


class Play:
    """A loudspeaker and what was told of it."""

    def __init__(self) -> None:
        self.sink, self.report = ScriptedSink(), Report()
        self.loudspeaker = Loudspeaker(self.sink, self.report, lambda: self.report.tell("floor"))
        self.loudspeaker.volume_percent = 100

    @property
    def story(self) -> list[tuple[float, str]]:
        return self.report.story


def speech(utterance_id: str = "u1", announced_ms: int = 500) -> Passage:
    return Passage(utterance_id, "de", "Ja.", announced_ms)


def piece(passage: Passage, seconds: float, rate_hz: int = 16_000) -> Piece:
    return Piece(passage, pcm(seconds, rate_hz), rate_hz)


@virtual
async def test_one_passage_from_its_first_to_its_last_sample() -> None:
    play, passage = Play(), speech()
    await play.loudspeaker.sound(piece(passage, 0.4))
    await play.loudspeaker.sound(piece(passage, 0.6))
    await play.loudspeaker.drain()
    play.loudspeaker.end()
    assert play.story == [
        (0, "floor"),
        (0, "sound"),
        (0, "works"),
        (0, "started u1 500"),
        (1.0, "finished u1 1000"),
        (1.0, "silence"),
    ]
    (heard,) = play.sink.heard
    assert (heard.start, round(heard.end, 3)) == (1000.0, 1001.0)


@virtual
async def test_the_next_passage_begins_when_the_one_before_was_heard() -> None:
    play = Play()
    await play.loudspeaker.sound(piece(speech("u1"), 0.5))
    await play.loudspeaker.sound(piece(speech("u2"), 0.5))
    await play.loudspeaker.drain()
    play.loudspeaker.end()
    assert [line for line in play.story if " u" in line[1]] == [
        (0, "started u1 500"),
        (0.5, "finished u1 500"),
        (0.5, "started u2 500"),
        (1.0, "finished u2 500"),
    ]
    assert [line for line in play.story if line[1] in ("sound", "silence")] == [(0, "sound"), (1.0, "silence")]


@virtual
async def test_a_sound_that_is_no_speech_is_heard_and_has_no_events() -> None:
    play = Play()
    await play.loudspeaker.sound(piece(Passage(None, ""), 0.5))
    await play.loudspeaker.drain()
    play.loudspeaker.end()
    assert [what for _, what in play.story] == ["floor", "sound", "works", "silence"]


@virtual
async def test_volume_is_heard_at_the_next_tenth_of_a_second() -> None:
    play, passage = Play(), speech()
    play.loudspeaker.volume_percent = 50
    async with asyncio.TaskGroup() as group:
        group.create_task(play.loudspeaker.sound(piece(passage, 1.0)))
        await pass_time(0.45)
        play.loudspeaker.volume_percent = 0
    levels = [play.sink.heard[0].pcm[2 * at : 2 * at + 2] for at in range(800, 16_000, 1600)]
    assert levels[:6] == [(250).to_bytes(2, "little")] * 6, "a quarter of the amplitude"
    assert levels[-3:] == [bytes(2)] * 3


@virtual
async def test_the_device_is_opened_once_per_rate() -> None:
    play, passage = Play(), speech()
    is_open = [play.loudspeaker.is_open]
    for rate_hz in (16_000, 16_000, 24_000, 24_000, 16_000):
        await play.loudspeaker.sound(piece(passage, 0.3, rate_hz))
    is_open.append(play.loudspeaker.is_open)
    assert play.sink.opened == [16_000, 24_000, 16_000]
    assert [round(heard.end - heard.start, 3) for heard in play.sink.heard] == [0.6, 0.6, 0.3], "nothing is cut off"
    await play.loudspeaker.close()
    is_open.append(play.loudspeaker.is_open)
    assert is_open == [False, True, False]


@virtual
async def test_a_cut_is_told_with_what_was_heard() -> None:
    play = Play()
    await play.loudspeaker.sound(piece(speech(), 1.0))
    await play.loudspeaker.cut()
    assert play.story[-2:] == [(0.8, "cut u1 800"), (0.8, "silence")]
    assert play.sink.heard[0].end == pytest.approx(1000.8)


@virtual
async def test_a_cut_before_anything_was_heard_tells_nothing() -> None:
    play = Play()
    await play.loudspeaker.cut()
    assert play.story == []


@virtual
async def test_a_device_that_does_not_open_was_never_heard() -> None:
    play = Play()
    play.sink.open_fails = DeviceError("busy")
    with pytest.raises(DeviceError):
        await play.loudspeaker.sound(piece(speech(), 1.0))
    play.loudspeaker.fail()
    assert (play.story, play.loudspeaker.is_open, play.loudspeaker.has_failed) == ([], False, True)


@virtual
async def test_a_device_that_failed_is_back_when_it_opens() -> None:
    play = Play()
    play.loudspeaker.fail()
    play.sink.open_fails = DeviceError("still busy")
    with pytest.raises(DeviceError):
        await play.loudspeaker.retry()
    assert play.loudspeaker.has_failed
    play.sink.open_fails = None
    await play.loudspeaker.retry()
    assert (play.loudspeaker.is_open, play.loudspeaker.has_failed) == (True, False)
    assert [what for _, what in play.story] == ["works"]


@virtual
async def test_a_device_that_fails_while_it_plays() -> None:
    play, passage = Play(), speech()
    await play.loudspeaker.sound(piece(passage, 0.5))
    play.sink.write_fails = DeviceError("pulled out")
    with pytest.raises(DeviceError):
        await play.loudspeaker.sound(piece(passage, 0.5))
    play.loudspeaker.fail()
    assert play.story[-2:] == [(0.3, "cut u1 400"), (0.3, "silence")]
    await play.loudspeaker.close()
    assert play.sink.closed_at == [pytest.approx(1000.3)]


@virtual
async def test_a_closed_device_needs_no_draining() -> None:
    play = Play()
    await play.loudspeaker.drain()
    play.loudspeaker.end()
    assert play.story == []
