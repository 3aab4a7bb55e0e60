import logging
from pathlib import Path

import pytest

from satellite.adapters.statefile import StateFile


def kept(directory: Path | None) -> StateFile:
    return StateFile(directory, "thing.json", "the thing")


def test_what_is_kept_is_found_again(tmp_path: Path) -> None:
    kept(tmp_path / "state").save({"a": [1, None]})
    assert kept(tmp_path / "state").load() == {"a": [1, None]}


def test_without_a_directory_nothing_is_kept() -> None:
    file = kept(None)
    file.save({"a": 1})
    assert file.load() is None


def test_what_was_kept_already_is_not_written_again(tmp_path: Path) -> None:
    kept(tmp_path).save({"a": 1})
    again = kept(tmp_path)
    again.load()
    (tmp_path / "thing.json").unlink()
    again.save({"a": 1})
    assert list(tmp_path.iterdir()) == []
    again.save({"a": 2})
    assert kept(tmp_path).load() == {"a": 2}


@pytest.mark.parametrize("damaged", ["", "{", "[" * 100_000])
def test_a_damaged_file_counts_as_nothing(tmp_path: Path, damaged: str, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "thing.json").write_text(damaged)
    assert kept(tmp_path).load() is None
    assert "the thing cannot be read" in caplog.text


def test_what_cannot_be_written_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        kept(tmp_path / "file").save(1)
    assert "the thing cannot be kept" in caplog.text
