import os
from pathlib import Path

from satellite.adapters.inspection import Waiting, mode_of, try_place, waiting_in, written_at
from satellite.adapters.outbox import Entry
from satellite.adapters.spool import DiskSpool
from satellite.homeassistant.messages import Message


def test_modes_and_times_of_files(tmp_path: Path) -> None:
    file = tmp_path / "file"
    assert mode_of(file) is None
    file.touch(0o640)
    file.chmod(0o640)
    os.utime(file, (5, 5))
    assert mode_of(file) == 0o640
    assert written_at(file) == 5


def test_a_directory_is_written_to_and_left_as_it_was(tmp_path: Path) -> None:
    place = try_place(tmp_path)
    assert (place.path, place.made_in, place.refusal) == (tmp_path, None, None)
    assert place.free_bytes > 0
    assert list(tmp_path.iterdir()) == []


def test_one_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    place = try_place(tmp_path / "a" / "b")
    assert (place.made_in, place.refusal) == (tmp_path, None)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_a_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert try_place(tmp_path / "file").refusal == "it is no directory"
    nowhere = try_place(Path("/proc/self/nowhere"))
    assert nowhere.refusal is not None


def test_a_place_that_cannot_be_looked_at_is_none(tmp_path: Path) -> None:
    """A name too long for the disk is to anybody what a closed directory is to all but root."""
    place = try_place(tmp_path / ("x" * 300) / "state")
    assert (place.made_in, place.refusal) == (tmp_path, None)


def test_what_cannot_be_written_to_is_told() -> None:
    assert try_place(Path("/proc/self")).refusal is not None


def test_what_waits_is_counted_beside_a_satellite_that_has_it_open(tmp_path: Path) -> None:
    assert waiting_in(tmp_path) == Waiting(None, ())
    spool = DiskSpool(tmp_path)
    assert spool.load() == []
    for number in range(1, 6):
        spool.keep(Entry(number, Message("t", b"text %d" % number)))
    assert spool.settle(10)
    before = (tmp_path / "spool.db").read_bytes()
    assert waiting_in(tmp_path) == Waiting(5, ())
    assert (tmp_path / "spool.db").read_bytes() == before
    assert spool.close(10) == 0
    assert waiting_in(tmp_path) == Waiting(5, ())


def test_files_that_were_set_aside_are_named_and_damage_is_survived(tmp_path: Path) -> None:
    (tmp_path / "spool.db.set-aside-2").touch()
    (tmp_path / "spool.db.set-aside-2-wal").touch()
    (tmp_path / "spool.db.set-aside-1").touch()
    (tmp_path / "spool.db").write_bytes(b"nonsense" * 1000)
    assert waiting_in(tmp_path) == Waiting(0, ("spool.db.set-aside-1", "spool.db.set-aside-2"))
    assert (tmp_path / "spool.db").read_bytes() == b"nonsense" * 1000
