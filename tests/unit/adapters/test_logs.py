import io
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from satellite.adapters.logs import JournalFormatter, is_journal, set_up_logging
from tests.fakes.restored import logging_restored


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    with logging_restored():
        yield


class Log:
    """Standard error, as a file; pytest puts its own in place before each test, so it is set up inside of it."""

    def __init__(self, stream: TextIO, patch: pytest.MonkeyPatch) -> None:
        self._stream = stream
        self._patch = patch

    def set_up(self, level: str, journal_stream: str | None = None) -> None:
        self._patch.setattr(sys, "stderr", self._stream)
        if journal_stream is None:
            self._patch.delenv("JOURNAL_STREAM", raising=False)
        else:
            self._patch.setenv("JOURNAL_STREAM", journal_stream)
        set_up_logging(level)

    def id(self) -> str:
        status = os.fstat(self._stream.fileno())
        return f"{status.st_dev}:{status.st_ino}"

    def lines(self) -> list[str]:
        self._stream.flush()
        self._stream.seek(0)
        return self._stream.read().splitlines()


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    with (tmp_path / "stderr").open("w+") as stream:
        yield Log(stream, monkeypatch)


def raise_deep() -> None:
    raise ValueError("one line\nand another")


def log_a_fault() -> None:
    try:
        raise_deep()
    except ValueError:
        logging.getLogger("satellite.room").exception("it broke")


def test_people_get_plain_lines(log: Log) -> None:
    log.set_up("info")
    logging.getLogger("satellite.room").info("up")
    logging.getLogger("satellite.room").debug("hidden")
    (line,) = log.lines()
    assert line.endswith(" INFO    satellite.room: up")
    assert line[:4].isdigit()


def test_the_journal_gets_the_priority_on_every_line(log: Log) -> None:
    log.set_up("debug", log.id())
    room = logging.getLogger("satellite.room")
    room.debug("d")
    room.info("i")
    room.warning("w")
    room.critical("c")
    room.log(25, "odd")
    lines = log.lines()
    assert [line[:3] for line in lines] == ["<7>", "<6>", "<4>", "<2>", "<6>"]
    assert lines[0] == "<7>satellite.room: d"
    log_a_fault()
    trace = log.lines()[5:]
    assert len(trace) > 5
    assert {line[:3] for line in trace} == {"<3>"}
    assert [trace[0], *trace[-2:]] == [
        "<3>satellite.room: it broke",
        "<3>ValueError: one line",
        "<3>and another",
    ]


def test_an_inherited_name_of_another_stream_counts_for_nothing(log: Log) -> None:
    log.set_up("warning", "1:2")
    logging.getLogger("satellite").warning("up")
    assert log.lines()[0].endswith(" WARNING satellite: up")


def test_a_stream_without_a_number_is_no_journal() -> None:
    assert not is_journal(io.StringIO(), "1:2")
    closed = io.TextIOWrapper(io.BytesIO())
    closed.close()
    assert not is_journal(closed, "1:2")


def test_set_up_again_it_says_everything_once(log: Log) -> None:
    log.set_up("debug")
    log.set_up("error")
    logging.getLogger("satellite").warning("hidden")
    logging.getLogger("satellite").error("once")
    assert len(log.lines()) == 1


def test_an_empty_message_is_no_line_of_the_journal() -> None:
    record = logging.LogRecord("satellite", logging.INFO, "", 0, "", None, None)
    assert JournalFormatter("%(message)s").format(record) == ""


@pytest.mark.parametrize(
    "name", ["", "websockets", "websockets.client", "mqtt", "paho", "asyncio", "aiomqtt", "concurrent"]
)
def test_libraries_stay_quiet_at_debug(log: Log, name: str) -> None:
    log.set_up("debug")
    library = logging.getLogger(name)
    assert not library.isEnabledFor(logging.INFO)
    library.debug("payload")
    library.info("payload")
    assert log.lines() == []
