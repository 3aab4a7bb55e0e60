import logging
from pathlib import Path

import pytest

from satellite.adapters.usage import UsageFile


def test_the_usage_of_a_day_outlasts_a_restart(tmp_path: Path) -> None:
    UsageFile(tmp_path / "state").save({"1970-01-01": 1.0, "2026-11-21": 123.45})
    days = UsageFile(tmp_path / "state").load()
    assert days == {"1970-01-01": 1.0, "2026-11-21": pytest.approx(123.5, abs=0.1)}


def test_without_a_file_nothing_was_used(tmp_path: Path) -> None:
    assert UsageFile(tmp_path / "nowhere").load() == {}


@pytest.mark.parametrize(
    "damaged",
    [
        *("", "[]", "[" * 100_000, '{"day": "2026-11-21", "used_s": 1}'),
        *(f'{{"2026-11-21": {used}}}' for used in ('"much"', "NaN", "Infinity", "-1", "1e9", "1" * 400)),
    ],
)
def test_a_damaged_file_counts_as_nothing(tmp_path: Path, damaged: str, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "usage.json").write_text(damaged)
    assert UsageFile(tmp_path).load() == {}
    assert "counts as nothing" in caplog.text


def test_what_cannot_be_written_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        UsageFile(tmp_path / "file").save({"2026-11-21": 1.0})
    assert "cannot be kept" in caplog.text
