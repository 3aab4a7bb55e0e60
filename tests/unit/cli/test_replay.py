from pathlib import Path

import pytest

from satellite.adapters.clock import SystemClock
from satellite.cli.printer import FileTime, Printer
from satellite.cli.replay import verdict
from satellite.cli.terminal import Streams
from satellite.homeassistant.topics import Topics
from satellite.runtime.supervisor import StopCause


@pytest.fixture
async def printer() -> Printer:
    """One that has printed three whole utterances."""
    made = Printer(Path("a.wav"), Topics("b", "c"), FileTime(SystemClock()), Streams(), as_json=False)
    made.utterances = 3
    return made


async def test_a_file_that_was_understood_needs_no_remark(printer: Printer) -> None:
    assert verdict(printer, StopCause.INPUT_ENDED) == (0, None)


async def test_what_is_incomplete_is_counted(printer: Printer) -> None:
    printer.incomplete = 2
    assert verdict(printer, StopCause.INPUT_ENDED) == (0, "a.wav: 2 of 3 utterances are incomplete")


async def test_without_speech_it_says_what_decides(printer: Printer) -> None:
    printer.utterances = 0
    code, remark = verdict(printer, StopCause.INPUT_ENDED)
    assert code == 0
    assert "no speech was found in it" in str(remark)
    assert "--plot" in str(remark)


@pytest.mark.parametrize("cause", [None, StopCause.INPUT_ENDED])
async def test_what_failed_is_a_fault(printer: Printer, cause: StopCause | None) -> None:
    printer.failure = "1.5 s of speech were lost"
    printer.incomplete = 1
    assert verdict(printer, cause) == (1, "a.wav: 1.5 s of speech were lost")


@pytest.mark.parametrize("cause", [StopCause.SIGNAL, StopCause.RELOAD])
async def test_an_interruption_is_told_before_anything_else(printer: Printer, cause: StopCause) -> None:
    printer.failure = "not in time"
    assert verdict(printer, cause) == (130, "interrupted")
