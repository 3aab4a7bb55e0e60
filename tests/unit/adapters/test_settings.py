import json
import os
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from satellite.adapters.settings import SettingsStore, state_directory


@dataclass(frozen=True)
class Chosen:
    mute: bool = False
    volume: int = 80
    source_language: str = "en"
    target_languages: tuple[str, ...] = ("de",)
    speech_language: str | None = "de"


CONFIGURED = Chosen()
WAIT_S = 20.0


def restarted(directory: Path, configured: Chosen = CONFIGURED) -> Chosen:
    return SettingsStore(directory).load(configured)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def path(directory: Path) -> Path:
    return directory / "settings.json"


def save(directory: Path, chosen: Chosen) -> None:
    store = SettingsStore(directory)
    store.load(CONFIGURED)
    store.save(chosen, CONFIGURED)
    store.close(WAIT_S)


def test_without_a_file_the_configuration_holds(directory: Path) -> None:
    assert restarted(directory) == CONFIGURED


def test_changes_outlast_a_restart(directory: Path) -> None:
    chosen = Chosen(True, 0, "auto", ("fr", "it"), None)
    save(directory, chosen)
    assert restarted(directory) == chosen


def test_a_change_is_dropped_when_the_configuration_has_changed_since(directory: Path) -> None:
    save(directory, Chosen(volume=30, target_languages=("fr",)))
    assert restarted(directory, Chosen(volume=60)) == Chosen(volume=60, target_languages=("fr",))


def test_a_change_back_to_the_configuration_is_no_change(directory: Path) -> None:
    save(directory, Chosen(volume=30))
    save(directory, CONFIGURED)
    assert restarted(directory, Chosen(volume=60)) == Chosen(volume=60)


def test_nothing_is_written_when_nothing_changed(directory: Path, path: Path) -> None:
    store = SettingsStore(directory)
    store.save(store.load(CONFIGURED), CONFIGURED)
    store.close(WAIT_S)
    assert not path.exists()
    store.save(Chosen(volume=30), CONFIGURED)
    store.close(WAIT_S)
    written = path.stat().st_mtime_ns, path.stat().st_ino
    store.save(Chosen(volume=30), CONFIGURED)
    again = SettingsStore(directory)
    again.save(again.load(CONFIGURED), CONFIGURED)
    store.close(WAIT_S)
    again.close(WAIT_S)
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == written


def test_the_file_is_replaced_whole(directory: Path, path: Path) -> None:
    save(directory, Chosen(volume=30))
    with path.open() as before:
        save(directory, Chosen(volume=31))
        assert '"value": 30' in before.read()  # whoever reads the old file still reads all of it
    assert [entry.name for entry in directory.iterdir()] == [path.name]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00\x01", "[" * 5000, '{"a":' + "1" * 70000 + "}"])
def test_a_damaged_file_is_told_and_ignored(
    directory: Path, path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    directory.mkdir()
    path.write_text(text)
    assert restarted(directory) == CONFIGURED
    assert "damaged" in caplog.text
    save(directory, Chosen(volume=30))
    assert restarted(directory) == Chosen(volume=30)


def test_bytes_that_are_no_text_are_told_and_ignored(
    directory: Path, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory.mkdir()
    path.write_bytes(b"\xff\xfe\xfa")
    assert restarted(directory) == CONFIGURED
    assert "damaged" in caplog.text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mute", 1),
        ("volume", 101),
        ("volume", True),
        ("volume", "30"),
        ("source_language", None),
        ("source_language", ""),
        ("target_languages", "de"),
        ("target_languages", [1]),
        ("speech_language", 5),
    ],
)
def test_an_unfit_value_is_told_and_ignored(
    directory: Path, path: Path, name: str, value: object, caplog: pytest.LogCaptureFixture
) -> None:
    directory.mkdir()
    configured = asdict(CONFIGURED)[name]
    path.write_text(json.dumps({name: {"value": value, "configured": configured}, "more": 1}))
    assert restarted(directory) == CONFIGURED
    assert f"stored setting {name}" in caplog.text


def test_an_entry_of_another_form_is_ignored(directory: Path, path: Path) -> None:
    directory.mkdir()
    path.write_text('{"volume":30}')
    assert restarted(directory) == CONFIGURED


def test_a_setting_this_version_does_not_store_stays_as_configured(directory: Path, path: Path) -> None:
    @dataclass(frozen=True)
    class Other:
        colour: str

    directory.mkdir()
    path.write_text('{"colour":{"value":"red","configured":"blue"}}')
    assert SettingsStore(directory).load(Other("blue")) == Other("blue")


def test_a_place_that_cannot_be_used_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    save(tmp_path / "file", Chosen(volume=30))
    assert "cannot be read" in caplog.text
    assert "cannot be kept over a restart" in caplog.text


def test_what_could_not_be_written_is_told_once_and_tried_again(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = SettingsStore(directory, retry_s=0.02)
    store.load(CONFIGURED)
    directory.write_text("in the way")
    store.save(Chosen(volume=30), CONFIGURED)
    deadline_s = WAIT_S
    while "cannot be kept over a restart" not in caplog.text and deadline_s > 0:
        threading.Event().wait(0.02)
        deadline_s -= 0.02
    threading.Event().wait(0.1)
    directory.unlink()
    store.close(WAIT_S)
    assert restarted(directory) == Chosen(volume=30)
    assert caplog.text.count("cannot be kept over a restart") == 1


def test_of_many_changes_the_last_is_stored(directory: Path) -> None:
    store = SettingsStore(directory)
    store.load(CONFIGURED)
    for volume in [*range(80), 42]:
        store.save(Chosen(volume=volume), CONFIGURED)
    store.close(WAIT_S)
    assert restarted(directory) == Chosen(volume=42)


def test_the_state_directory_is_what_systemd_says(tmp_path: Path) -> None:
    assert state_directory({"STATE_DIRECTORY": "/run/a:/run/b"}, tmp_path) == Path("/run/a")


def test_the_state_directory_is_the_system_s_where_it_can_be_written(tmp_path: Path) -> None:
    assert state_directory({"XDG_STATE_HOME": "/x"}, tmp_path) == tmp_path


def test_the_state_directory_is_else_the_user_s_own(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    assert state_directory({"XDG_STATE_HOME": "/x"}, absent) == Path("/x/voice-satellite")
    assert state_directory({"HOME": "/h"}, absent) == Path("/h/.local/state/voice-satellite")
    assert state_directory({}, absent) == Path.home() / ".local/state/voice-satellite"


def test_a_directory_that_cannot_be_written_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # the tests may run as root, who may write anywhere
    assert state_directory({"XDG_STATE_HOME": "/x"}, tmp_path) == Path("/x/voice-satellite")
