"""What a release is made of: sdist, wheel, and what the Debian package adds to them."""

import os
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

import satellite
from satellite.cli import COMMANDS
from tests.tree import ROOT, nothing, project_files

DEB = ROOT / "deploy" / "deb"
DEBIAN_FILES = runpy.run_path(str(ROOT / "scripts" / "make_debian_files.py"))
MAINTAINER_SCRIPTS = ("postinst", "prerm", "postrm")
EPOCH = "1700000000"
DIST_INFO = f"voice_satellite-{satellite.__version__}.dist-info"
SHELLCHECK = shutil.which("shellcheck")


def export(directory: Path, mode: int) -> Path:
    """The project's files, with this mode, as somebody's clone has them."""
    for path in project_files():
        target = directory / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        target.chmod(mode | (0o100 if path.stat().st_mode & 0o100 else 0))
    return directory


def build(target: str, source: Path, out: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(out)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH}
    subprocess.run(command, cwd=source, env=environment, capture_output=True, check=True)
    (built,) = out.iterdir()
    return built


def unpacked(sdist: Path, directory: Path) -> Path:
    directory.mkdir()
    subprocess.run(["tar", "-xf", sdist, "-C", directory], check=True)
    (top,) = directory.iterdir()
    return top


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("release")


@pytest.fixture(scope="module")
def sdist(place: Path) -> Path:
    return build("sdist", export(place / "tree", 0o644), place / "sdist")


@pytest.fixture(scope="module")
def wheel(place: Path, sdist: Path) -> Path:
    return build("wheel", unpacked(sdist, place / "unpacked"), place / "wheel")


# --- sdist and wheel --------------------------------------------------------------------------------------------


def test_the_sdist_is_the_whole_project(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {path.relative_to(ROOT).as_posix() for path in project_files()}
    nothing(f"missing: {name}" for name in wanted - names)
    nothing(f"more: {name}" for name in names - wanted - {"PKG-INFO"})
    assert {name.partition("/")[0] for name in wanted} >= {"deploy", "config", "systemd", "scripts", "docs", "tests"}


def test_scripts_of_the_sdist_can_be_run(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        modes = {entry.name.partition("/")[2]: entry.mode for entry in archive}
    assert [name for name in ("scripts/build", "deploy/deb/rules") if not modes[name] & 0o100] == []


def test_another_clone_makes_the_same_bytes(tmp_path: Path, sdist: Path, wheel: Path) -> None:
    tree = export(tmp_path / "a" / "longer" / "path", 0o600)
    for path in tree.rglob("*.py"):
        os.utime(path, (1_600_000_000, 1_600_000_000))
    assert build("sdist", tree, tmp_path / "sdist").read_bytes() == sdist.read_bytes()
    assert build("wheel", tree, tmp_path / "wheel").read_bytes() == wheel.read_bytes()


def test_the_wheel_is_the_program_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    program = {path.relative_to(ROOT).as_posix() for path in project_files() if path.is_relative_to(ROOT / "satellite")}
    assert {name for name in names if not name.startswith(f"{DIST_INFO}/")} == program
    assert {"satellite/data/demo.wav", "satellite/data/demo.labels.json", "satellite/py.typed"} <= program


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = HeaderParser().parsestr(archive.read(f"{DIST_INFO}/METADATA").decode())
        scripts = archive.read(f"{DIST_INFO}/entry_points.txt").decode()
        tags = archive.read(f"{DIST_INFO}/WHEEL").decode()
    assert (metadata["Name"], metadata["Version"]) == ("voice-satellite", satellite.__version__)
    assert metadata["License-Expression"] == "Apache-2.0"
    assert "voice-satellite = satellite.cli:main" in scripts
    assert "Tag: py3-none-any" in tags


# --- the Debian package -----------------------------------------------------------------------------------------


def paragraphs(text: str) -> list[dict[str, str]]:
    """Those of a control file."""
    without_comments = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)
    return [dict(HeaderParser().parsestr(part).items()) for part in without_comments.strip().split("\n\n")]


def relations(field: str) -> list[str]:
    return [relation for text in field.split(",") if (relation := " ".join(text.split()))]


def test_the_package_says_what_it_needs() -> None:
    source, package = paragraphs((DEB / "control").read_text(encoding="utf-8"))
    assert source["Source"] == package["Package"] == "voice-satellite"
    assert source["Build-Depends"] == "debhelper-compat (= 13)"
    assert {*relations(package["Depends"])} >= {
        "ca-certificates", "python3-alsaaudio (>= 0.10) | python3-pyaudio", "${python3:Depends}", "${misc:Depends}",
    }  # fmt: skip
    assert "libspeexdsp1" in relations(package["Recommends"])


def test_every_architecture_of_the_package_can_be_built() -> None:
    _, package = paragraphs((DEB / "control").read_text(encoding="utf-8"))
    built = re.findall(
        r"^  (\w+)\) need_packages", (ROOT / "scripts" / "build").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(built) == package["Architecture"].split()


@pytest.mark.parametrize("name", [*MAINTAINER_SCRIPTS, "bin/voice-satellite"])
def test_its_scripts_are_sound(name: str) -> None:
    text = (DEB / name).read_text(encoding="utf-8")
    subprocess.run(["sh", "-n", DEB / name], check=True)
    assert text.startswith("#!/bin/sh\n")
    assert name not in MAINTAINER_SCRIPTS or ("\nset -e\n" in text and "\n#DEBHELPER#\n" in text)


@pytest.mark.skipif(SHELLCHECK is None, reason="shellcheck is not here: apt-get install shellcheck")
@pytest.mark.parametrize("script", [*(DEB / name for name in MAINTAINER_SCRIPTS), ROOT / "scripts" / "build"], ids=str)
def test_shellcheck_finds_nothing(script: Path) -> None:
    checked = subprocess.run(
        ["shellcheck", "--severity=warning", script], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert (checked.returncode, checked.stdout) == (0, "")


def test_what_is_installed_is_there() -> None:
    sources = [line.split()[0] for line in (DEB / "install").read_text(encoding="utf-8").splitlines()]
    sources += [*(DEB / "docs").read_text().split(), *(DEB / "examples").read_text().split()]
    missing = [name for name in sources if not any(ROOT.glob(name.replace("debian/", "deploy/deb/")))]
    assert missing == []


def test_the_unit_starts_the_program_of_the_package() -> None:
    unit = DEBIAN_FILES["unit"]()
    assert unit.startswith("[Unit]\n")
    assert "\nExecStart=/usr/bin/voice-satellite run -c /etc/voice-satellite/config.yaml\n" in unit
    assert "/opt/" not in unit
    assert unit.replace("/usr/bin/voice-satellite", "") in re.sub(
        r"/opt/voice-satellite/(\S+/)?bin/voice-satellite", "", DEBIAN_FILES["UNIT"].read_text(encoding="utf-8")
    )


def test_the_manual_names_every_command() -> None:
    page = DEBIAN_FILES["manual_page"]()
    assert re.findall(r"^\.TP\n\.B (\w+)$", page.partition(".SH EXIT STATUS")[0], re.MULTILINE) == list(COMMANDS)
    assert f'"voice-satellite {satellite.__version__}"' in page
    assert "@" not in page


def bundle(site: Path, name: str, licence: str | None) -> None:
    """A distribution as pip leaves it."""
    info = site / f"{name}-1.5.dist-info"
    (site / name).mkdir(parents=True)
    (info / "licenses").mkdir(parents=True)
    (site / name / "core.py").write_text("")
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.5\nLicense-Expression: MIT\n")
    files = [f"{name}/core.py", f"{info.name}/METADATA"]
    if licence is not None:
        (info / "licenses" / "LICENSE").write_text(licence)
        files.append(f"{info.name}/licenses/LICENSE")
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))


def test_licences_of_bundled_packages_are_told(tmp_path: Path) -> None:
    bundle(tmp_path, "echoes", "Copyright (c) 2020 A. Person\n\nDo as you like.\n")
    bundle(tmp_path, "voice-satellite", None)
    told = DEBIAN_FILES["copyright_file"](tmp_path)
    ours, theirs = paragraphs(told)[1:]
    assert (ours["Files"], ours["License"].splitlines()[0]) == ("*", "Apache-2.0")
    assert theirs["Files"].split() == [
        "usr/lib/voice-satellite/*/echoes-1.5.dist-info/*",
        "usr/lib/voice-satellite/*/echoes/*",
    ]
    assert (theirs["Copyright"], theirs["Comment"]) == ("Copyright (c) 2020 A. Person", "echoes 1.5")
    assert theirs["License"] == "MIT\n Copyright (c) 2020 A. Person\n .\n Do as you like."


def test_a_bundled_package_without_a_licence_stops_the_build(tmp_path: Path) -> None:
    bundle(tmp_path, "echoes", None)
    with pytest.raises(SystemExit, match="echoes comes without the text of its licence"):
        DEBIAN_FILES["copyright_file"](tmp_path)
