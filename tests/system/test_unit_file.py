"""systemd/voice-satellite.service, as systemd itself reads it."""

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from satellite.cli import EXIT_CONFIG

UNIT = Path(__file__).resolve().parents[2] / "systemd" / "voice-satellite.service"
ANALYZE = shutil.which("systemd-analyze")
EXPOSURE_MAX = 25
"""In tenths, as `--threshold` counts: 2.5 of 10."""

needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not here: apt-get install systemd")


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit with a program that is there: `verify` looks for it."""
    text = UNIT.read_text(encoding="utf-8")
    path = tmp_path / UNIT.name
    path.write_text(text.replace("/opt/voice-satellite/current/bin/voice-satellite", sys.executable), encoding="utf-8")
    return path


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    assert ANALYZE is not None
    command = [ANALYZE, *map(str, arguments)]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


@needs_systemd
def test_systemd_finds_nothing_wrong(installed: Path) -> None:
    verified = analyze("verify", "--recursive-errors=no", "--man=no", installed)
    assert (verified.returncode, verified.stdout) == (0, "")


@needs_systemd
def test_a_mistake_would_be_found(installed: Path) -> None:
    installed.write_text(
        installed.read_text(encoding="utf-8").replace("WatchdogSec=30", "WatchdogSecs=30"), encoding="utf-8"
    )
    assert "WatchdogSecs" in analyze("verify", "--recursive-errors=no", "--man=no", installed).stdout


@needs_systemd
def test_the_service_can_do_little_harm() -> None:
    rated = analyze("security", "--offline=true", f"--threshold={EXPOSURE_MAX}", UNIT)
    assert rated.returncode == 0, rated.stdout


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None, comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # the documented way to keep capitals
    parser.read(UNIT, encoding="utf-8")
    return parser


def test_a_wrong_configuration_is_not_tried_again() -> None:
    service = unit()["Service"]
    assert service["Restart"] == "always"
    assert service["RestartPreventExitStatus"] == str(EXIT_CONFIG)


def test_the_manager_is_told_and_tells() -> None:
    service = unit()["Service"]
    assert service["Type"] == "notify"
    assert re.fullmatch(r"[1-9][0-9]*", service["WatchdogSec"])
    assert "kill -HUP $MAINPID" in service["ExecReload"]


def test_memory_and_files_are_for_nobody_else() -> None:
    service = unit()["Service"]
    assert (service["LimitCORE"], service["UMask"], service["StateDirectoryMode"]) == ("0", "0077", "0700")


def test_names_are_those_of_the_contract() -> None:
    service = unit()["Service"]
    assert (service["User"], service["StateDirectory"]) == ("voice-satellite", "voice-satellite")
    assert "audio" in service["SupplementaryGroups"].split()
    assert "/etc/voice-satellite/config.yaml" in service["ExecStart"]
