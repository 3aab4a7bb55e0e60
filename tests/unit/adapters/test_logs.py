import io
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from satellite.adapters.logs import JournalFormatter, is_journal, set_up_logging


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("satellite")
    handlers, levels = list(root.handlers), (root.level, ours.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


@pytest.fixture
def stderr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TextIO]:
    with (tmp_path / "stderr").open("w+") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        yield stream


def written(stream: TextIO) -> str:
    stream.flush()
    stream.seek(0)
    return stream.read()


def stream_id(stream: TextIO) -> str:
    status = os.fstat(stream.fileno())
    return f"{status.st_dev}:{status.st_ino}"


def raise_deep() -> None:
    raise ValueError("one line\nand another")


def log_a_fault() -> None:
    try:
        raise_deep()
    except ValueError:
        logging.getLogger("satellite.room").exception("it broke")


def test_people_get_plain_lines(stderr: TextIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    set_up_logging("info")
    logging.getLogger("satellite.room").info("up")
    logging.getLogger("satellite.room").debug("hidden")
    (line,) = written(stderr).splitlines()
    assert line.endswith(" INFO    satellite.room: up")
    assert line[:4].isdigit()


def test_the_journal_gets_the_priority_on_every_line(stderr: TextIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", stream_id(stderr))
    set_up_logging("debug")
    room = logging.getLogger("satellite.room")
    room.debug("d")
    room.info("i")
    room.warning("w")
    room.critical("c")
    room.log(25, "odd")
    lines = written(stderr).splitlines()
    assert [line[:3] for line in lines] == ["<7>", "<6>", "<4>", "<2>", "<6>"]
    assert lines[0] == "<7>satellite.room: d"
    log_a_fault()
    trace = written(stderr).splitlines()[5:]
    assert len(trace) > 5
    assert {line[:3] for line in trace} == {"<3>"}
    assert [trace[0], *trace[-2:]] == [
        "<3>satellite.room: it broke",
        "<3>ValueError: one line",
        "<3>and another",
    ]


def test_an_inherited_name_of_another_stream_counts_for_nothing(
    stderr: TextIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    set_up_logging("warning")
    logging.getLogger("satellite").warning("up")
    assert written(stderr).endswith(" WARNING satellite: up\n")


def test_a_stream_without_a_number_is_no_journal() -> None:
    assert not is_journal(io.StringIO(), "1:2")
    closed = io.TextIOWrapper(io.BytesIO())
    closed.close()
    assert not is_journal(closed, "1:2")


def test_set_up_again_it_says_everything_once(stderr: TextIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    set_up_logging("debug")
    set_up_logging("error")
    logging.getLogger("satellite").warning("hidden")
    logging.getLogger("satellite").error("once")
    assert written(stderr).count("\n") == 1


def test_an_empty_message_is_no_line_of_the_journal() -> None:
    record = logging.LogRecord("satellite", logging.INFO, "", 0, "", None, None)
    assert JournalFormatter("%(message)s").format(record) == ""


@pytest.mark.parametrize(
    "name", ["", "websockets", "websockets.client", "mqtt", "paho", "asyncio", "aiomqtt", "concurrent"]
)
def test_libraries_stay_quiet_at_debug(stderr: TextIO, name: str) -> None:
    set_up_logging("debug")
    library = logging.getLogger(name)
    assert not library.isEnabledFor(logging.INFO)
    library.debug("payload")
    library.info("payload")
    assert written(stderr) == ""
