"""systemd/voice-satellite.service, as systemd itself reads it; `python -m bench.unit` runs the daemon under it."""

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from satellite.app.ending import STOP_ENDS_WITHIN_S
from satellite.cli import EXIT_CONFIG

UNIT = Path(__file__).resolve().parents[2] / "systemd" / "voice-satellite.service"
PROGRAM = "/opt/voice-satellite/current/bin/voice-satellite"
ANALYZE = shutil.which("systemd-analyze")
EXPOSURE_MAX = 15
"""In tenths, as `--threshold` counts: 1.5 of 10."""
NEWER = {"RestartSteps": 254, "RestartMaxDelaySec": 254, "ReloadSignal": 253, "ImportCredential": 254, "OpenFile": 253}
"""Since which systemd; Debian 12 has 252, and only warns of what it does not know."""

needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not here: apt-get install systemd")


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit with a program that is there: `verify` looks for it."""
    text = UNIT.read_text(encoding="utf-8")
    path = tmp_path / UNIT.name
    path.write_text(text.replace(PROGRAM, sys.executable), encoding="utf-8")
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
@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ("WatchdogSec=30", "WatchdogSecs=30", "'WatchdogSecs'"),
        # systemd 257 has other words between than those before it
        ("DevicePolicy=closed", "DevicePolicy=shut", "Failed to parse .*shut"),
        ("SystemCallFilter=~kcmp", "SystemCallFilter=~@kcmp", "Unknown system call group, ignoring: @kcmp"),
    ],
)
def test_a_mistake_would_be_found(installed: Path, right: str, wrong: str, complaint: str) -> None:
    text = installed.read_text(encoding="utf-8")
    assert right in text
    installed.write_text(text.replace(right, wrong), encoding="utf-8")
    assert re.search(complaint, analyze("verify", "--recursive-errors=no", "--man=no", installed).stdout)


@needs_systemd
def test_the_service_can_do_little_harm() -> None:
    rated = analyze("security", "--offline=true", f"--threshold={EXPOSURE_MAX}", UNIT)
    assert rated.returncode == 0, rated.stdout


@needs_systemd
def test_a_wider_door_would_be_noticed(tmp_path: Path) -> None:
    text = UNIT.read_text(encoding="utf-8")
    for setting in ("ProtectSystem=strict\n", "NoNewPrivileges=yes\n", "SystemCallFilter=~@aio"):
        path = tmp_path / UNIT.name
        assert setting in text
        path.write_text(text.replace(setting, "# "), encoding="utf-8")
        assert analyze("security", "--offline=true", f"--threshold={EXPOSURE_MAX}", path).returncode != 0, setting


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None, comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # the documented way to keep capitals
    parser.read(UNIT, encoding="utf-8")
    return parser


def test_nothing_in_it_is_newer_than_debian_12() -> None:
    assert not NEWER.keys() & {name for section in unit().values() for name in section}
    assert unit()["Service"]["Type"] != "notify-reload"


def test_a_wrong_configuration_is_not_tried_again_and_anything_else_is_for_ever() -> None:
    service = unit()["Service"]
    assert service["Restart"] == "on-failure"
    assert int(service["RestartSec"]) >= 5
    assert unit()["Unit"]["StartLimitIntervalSec"] == "0"
    assert service["RestartPreventExitStatus"] == str(EXIT_CONFIG)


def test_the_manager_is_told_and_tells() -> None:
    service = unit()["Service"]
    assert service["Type"] == "notify"
    assert re.fullmatch(r"[1-9][0-9]*", service["WatchdogSec"])
    assert "kill -HUP $MAINPID" in service["ExecReload"]
    assert int(service["TimeoutStopSec"]) > STOP_ENDS_WITHIN_S


def test_it_is_started_after_network_and_sound() -> None:
    assert {"network-online.target", "sound.target"} <= set(unit()["Unit"]["After"].split())
    assert "network-online.target" in unit()["Unit"]["Wants"]


def test_memory_and_files_are_for_nobody_else() -> None:
    service = unit()["Service"]
    assert (service["LimitCORE"], service["UMask"], service["StateDirectoryMode"]) == ("0", "0077", "0700")
    assert service["MemorySwapMax"] == "0"


def test_there_is_a_limit_to_what_it_can_take() -> None:
    service = unit()["Service"]
    assert 128 < int(service["MemoryMax"].removesuffix("M")) <= 256, "half of what the smallest board has"
    assert int(service["TasksMax"]) <= 64


def test_names_are_those_of_the_contract() -> None:
    service = unit()["Service"]
    assert (service["User"], service["StateDirectory"]) == ("voice-satellite", "voice-satellite")
    assert "audio" in service["SupplementaryGroups"].split()
    assert service["ExecStart"] == f"{PROGRAM} run -c /etc/voice-satellite/config.yaml"
