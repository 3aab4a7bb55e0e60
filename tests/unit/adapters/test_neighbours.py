from pathlib import Path

import pytest

from satellite.adapters.neighbours import DEVICE_MODULE, Neighbour, running_satellite

DEFAULT = "/etc/voice-satellite/config.yaml"
PYTHON = "/opt/voice-satellite/bin/python3"


def process(proc: Path, pid: int, *words: str, cwd: Path | None = None) -> None:
    directory = proc / str(pid)
    directory.mkdir(parents=True)
    (directory / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in words))
    if cwd is not None:
        (directory / "cwd").symlink_to(cwd)


@pytest.mark.parametrize(
    "words",
    [
        ("/opt/voice-satellite/bin/voice-satellite", "run", "-c", "FILE"),
        (PYTHON, "/opt/voice-satellite/bin/voice-satellite", "run", "--config=FILE"),
        (PYTHON, "-m", "satellite", "run", "-cFILE"),
        (PYTHON, "-P", "-m", "satellite", "run", "--config", "FILE"),
    ],
)
def test_a_satellite_is_known_by_its_configuration(tmp_path: Path, words: tuple[str, ...]) -> None:
    file = tmp_path / "config.yaml"
    file.touch()
    proc = tmp_path / "proc"
    process(proc, 7, *(word.replace("FILE", str(file)) for word in words))
    assert running_satellite(file, DEFAULT, proc) == Neighbour(7, frozenset())
    assert running_satellite(tmp_path / "other.yaml", DEFAULT, proc) is None


def test_the_name_may_be_relative_a_link_or_the_default(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "real.yaml").touch()
    (home / "link.yaml").symlink_to("real.yaml")
    proc = tmp_path / "proc"
    process(proc, 1, "voice-satellite", "run", "-c", "real.yaml")  # hidden: it cannot be seen where it runs
    process(proc, 2, "voice-satellite", "run", "-c", "link.yaml", cwd=home)
    process(proc, 3, "voice-satellite", "run")
    process(proc, 4, "voice-satellite", "run", "-c")
    assert running_satellite(home / "real.yaml", DEFAULT, proc) == Neighbour(2, frozenset())
    found = running_satellite(Path(DEFAULT), DEFAULT, proc)
    assert found is not None
    assert found.pid in (3, 4)


def test_the_devices_of_one_are_not_those_of_another(tmp_path: Path) -> None:
    file = str(tmp_path / "config.yaml")
    proc = tmp_path / "proc"
    process(proc, 10, PYTHON, "-m", "satellite", "run", "-c", file)
    order = ("alsa", "default", "16000", "1")
    process(proc, 11, PYTHON, "-P", "-m", DEVICE_MODULE, "10", "5", "capture", *order)
    process(proc, 12, PYTHON, "-P", "-m", DEVICE_MODULE, "99", "5", "playback", *order)
    assert running_satellite(Path(file), DEFAULT, proc) == Neighbour(10, frozenset({"capture"}))


def test_other_programs_are_none_of_ours(tmp_path: Path) -> None:
    file = str(tmp_path / "config.yaml")
    proc = tmp_path / "proc"
    process(proc, 1, "voice-satellite", "doctor", "-c", file)
    process(proc, 2, "vi", file)
    process(proc, 3)
    process(proc, 4, "grep", "satellite", "run", "-c", file)
    process(proc, 5, "run", "-c", file)
    (proc / "6").mkdir()
    assert running_satellite(Path(file), DEFAULT, proc) is None
