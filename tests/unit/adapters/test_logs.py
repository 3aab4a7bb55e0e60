import errno
import io
import logging
import os
import socket
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TextIO

import pytest

from satellite.adapters import logs
from satellite.adapters.logs import CHAIN_MAX, WITHHELD, JournalFormatter, is_journal, set_up_logging
from satellite.errors import DeviceError, SatelliteError
from tests.fakes.restored import logging_restored


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    with logging_restored():
        yield


class Log:
    """Standard error, as a file; pytest puts its own in place before each test, so it is set up inside of it."""

    def __init__(self, stream: TextIO, journal: Path, patch: pytest.MonkeyPatch) -> None:
        self._stream = stream
        self._journal = journal
        self._patch = patch

    def set_up(self, level: str, journal_stream: str | None = None) -> None:
        self._patch.setattr(sys, "stderr", self._stream)
        self._patch.setattr(logs, "JOURNAL_SOCKET", str(self._journal))
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
        yield Log(stream, tmp_path / "journal", monkeypatch)


class Journal:
    """Stands for journald: entries as its native protocol has them."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(5.0)

    def close(self) -> None:
        self._socket.close()

    def entry(self) -> dict[str, str]:
        """The next one."""
        rest, fields = self._socket.recv(1 << 20), {}
        while rest:
            line, _, rest = rest.partition(b"\n")
            name, is_plain, value = line.partition(b"=")
            if not is_plain:
                length = int.from_bytes(rest[:8], "little")
                value, end, rest = rest[8 : 8 + length], rest[8 + length : 9 + length], rest[9 + length :]
                assert end == b"\n"
            assert name.decode() not in fields
            fields[name.decode()] = value.decode()
        return fields


@pytest.fixture
def journal(log: Log, tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "journal")
    log.set_up("debug", log.id())
    yield made
    made.close()


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


def test_the_journal_gets_entries_with_fields(log: Log, journal: Journal) -> None:
    ids = {"session_id": "0123456789abcdef", "utterance_id": "u1", "code": "auth"}
    logging.getLogger("satellite.room").warning("it %s", "broke", extra=ids)
    entry = journal.entry()
    assert Path(entry.pop("CODE_FILE")) == Path(__file__)
    assert int(entry.pop("CODE_LINE")) > 0
    assert entry == {
        "MESSAGE": "satellite.room: it broke",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "voice-satellite",
        "CODE_FUNC": "test_the_journal_gets_entries_with_fields",
        "VOICE_SATELLITE_SESSION": "0123456789abcdef",
        "VOICE_SATELLITE_UTTERANCE": "u1",
        "VOICE_SATELLITE_CODE": "auth",
    }
    assert log.lines() == []


def test_the_journal_gets_a_trace_as_one_entry(journal: Journal) -> None:
    log_a_fault()
    entry = journal.entry()
    lines = entry["MESSAGE"].splitlines()
    assert [lines[0], lines[-1]] == ["satellite.room: it broke", f"ValueError: ({WITHHELD})"]
    assert len(lines) > 5
    assert entry["PRIORITY"] == "3"


def test_each_level_has_its_priority(journal: Journal) -> None:
    for level in (logging.DEBUG, logging.INFO, 25, logging.WARNING, logging.ERROR, logging.CRITICAL):
        logging.getLogger("satellite").log(level, "x")
    assert [journal.entry()["PRIORITY"] for _ in range(6)] == ["7", "6", "6", "4", "3", "2"]


def test_a_field_holds_an_id_and_nothing_else(journal: Journal) -> None:
    for unfit in ("", "what somebody said", "a\nPRIORITY=0", "x" * 65, 7, None, "caf\u00e9"):
        logging.getLogger("satellite").info("x", extra={"session_id": unfit, "code": "auth"})
        entry = journal.entry()
        assert "VOICE_SATELLITE_SESSION" not in entry
        assert entry["VOICE_SATELLITE_CODE"] == "auth"


def test_what_libraries_hand_over_is_no_field(journal: Journal) -> None:
    logging.getLogger("websockets").error(SAID, extra={"code": SAID, "session_id": SAID})
    entry = journal.entry()
    assert SAID not in str(entry)
    assert "VOICE_SATELLITE_CODE" not in entry


def test_what_the_journal_does_not_take_is_written_as_lines(log: Log, journal: Journal) -> None:
    journal.close()
    logging.getLogger("satellite").warning("gone")
    assert log.lines() == ["<4>satellite: gone"]


LONG = "x" * 2_000_000


def test_what_is_too_long_for_a_datagram_goes_whole_by_the_library(
    log: Log, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: list[str] = []
    library = SimpleNamespace(sendv=lambda *fields: handed.extend(fields))
    monkeypatch.setitem(sys.modules, "systemd.journal", library)
    logging.getLogger("satellite").info(LONG, extra={"code": "auth"})
    assert f"MESSAGE=satellite: {LONG}" in handed
    assert "VOICE_SATELLITE_CODE=auth" in handed
    assert log.lines() == []


def test_what_is_too_long_is_written_as_a_line_where_the_library_is_not_or_fails(
    log: Log, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: str) -> None:
        raise OSError(errno.ENOENT, "no journal")

    for library in (None, SimpleNamespace(sendv=refuse)):
        monkeypatch.setitem(sys.modules, "systemd.journal", library)
        logging.getLogger("satellite").info(LONG)
    assert [line[3:] for line in log.lines()] == [f"satellite: {LONG}"] * 2


def test_a_journal_that_is_behind_is_not_waited_for(log: Log, journal: Journal) -> None:
    for _ in range(5000):
        logging.getLogger("satellite").info("x")
    assert "<6>satellite: x" in log.lines()
    assert journal.entry()["MESSAGE"] == "satellite: x"


def test_a_call_that_cannot_be_written_raises_nothing(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    logging.getLogger("satellite").info("%d", "no number")
    logging.getLogger("satellite").info("next")
    assert journal.entry()["MESSAGE"] == "satellite: next"


def test_without_its_socket_the_journal_gets_the_priority_on_every_line(log: Log) -> None:
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
    assert [trace[0], trace[-1]] == ["<3>satellite.room: it broke", f"<3>ValueError: ({WITHHELD})"]


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


# --- what is kept out -----------------------------------------------------------------------------------------------

SAID = "what-was-said-0123"


def told(log: Log, error: BaseException) -> str:
    """What the log holds of an exception raised and logged."""
    try:
        raise error  # noqa: TRY301 - the trace is to name this place
    except BaseException:
        logging.getLogger("satellite.room").exception("it broke")
    return "\n".join(log.lines())


class StrangersError(Exception):
    pass


@pytest.mark.parametrize(
    "error",
    [
        ValueError(SAID),
        KeyError(SAID),
        RuntimeError(SAID),
        OSError(SAID),
        OSError(2, SAID, SAID),
        TypeError(SAID),
        StrangersError(SAID),
        UnicodeDecodeError("utf-8", SAID.encode(), 0, 1, SAID),
        ExceptionGroup(SAID, [ValueError(SAID), ExceptionGroup(SAID, [KeyError(SAID)])]),
        SystemExit(SAID),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_trace_tells_where_and_not_what(log: Log, error: BaseException) -> None:
    log.set_up("debug")
    said = told(log, error)
    assert SAID not in said
    assert f"{type(error).__name__}: " in said
    assert "in told" in said


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (DeviceError("microphone hw:1 was lost:\n\x1b[31m gone"), "DeviceError: microphone hw:1 was lost: ?[31m gone"),
        (SatelliteError("x" * 9999), "SatelliteError: " + "x" * 500),
        (AttributeError("'None' has no attribute 'run'"), "AttributeError: 'None' has no attribute 'run'"),
        (FileNotFoundError(2, SAID, SAID), "FileNotFoundError: No such file or directory"),
    ],
    ids=["ours", "long", "the interpreter's", "the system's"],
)
def test_texts_without_data_are_told(log: Log, error: Exception, text: str) -> None:
    log.set_up("debug")
    said = told(log, error)
    assert said.endswith(text)
    assert SAID not in said


def test_causes_and_members_are_told_too(log: Log) -> None:
    log.set_up("debug")
    first, second, third = ValueError(SAID), KeyError(SAID), DeviceError("gone")
    second.__cause__, third.__context__ = first, second
    said = told(log, ExceptionGroup(SAID, [third]))
    order = [said.index(part) for part in ("ExceptionGroup", "ValueError", "which led to", "KeyError", "and while")]
    assert order == sorted(order)
    assert said.endswith("  satellite.errors.DeviceError: gone")


def test_a_suppressed_context_is_not_told(log: Log) -> None:
    log.set_up("debug")
    error = DeviceError("gone")
    error.__context__, error.__suppress_context__ = ValueError(SAID), True
    assert "ValueError" not in told(log, error)


def test_a_ring_of_causes_ends(log: Log) -> None:
    log.set_up("debug")
    first, second = ValueError(SAID), KeyError(SAID)
    first.__context__, second.__context__ = second, first
    assert told(log, DeviceError("gone")).count("ValueError") == 0
    first.__cause__ = second
    assert told(log, first).count("KeyError") == 1


def test_a_long_chain_is_cut(log: Log) -> None:
    log.set_up("debug")
    said = told(log, ExceptionGroup("many", [ValueError(SAID) for _ in range(1000)]))
    assert said.count("ValueError") == CHAIN_MAX - 1


def test_of_libraries_only_the_place_is_told(log: Log) -> None:
    log.set_up("debug")
    logging.getLogger().setLevel(logging.DEBUG)
    logging.getLogger("websockets.client").debug("< TEXT %r", SAID)
    callback = f"Exception in callback f({SAID!r})"
    logging.getLogger("asyncio").error(callback, exc_info=ValueError(SAID))
    lines = log.lines()
    assert lines[0].endswith(f"DEBUG   websockets.client: a word from test_logs:{place(1)} ({WITHHELD})")
    assert SAID not in "\n".join(lines)
    assert lines[-1] == f"ValueError: ({WITHHELD})"


def place(lines_below: int) -> int:
    """The line in the caller's source that many after its call of `setLevel`."""
    source = Path(__file__).read_text().splitlines()
    return source.index("    logging.getLogger().setLevel(logging.DEBUG)") + 1 + lines_below


def unraisable() -> None:
    class Falling:
        def __del__(self) -> None:
            raise ValueError(SAID)

    Falling()


def uncaught() -> None:
    sys.excepthook(ValueError, ValueError(SAID), None)


def in_a_thread() -> None:
    def fall() -> None:
        raise ValueError(SAID)

    thread = threading.Thread(target=fall)
    thread.start()
    thread.join()


def warned() -> None:
    warnings.showwarning(UserWarning(SAID), UserWarning, SAID, 1)


@pytest.mark.parametrize("fall", [unraisable, uncaught, in_a_thread, warned])
def test_what_python_prints_goes_the_same_way(
    log: Log, capfd: pytest.CaptureFixture[str], fall: Callable[[], None]
) -> None:
    log.set_up("info")
    fall()
    said = "\n".join(log.lines())
    assert WITHHELD in said
    assert SAID not in said + "".join(capfd.readouterr())
