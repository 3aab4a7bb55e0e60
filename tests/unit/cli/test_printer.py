import asyncio
import io
import json
from pathlib import Path
from typing import Any

import pytest

from satellite.cli import printer as printer_module
from satellite.cli.printer import FileTime, GaveUpError, Printer, Progress, minutes
from satellite.cli.terminal import Streams, Terminal
from satellite.homeassistant.messages import Message
from satellite.homeassistant.payloads import rfc3339_ms
from satellite.homeassistant.topics import Topics
from tests.fakes.tty import tty

TOPICS = Topics("home/up/voice", "sat")
BEGAN = 1_700_000_000.0


class Hands:
    """ports.Clock that a test sets."""

    def __init__(self) -> None:
        self.now = BEGAN

    def monotonic(self) -> float:
        raise AssertionError("times in a file come from the wall clock, as those of the messages")

    def wall(self) -> float:
        return self.now


class Stage:
    """A printer whose output can be read; the file began at BEGAN."""

    def __init__(self, *, as_json: bool = False) -> None:
        self._out, self._err = io.StringIO(), io.StringIO()
        streams = Streams()
        streams.out, streams.err = Terminal(self._out, {}), Terminal(self._err, {})
        clock = Hands()
        time = FileTime(clock)
        clock.now += 0.1
        time.heard(0.1)
        self.printer = Printer(Path("a.wav"), TOPICS, time, streams, as_json=as_json)

    def publish(self, name: str, **body: Any) -> None:
        self.printer.publish(Message(f"{TOPICS.root}/{name}", json.dumps(body).encode()))

    def segment(self, name: str, language: str, text: str, start_s: float) -> None:
        times = {"start": rfc3339_ms(BEGAN + start_s), "end": rfc3339_ms(BEGAN + start_s + 1)}
        self.publish(name, language=language, text=text, **times)

    def utterance(self, *, complete: bool) -> None:
        self.publish("utterance", complete=complete, start=rfc3339_ms(BEGAN), end=rfc3339_ms(BEGAN + 2))

    def problem(self, code: str | None, message: str = "", hint: str | None = None) -> None:
        self.publish("problem", active=code is not None, code=code, message=message, hint=hint)

    @property
    def out(self) -> list[str]:
        return self._out.getvalue().splitlines()

    @property
    def err(self) -> list[str]:
        return self._err.getvalue().splitlines()


@pytest.fixture
async def stage() -> Stage:
    return Stage()


async def test_text_is_printed_with_its_time_in_the_file(stage: Stage) -> None:
    stage.segment("transcript/tentative", "en", "Goo", 0.8)
    stage.segment("transcript", "en", "Good\x1b[2J morning.", 0.84)
    stage.segment("translation/de", "de", "Guten Morgen.", 61.26)
    stage.publish("state")
    stage.utterance(complete=True)
    assert stage.out == ["00:00.8  en     Good\N{REPLACEMENT CHARACTER}[2J morning.", "01:01.3  de     Guten Morgen."]
    assert (stage.printer.utterances, stage.printer.incomplete) == (1, 0)
    stage.utterance(complete=False)
    assert (stage.printer.utterances, stage.printer.incomplete) == (2, 1)


async def test_json_has_the_whole_payload_and_the_place() -> None:
    stage = Stage(as_json=True)
    stage.segment("transcript", "en", "Gr\u00fc\u00df dich.", 0.84)
    stage.utterance(complete=True)
    first, second = map(json.loads, stage.out)
    assert {name: first[name] for name in ("file", "kind", "from_s", "to_s", "text")} == {
        "file": "a.wav",
        "kind": "transcript",
        "from_s": 0.84,
        "to_s": 1.84,
        "text": "Gr\u00fc\u00df dich.",
    }
    assert (second["kind"], second["complete"]) == ("utterance", True)
    assert "Gr\u00fc\u00df" in stage.out[0]


async def test_it_serves_until_closed(stage: Stage) -> None:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(stage.printer.run())
        await asyncio.sleep(0)
        assert not task.done()
        assert await stage.printer.flush(1.0)
        assert await stage.printer.close()
        assert await stage.printer.close()
    stage.problem("auth", "too late")
    assert stage.printer.ended_by is None


@pytest.mark.parametrize("code", ["auth", "quota", "rejected", "daily_limit"])
async def test_it_gives_up_where_waiting_helps_no_file(stage: Stage, code: str) -> None:
    stage.problem(code, "no", "do this")
    with pytest.raises(GaveUpError):
        await stage.printer.run()
    assert (stage.printer.failure, stage.printer.is_hopeless) == ("no (do this)", True)


async def test_a_file_that_cannot_be_played_is_no_matter_of_microphones(stage: Stage) -> None:
    stage.problem("microphone", "a.wav is gone", "see `voice-satellite devices`")
    with pytest.raises(GaveUpError):
        await stage.printer.run()
    assert (stage.printer.failure, stage.printer.is_hopeless) == ("a.wav is gone", False)


async def test_an_unreachable_service_gets_some_time(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printer_module, "GIVE_UP_AFTER_S", 0.05)
    stage.problem("unreachable", "refused")
    stage.problem("unreachable", "timed out")
    stage.problem("rate_limited", "slow down", "later")
    with pytest.raises(GaveUpError):
        await stage.printer.run()
    mend = "check the network and the service's base_url in the configuration"
    assert stage.err == [f"voice-satellite: a.wav: refused ({mend}); trying again for 0 s"]
    assert (stage.printer.failure, stage.printer.is_hopeless) == ("slow down (later)", False)


@pytest.mark.parametrize(("code", "failure"), [(None, None), ("speaker", None), ("audio_lost", "gone")])
async def test_a_service_that_comes_back_is_not_given_up(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, code: str | None, failure: str | None
) -> None:
    monkeypatch.setattr(printer_module, "GIVE_UP_AFTER_S", 0.02)
    stage.problem("unreachable", "refused")
    stage.problem(code, "gone")
    async with asyncio.TaskGroup() as group:
        task = group.create_task(stage.printer.run())
        await asyncio.sleep(0.05)
        assert not task.done()
        await stage.printer.close()
    assert (stage.printer.failure, stage.printer.is_hopeless) == (failure, False)


async def test_the_end_ends_the_waiting_too(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printer_module, "GIVE_UP_AFTER_S", 0.02)
    stage.problem("unreachable", "refused")
    await stage.printer.close()
    await stage.printer.run()
    await asyncio.sleep(0.05)
    assert stage.printer.ended_by is None


async def test_without_a_reader_it_ends(stage: Stage) -> None:
    class Gone(io.StringIO):
        def flush(self) -> None:
            raise BrokenPipeError

    gone = Streams()
    gone.out = Terminal(Gone(), {})
    printer = Printer(Path("a.wav"), TOPICS, FileTime(Hands()), gone, as_json=False)
    stage.printer = printer
    stage.segment("transcript", "en", "a", 0.0)
    stage.segment("transcript", "en", "b", 0.0)
    with pytest.raises(BrokenPipeError):
        await printer.run()
    assert isinstance(printer.ended_by, BrokenPipeError)


# --- time in a file ---------------------------------------------------------------------------------------------


def test_times_count_from_the_beginning_of_the_file() -> None:
    clock = Hands()
    time = FileTime(clock)
    assert time.seconds_at(BEGAN) == 0.0
    for late_s, seconds in ((0.13, 0.1), (0.11, 0.2), (0.1, 0.3), (0.2, 0.4)):
        clock.now = BEGAN + seconds + late_s
        time.heard(seconds)
    assert time.seconds_at(BEGAN + 0.1) == pytest.approx(0.0)
    assert time.seconds_at(BEGAN + 0.35) == pytest.approx(0.25)
    assert time.seconds_at(BEGAN - 5) == 0.0


def test_times_stay_true_when_the_machine_could_not_keep_up() -> None:
    clock = Hands()
    time = FileTime(clock)
    for now, seconds in ((0.1, 0.1), (10.0, 10.0), (13.1, 10.1), (14.0, 11.0)):
        clock.now = BEGAN + now
        time.heard(seconds)
    assert time.seconds_at(BEGAN + 9.5) == pytest.approx(9.5)
    assert time.seconds_at(BEGAN + 13.5) == pytest.approx(10.5)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "00:00.0"), (59.96, "01:00.0"), (61.25, "01:01.2"), (6_000, "100:00.0")]
)
def test_minutes(seconds: float, text: str) -> None:
    assert minutes(seconds) == text


# --- progress ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (80, "####################--------------------    2.0 of 4.0 s"),
        (30, "######-----    2.0 of 4.0 s"),
        (18, "    2.0 of 4.0…"),
    ],
)
def test_the_bar_has_the_room_there_is(columns: int, expected: str) -> None:
    with tty(columns) as screen:
        Progress(Terminal(screen.stream, {"TERM": "xterm"}), 4.0).heard(2.0)
        assert screen.seen() == [expected]


def test_the_bar_goes_no_further_than_the_end() -> None:
    with tty() as screen:
        progress = Progress(Terminal(screen.stream, {"TERM": "xterm"}), 4.0)
        progress.ready()
        progress.watchdog()
        assert progress.watchdog_interval_s() is None
        progress.heard(4.1)
        assert screen.seen() == ["#" * 40 + "    4.1 of 4.0 s"]
        progress.stopping()
        progress.heard(4.2)
        assert screen.seen() == ["waiting for the last words; Ctrl-C ends at once"]
