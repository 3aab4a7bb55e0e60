from pathlib import Path

from satellite.adapters.clock import SystemClock
from satellite.app.diagnosis.patient import TITLES, Patient, Request
from satellite.config.loader import Loaded, load_all
from satellite.errors import ConfigError, Problem

LONGEST_S = 14.0


def patient(directory: Path, *, is_configured: bool) -> Patient:
    path = directory / "config.yaml"
    path.write_text("voice: {backend: loopback}\n")
    loaded: Loaded | ConfigError = load_all(path) if is_configured else ConfigError((Problem("f", 1, "", "is wrong"),))
    return Patient(Request(str(path), {"STATE_DIRECTORY": str(directory)}), loaded, SystemClock())


def test_each_check_is_tried_once_with_a_configuration_and_without(tmp_path: Path) -> None:
    for is_configured in (True, False):
        chains = patient(tmp_path, is_configured=is_configured).chains()
        checks = [check for chain in chains for check in chain.checks]
        assert sorted(check.id for check in checks) == sorted(TITLES)
        assert [check.title for check in checks] == [TITLES[check.id] for check in checks]


def test_it_is_over_in_a_quarter_of_a_minute_whatever_hangs(tmp_path: Path) -> None:
    chains = patient(tmp_path, is_configured=True).chains()
    assert max(sum(check.deadline_s for check in chain.checks) for chain in chains) <= LONGEST_S
