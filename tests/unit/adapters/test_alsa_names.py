"""Which of ALSA's libraries is good enough."""

from pathlib import Path

import pytest

from satellite.adapters import alsa_names


@pytest.mark.parametrize(
    ("version", "is_enough"), [("0.8.4", False), ("0.9.2", False), ("0.10.0", True), ("0.11.0", True)]
)
def test_a_library_that_is_too_old_is_none(
    version: str, is_enough: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "alsaaudio.py").touch()
    papers = tmp_path / f"pyalsaaudio-{version}.dist-info"
    papers.mkdir()
    (papers / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: pyalsaaudio\nVersion: {version}\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert alsa_names.is_available() is is_enough
