"""scripts/install and scripts/uninstall below a directory: with a box's files, and without its packages and users."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.wheels import write_wheel
from tests.tree import ROOT

BASE_PYTHON = str(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}")


class Box:
    """A root directory with what the scripts look for on Debian 13."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "box"
        self.wheels = directory / "wheels"
        self.program = self.root / "opt/voice-satellite"
        self.settings = self.root / "etc/voice-satellite"
        self.unit = self.root / "etc/systemd/system/voice-satellite.service"
        for module in ("alsaaudio", "systemd"):
            package = self.root / "usr/lib/python3/dist-packages" / module
            package.mkdir(parents=True)
            (package / "__init__.py").touch()
        self.is_release("debian", "13")

    def is_release(self, name: str, number: str) -> None:
        (self.root / "etc").mkdir(exist_ok=True)
        (self.root / "etc/os-release").write_text(f'NAME="Some Linux"\nID={name}\nVERSION_ID="{number}"\n')

    def install(self, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return run("install", "--root", str(self.root), *arguments, environment=environment)

    def upgrade(self, version: str, *, loads: bool = True, refuses: tuple[str, ...] = ()) -> str:
        """Installs a wheel of this version; what was said. The test fails when that fails."""
        installed = self.try_upgrade(version, loads=loads, refuses=refuses)
        assert installed.returncode == 0, installed.stdout + installed.stderr
        return installed.stdout

    def try_upgrade(
        self, version: str, *, loads: bool = True, refuses: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        for old in self.wheels.glob("*.whl"):
            old.unlink()
        write_wheel(self.wheels, version, loads=loads, refuses=refuses)
        return self.install("--wheels", str(self.wheels))

    def version(self) -> str:
        """What the command says."""
        command = [str(self.root / "usr/local/bin/voice-satellite"), "--version"]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()[1]

    def versions(self) -> set[str]:
        return {path.name for path in (self.program / "versions").iterdir()}

    def files(self) -> dict[str, tuple[int, int]]:
        """Everything there is but byte-code, with what changes when it is written."""
        return {
            str(path.relative_to(self.root)): (path.lstat().st_mtime_ns, path.lstat().st_mode)
            for path in self.root.rglob("*")
            if "__pycache__" not in path.parts and not path.is_dir()
        }


def run(script: str, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / "scripts" / script), *arguments],
        env=os.environ | {"PYTHON": BASE_PYTHON} | (environment or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


# --- arguments and checks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "arguments", "said"),
    [
        ("install", ["--quickly"], "what is --quickly?"),
        ("install", ["--extra"], "--extra needs a value"),
        ("install", ["--extra", "gpu"], "there is no extra gpu"),
        ("install", ["--wheels", "/nowhere"], "--wheels: there is no directory /nowhere"),
        ("install", ["--wheels", "/", "--extra", "av"], "--extra and --wheels: what the directory holds is installed"),
        ("uninstall", ["--all"], "what is --all?"),
        ("uninstall", ["--root"], "--root needs a value"),
        ("wheels", [], "which directory?"),
        ("wheels", ["--extra", "gpu", "x"], "there is no extra gpu"),
    ],
)
def test_what_is_asked_wrongly_is_a_usage_error(script: str, arguments: list[str], said: str) -> None:
    ran = run(script, *arguments)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"{script}: {said}")


@pytest.mark.parametrize("script", ["install", "uninstall", "wheels"])
def test_help_tells_every_option(script: str) -> None:
    text = (ROOT / "scripts" / script).read_text(encoding="utf-8")
    helped = run(script, "--help")
    assert (helped.returncode, helped.stderr) == (0, "")
    options = set(re.findall(r"^ +(--[a-z-]+)\)", text, re.MULTILINE))
    assert options
    assert options <= set(helped.stdout.split())


@pytest.mark.parametrize(("name", "number"), [("ubuntu", "24.04"), ("debian", "11"), ("fedora", "43")])
def test_another_system_is_refused_by_name(box: Box, name: str, number: str) -> None:
    box.is_release(name, number)
    ran = box.install()
    assert ran.returncode == 1
    assert ran.stderr.strip() == f"install: this is {name} {number}, and Debian or Raspberry Pi OS 12 or 13 is needed"


def test_an_older_python_is_refused(box: Box, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\n[ "$1" = -V ] && echo Python 3.9.2\nexit 1\n')
    python.chmod(0o755)
    ran = box.install(environment={"PYTHON": str(python)})
    assert ran.returncode == 1
    assert "Python 3.11 or newer is needed" in ran.stderr
    assert "is Python 3.9.2" in ran.stderr


def test_another_processor_needs_wheels_that_somebody_made(box: Box, tmp_path: Path) -> None:
    dpkg = tmp_path / "bin/dpkg"
    dpkg.parent.mkdir()
    dpkg.write_text("#!/bin/sh\necho armhf\n")
    dpkg.chmod(0o755)
    ran = box.install(environment={"PATH": f"{dpkg.parent}:{os.environ['PATH']}"})
    assert ran.returncode == 1
    assert "for armhf the package index has no wheels" in ran.stderr
    assert "scripts/wheels" in ran.stderr


def test_a_full_disk_is_told_before_anything_is_done(box: Box, tmp_path: Path) -> None:
    df = tmp_path / "bin/df"
    df.parent.mkdir()
    df.write_text("#!/bin/sh\necho Filesystem blocks Used Available\necho /dev/root 100 93 7\n")
    df.chmod(0o755)
    ran = box.install(environment={"PATH": f"{df.parent}:{os.environ['PATH']}"})
    assert ran.returncode == 1
    assert "has 7 MB free, and 108 MB are needed" in ran.stderr
    assert not box.program.exists()


def test_a_command_of_somebody_else_is_left_alone(box: Box) -> None:
    command = box.root / "usr/local/bin/voice-satellite"
    command.parent.mkdir(parents=True)
    command.write_text("theirs")
    ran = box.install()
    assert ran.returncode == 1
    assert "not ours: move it away" in ran.stderr
    assert command.read_text() == "theirs"


def test_a_dry_run_tells_all_and_changes_nothing(box: Box) -> None:
    before = box.files()
    ran = box.install("--dry-run", "--extra", "av")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "a download of 35 MB" in ran.stdout
    assert "config.yaml, to be edited" in ran.stdout
    assert ran.stdout.endswith("Nothing was changed (--dry-run).\n")
    assert box.files() == before


def test_debian_12_gets_portaudio_and_wheels_bring_alsa(box: Box) -> None:
    box.is_release("raspbian", "12")
    assert "sound: PortAudio" in box.install("--dry-run").stdout
    write_wheel(box.wheels, "1.0")
    (box.wheels / "requirements.txt").write_text("pyalsaaudio==0.11.0 --hash=sha256:0\n")
    assert "sound: direct ALSA, from the wheels" in box.install("--dry-run", "--wheels", str(box.wheels)).stdout


# --- versions ---------------------------------------------------------------------------------------------------


def test_a_fresh_box_gets_everything_once(box: Box) -> None:
    first = box.upgrade("1.0")
    assert "Next:" in first
    assert box.version() == "1.0"
    assert (box.program / "current").readlink() == Path("versions/1.0")
    assert (box.settings / "secrets.yaml").stat().st_mode & 0o777 == 0o600
    assert (box.settings / "config.yaml").stat().st_mode & 0o777 == 0o640
    assert (box.root / "var/lib/voice-satellite").stat().st_mode & 0o777 == 0o700
    assert box.unit.read_bytes() == (ROOT / "systemd/voice-satellite.service").read_bytes()
    before = box.files()
    second = box.install("--wheels", str(box.wheels))
    assert second.stdout.endswith("Nothing to do: voice-satellite 1.0 is installed as this tree has it.\n")
    assert box.files() == before


def test_modules_of_the_distribution_are_linked_one_by_one(box: Box) -> None:
    box.upgrade("1.0")
    (packages,) = (box.program / "current/lib").glob("python3.*/site-packages")
    linked = {path.name: path.resolve() for path in packages.iterdir() if path.is_symlink()}
    assert linked == {name: box.root / "usr/lib/python3/dist-packages" / name for name in ("alsaaudio", "systemd")}
    assert list(packages.glob("satellite/__pycache__/*.pyc"))
    assert not list((box.program / "current/bin").glob("pip*"))


def test_no_path_of_the_making_is_left(box: Box) -> None:
    box.upgrade("1.0")
    texts = [
        path
        for path in (box.program / "current/").glob("**/*")
        if path.is_file() and path.suffix not in (".pyc", ".so")
    ]
    assert [path for path in texts if b"versions/.new" in path.read_bytes()] == []


@pytest.mark.slow
def test_an_upgrade_keeps_the_version_before_and_what_was_edited(box: Box) -> None:
    box.upgrade("1.0")
    (box.settings / "config.yaml").write_text("mine")
    box.upgrade("1.1")
    said = box.upgrade("1.2")
    assert "removes version 1.0" in said
    assert "Next:" not in said
    assert (box.version(), box.versions()) == ("1.2", {"1.1", "1.2"})
    assert (box.settings / "config.yaml").read_text() == "mine"


@pytest.mark.slow
def test_a_rollback_goes_to_the_version_before_and_back(box: Box) -> None:
    box.upgrade("1.0")
    none_yet = box.install("--rollback")
    assert (none_yet.returncode, none_yet.stderr.strip()) == (1, "install: there is no version to go back to")
    box.upgrade("1.1")
    assert box.install("--rollback").returncode == 0
    assert box.version() == "1.0"
    assert box.install("--rollback").returncode == 0
    assert box.version() == "1.1"


@pytest.mark.slow
def test_the_same_version_made_anew_replaces_itself(box: Box) -> None:
    box.upgrade("1.0")
    box.upgrade("1.1")
    box.upgrade("1.1", refuses=("something",))
    assert (box.version(), box.versions()) == ("1.1", {"1.0", "1.1"})
    assert box.install("--rollback").returncode == 0
    assert box.version() == "1.0"


@pytest.mark.slow
def test_a_version_that_does_not_load_leaves_the_one_in_use(box: Box) -> None:
    box.upgrade("1.0")
    before = box.files()
    broken = box.try_upgrade("1.1", loads=False)
    assert broken.returncode == 1
    assert "version 1.1 does not load satellite.app" in broken.stderr
    assert box.files() == before


@pytest.mark.slow
def test_a_version_that_refuses_the_configuration_leaves_the_one_in_use(box: Box) -> None:
    box.upgrade("1.0")
    (box.settings / "config.yaml").write_text("old_key: 1")
    before = box.files()
    refused = box.try_upgrade("1.1", refuses=("old_key",))
    assert refused.returncode == 1
    assert "version 1.1 refuses the configuration, which version 1.0 accepts; nothing was changed" in refused.stderr
    assert "config.yaml:1: old_key" in refused.stderr
    assert box.files() == before


@pytest.mark.slow
def test_a_configuration_that_is_wrong_anyway_holds_nothing_up(box: Box) -> None:
    box.upgrade("1.0", refuses=("typo",))
    (box.settings / "config.yaml").write_text("typo: 1")
    box.upgrade("1.1", refuses=("typo",))
    assert box.version() == "1.1"


@pytest.mark.slow
def test_a_file_that_is_not_as_locked_is_not_installed(box: Box) -> None:
    box.upgrade("1.0")
    before = box.files()
    (box.wheels / "other-2.0-py3-none-any.whl").write_bytes(b"not what was locked")
    (box.wheels / "requirements.txt").write_text(f"other==2.0 --hash=sha256:{'0' * 64}\n")
    ran = box.install("--wheels", str(box.wheels))
    assert ran.returncode == 1
    assert "DO NOT MATCH THE HASHES" in ran.stderr
    assert "pip could not install the Python packages" in ran.stderr
    assert box.files() == before


def test_a_failed_first_install_leaves_nothing(box: Box) -> None:
    before = box.files()
    assert box.try_upgrade("1.0", loads=False).returncode == 1
    assert box.files() == before
    assert not box.program.exists()


def test_two_at_once_do_not_meet(box: Box) -> None:
    box.upgrade("1.0")
    lock = ["flock", str(box.program / "versions"), str(ROOT / "scripts/install"), "--root", str(box.root)]
    ran = subprocess.run(lock, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "another scripts/install is at work here" in ran.stderr


# --- uninstall --------------------------------------------------------------------------------------------------


def test_uninstall_leaves_what_it_names_and_purge_nothing(box: Box) -> None:
    before = box.files()
    box.upgrade("1.0")
    (box.settings / "config.yaml").write_text("mine")
    told = run("uninstall", "--root", str(box.root), "--dry-run")
    assert box.version() == "1.0"
    removed = run("uninstall", "--root", str(box.root))
    assert (removed.returncode, removed.stdout, removed.stderr) == (0, told.stdout, "")
    left = set(box.files()) - set(before)
    assert left == {"etc/voice-satellite/config.yaml", "etc/voice-satellite/secrets.yaml"}
    assert f"{box.settings} " in removed.stdout
    assert run("uninstall", "--root", str(box.root), "--purge").returncode == 0
    assert box.files() == before
    nothing = run("uninstall", "--root", str(box.root), "--purge")
    assert nothing.stdout == "Nothing to do: voice-satellite is not installed.\n"


@pytest.mark.slow
def test_what_was_kept_is_used_again(box: Box) -> None:
    box.upgrade("1.0")
    (box.settings / "config.yaml").write_text("mine")
    run("uninstall", "--root", str(box.root))
    box.upgrade("1.1")
    assert (box.settings / "config.yaml").read_text() == "mine"
