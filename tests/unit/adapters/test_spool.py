"""The spool on a real disk: what outlasts the process, and what a damaged, full or shared disk does to it."""

import contextlib
import errno
import logging
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from satellite.adapters.outbox import Entry
from satellite.adapters.spool import DiskSpool
from satellite.adapters.spool_file import SCHEMA_VERSION, SET_ASIDE_MAX
from satellite.homeassistant.messages import Delivery, Message
from tests.fakes.daemon import unmeasured

ROOT = Path(__file__).parents[3]
WAIT_S = 20.0


def message(text: str, topic: str = "voice-satellite/kitchen/transcript", *, retain: bool = False) -> Message:
    return Message(topic, text.encode(), retain)


def keep(spool: DiskSpool, *texts: str, first: int = 1) -> None:
    for number, text in enumerate(texts, first):
        spool.keep(Entry(number, message(text)))


def texts(entries: list[Entry]) -> list[str]:
    return [entry.message.payload.decode() for entry in entries]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "state"


@contextlib.contextmanager
def spool(directory: Path, retry_s: float = 1000.0) -> Iterator[DiskSpool]:
    opened = DiskSpool(directory, retry_s)
    try:
        yield opened
    finally:
        opened.close(WAIT_S)


def left(directory: Path) -> list[str]:
    """What the next process finds."""
    with spool(directory) as opened:
        return texts(opened.load())


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def stored(directory: Path, *given: str) -> Path:
    with spool(directory) as first:
        assert first.load() == []
        keep(first, *given)
    return directory / "spool.db"


def killed(directory: Path) -> Path:
    """The directory as a process leaves it that is killed now."""
    copy = directory.with_name(f"{directory.name}-killed")
    shutil.copytree(directory, copy)
    return copy


# --- what is stored ---------------------------------------------------------------------------------------------


def test_messages_outlast_the_process_in_order_and_whole(directory: Path) -> None:
    given = [
        message("{}", retain=True),
        Message("voice-satellite/kitchen/translation/de", "Grüße, 今日は\0".encode(), retain=False, qos=1),
        message(""),
        message("x" * 100_000),
    ]
    with spool(directory) as first:
        assert first.load() == []
        for number, one in enumerate(given, 5):
            first.keep(Entry(number, one))
        assert first.settle(WAIT_S)
        rest = killed(directory)
    for place in (rest, directory):
        with spool(place) as second:
            assert [entry.message for entry in second.load()] == given
    assert all(one.delivery is Delivery.CONCLUDED for one in given)


def test_what_is_forgotten_does_not_come_back_and_an_empty_spool_leaves_no_file(directory: Path) -> None:
    with spool(directory) as first:
        first.load()
        keep(first, "1", "2", "3")
        assert first.settle(WAIT_S)
        first.forget(2)
        first.forget(77)
        assert first.settle(WAIT_S)
        assert left(killed(directory)) == ["1", "3"]
        first.forget(1)
        first.forget(3)
        assert first.settle(WAIT_S)
        assert names(directory) == []
        keep(first, "4", first=4)
    assert left(directory) == ["4"]


def test_a_directory_that_cannot_be_looked_at_keeps_nothing_and_stops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A name too long for the disk is to anybody what a closed directory is to all but root."""
    closed = DiskSpool(tmp_path / ("x" * 300))
    assert closed.load() == []
    keep(closed, "1")
    assert closed.close(WAIT_S) == 1
    assert "kept in memory only" in caplog.text


def test_a_file_that_cannot_be_removed_yet_is_removed_later(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = [OSError(errno.EIO, "Input/output error")] * 2
    unlink = Path.unlink

    def reluctant(path: Path, missing_ok: bool = False) -> None:
        if path.name == "spool.db" and refusals:
            raise refusals.pop()
        unlink(path, missing_ok)

    with spool(directory, retry_s=0.01) as first:
        first.load()
        keep(first, "1")
        assert first.settle(WAIT_S)
        monkeypatch.setattr(Path, "unlink", reluctant)
        first.forget(1)
        assert first.settle(WAIT_S)
    assert (names(directory), refusals) == ([], [])


def test_what_an_earlier_process_left_is_kept_until_it_is_forgotten(directory: Path) -> None:
    stored(directory, "1", "2")
    with spool(directory) as second:
        entries = second.load()
        keep(second, "3", first=1 + entries[-1].number)
        second.forget(entries[0].number)
    assert left(directory) == ["2", "3"]
    with spool(directory) as third:
        for entry in third.load():
            third.forget(entry.number)
        assert third.settle(WAIT_S)
        assert names(directory) == []


def test_a_message_is_stored_once(directory: Path) -> None:
    with spool(directory) as first:
        first.load()
        keep(first, "1")
        assert first.settle(WAIT_S)
        keep(first, "1", "2")
    assert left(directory) == ["1", "2"]


def test_nothing_is_opened_before_the_first_message(tmp_path: Path) -> None:
    code = """
import os, sys
from pathlib import Path
from satellite.adapters.spool import DiskSpool
spool = DiskSpool(Path(sys.argv[1]))
assert spool.load() == []
spool.forget(1)
assert spool.close(1) == 0
assert "sqlite3" not in sys.modules
assert not os.path.exists(sys.argv[1])
"""
    command = [sys.executable, "-c", code, str(tmp_path / "none")]
    subprocess.run(command, check=True, cwd=ROOT, env=unmeasured(), timeout=WAIT_S)


def test_only_the_owner_may_read_what_was_said(directory: Path) -> None:
    with spool(directory) as first:
        first.load()
        keep(first, "private")
        assert first.settle(WAIT_S)
        assert {path.stat().st_mode & 0o077 for path in directory.iterdir()} == {0}
        assert len(names(directory)) == 2
    assert directory.stat().st_mode & 0o077 == 0


def test_many_messages_are_one_transaction(directory: Path) -> None:
    """A card that takes a second for each must not have to take a hundred."""
    with spool(directory) as first:
        first.load()
        keep(first, *(str(number) for number in range(2000)))
        assert first.settle(WAIT_S)
        assert (directory / "spool.db-wal").stat().st_size < 2_000_000
    assert left(directory) == [str(number) for number in range(2000)]


# --- a process that is killed -----------------------------------------------------------------------------------

WRITER = """
import sys
from pathlib import Path
from satellite.adapters.outbox import Entry
from satellite.adapters.spool import DiskSpool
from satellite.homeassistant.messages import Message
spool = DiskSpool(Path(sys.argv[1]))
entries = spool.load()
print("left", *(entry.message.payload.decode() for entry in entries), flush=True)
number = 1 + max((entry.number for entry in entries), default=0)
serial = 1 + max((int(entry.message.payload) for entry in entries), default=0)
waiting = [entry.number for entry in entries]
while True:
    for _ in range(serial % 4 + 1):
        spool.keep(Entry(number, Message("topic", b"%d" % serial)))
        waiting.append(number)
        number, serial = number + 1, serial + 1
    while len(waiting) > 40:
        spool.forget(waiting.pop(0))
    spool.settle(10)
    print("stored", serial - 1, flush=True)
"""


def test_whenever_the_process_is_killed_what_was_stored_is_there(directory: Path) -> None:
    last = 0
    for round_ in range(8):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(directory)], stdout=subprocess.PIPE, cwd=ROOT, text=True
        ) as process:
            assert process.stdout is not None
            found = [int(number) for number in process.stdout.readline().split()[1:]]
            # the newest that was told to be stored, none missing in between, and few that were forgotten since
            assert found == list(range(found[0], found[-1] + 1)) if found else last == 0
            assert not found or (found[-1] >= last and len(found) <= 50)
            for _ in range(10 + 7 * round_):
                last = int(process.stdout.readline().split()[1])
            process.send_signal(signal.SIGKILL)
            rest = process.stdout.read().split()
            last = int(rest[-1]) if rest and rest[-1].isdigit() else last


# --- damage -----------------------------------------------------------------------------------------------------


def garbage(path: Path) -> None:
    path.write_bytes(b"this is no database, and it is longer than a page of one. " * 200)


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 + 100)


def cut_short(path: Path) -> None:
    os.truncate(path, 10)


def newer(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")


def foreign(path: Path) -> None:
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE message (text TEXT)")


def a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "something").write_text("in it")


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_broken_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/nowhere/at/all")


def no_text(path: Path) -> None:
    """SQLite names the table in its complaint, which is then no text either."""
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE message", b"CREATE\x81TABLE message"))


def a_flipped_bit(path: Path) -> None:
    data = path.read_bytes()
    at = data.index(b"second message")
    path.write_bytes(data[:at] + b"Second" + data[at + 6 :])


DAMAGES = [garbage, truncated, cut_short, newer, foreign, a_directory, a_pipe, a_broken_link, no_text, a_flipped_bit]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_cannot_be_used_is_set_aside_and_named(
    directory: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    path = stored(directory, "first message", "second message", "third message", *("x" * 1000 for _ in range(20)))
    damage(path)
    with caplog.at_level(logging.INFO), spool(directory) as opened:
        found = opened.load()
        keep(opened, "new", first=100)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1
    assert "spool.db.set-aside-1" in told[0]
    assert "delete it" in told[0]
    assert f"{len(found)} messages were read from it" in told[0]
    assert os.path.lexists(directory / "spool.db.set-aside-1")
    assert left(directory) == [*texts(found), "new"]


def test_what_is_whole_in_a_damaged_file_is_read(directory: Path) -> None:
    path = stored(directory, "first message", "second message", "third message")
    a_flipped_bit(path)
    assert left(directory) == ["first message", "third message"]
    assert left(directory) == ["first message", "third message"]


def test_an_empty_file_is_an_empty_spool(directory: Path) -> None:
    directory.mkdir()
    (directory / "spool.db").touch()
    with spool(directory) as opened:
        assert opened.load() == []
        assert opened.settle(WAIT_S)
        assert names(directory) == []


def test_the_files_set_aside_do_not_fill_the_disk(directory: Path) -> None:
    for _ in range(SET_ASIDE_MAX + 3):
        garbage(stored(directory, "1"))
        assert left(directory) == []
    assert names(directory) == [f"spool.db.set-aside-{number}" for number in range(1, SET_ASIDE_MAX + 1)]


def test_a_file_deleted_in_the_middle_is_made_anew(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    with spool(directory) as opened:
        opened.load()
        keep(opened, "1", "2")
        assert opened.settle(WAIT_S)
        for name in names(directory):
            (directory / name).unlink()
        keep(opened, "3", first=3)
    assert "was deleted; what was in it is stored anew" in caplog.text
    assert left(directory) == ["1", "2", "3"]


def test_the_write_ahead_log_of_a_file_that_is_gone_is_not_replayed(directory: Path) -> None:
    with spool(directory) as opened:
        opened.load()
        keep(opened, "old")
        assert opened.settle(WAIT_S)
        rest = killed(directory)
    (rest / "spool.db").unlink()
    stored(rest, "new")
    assert left(rest) == ["new"]


# --- a disk that cannot be written ------------------------------------------------------------------------------


@contextlib.contextmanager
def small_files(limit_bytes: int) -> Iterator[None]:
    """No file may grow beyond this, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("room_bytes", [0, 100, 5000, 30_000])
def test_a_disk_that_is_full_is_told_once_and_tried_again(
    directory: Path, room_bytes: int, caplog: pytest.LogCaptureFixture
) -> None:
    given = [f"{number} {'x' * 2000}" for number in range(30)]
    with spool(directory, retry_s=0.05) as opened:
        opened.load()
        with small_files(room_bytes):
            for number, text in enumerate(given, 1):
                keep(opened, text, first=number)
                opened.settle(0.02)
        assert opened.settle(WAIT_S)
        assert left(killed(directory)) == given
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert 1 <= len(told) <= 2, told  # the reason may differ before the file is there
    assert "kept in memory only" in told[0]
    assert [name for name in names(directory) if "aside" in name] == []


def test_what_was_delivered_while_the_disk_was_full_leaves_no_file(directory: Path) -> None:
    with spool(directory, retry_s=0.05) as opened:
        opened.load()
        keep(opened, *(f"{number} {'x' * 2000}" for number in range(10)))
        assert opened.settle(WAIT_S)
        with small_files(0):
            for number in range(1, 11):
                opened.forget(number)
            assert opened.settle(WAIT_S)
            assert names(directory) == []


def test_the_end_waits_for_no_disk_and_says_how_much_is_lost(directory: Path) -> None:
    with spool(directory) as opened:
        opened.load()
        with small_files(0):
            keep(opened, "1", "2")
            assert opened.close(WAIT_S) == 2
    assert left(directory) == []


def test_a_state_directory_that_cannot_be_made_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    with spool(tmp_path / "file" / "state") as opened:
        assert opened.load() == []
        keep(opened, "1")
        assert opened.close(WAIT_S) == 1
    assert "kept in memory only" in caplog.text
    assert "Not a directory" in caplog.text


# --- two processes ----------------------------------------------------------------------------------------------

HOLDER = """
import sys
from pathlib import Path
from satellite.adapters.outbox import Entry
from satellite.adapters.spool import DiskSpool
from satellite.homeassistant.messages import Message
spool = DiskSpool(Path(sys.argv[1]))
spool.load()
spool.keep(Entry(1, Message("topic", b"of the first")))
spool.settle(10)
print("ready", flush=True)
sys.stdin.read()
"""


def test_two_processes_do_not_share_a_spool(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"ready\n"
        with spool(directory, retry_s=0.05) as second:
            assert second.load() == []
            assert second.is_taken
            assert "another satellite uses the state directory" in caplog.text
            keep(second, "of the second")
            assert not second.settle(0.3)
            assert caplog.text.count("another satellite") == 1
            first.kill()
            first.wait(WAIT_S)
            assert second.settle(WAIT_S)
            assert "1 messages of an earlier run" in caplog.text
            second.forget(1)
            assert second.settle(WAIT_S)
    assert left(directory) == ["of the first"]


def test_the_lock_is_let_go_at_the_end(directory: Path) -> None:
    stored(directory, "1")
    files = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        assert left(directory) == ["1"]
    assert len(list(Path("/proc/self/fd").iterdir())) == files
