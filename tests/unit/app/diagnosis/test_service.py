import pytest

from satellite.app.diagnosis.report import Verdict
from satellite.app.diagnosis.service import PROPERTIES, judge

WELL = {
    "LoadState": "loaded",
    "UnitFileState": "enabled",
    "ActiveState": "active",
    "SubState": "running",
    "NRestarts": "0",
    "WatchdogUSec": "30s",
    "Result": "success",
    "ExecMainStatus": "0",
}


def test_all_that_is_asked_for_is_looked_at() -> None:
    assert set(PROPERTIES) == set(WELL)


@pytest.mark.parametrize(
    ("properties", "verdict", "told"),
    [
        (None, Verdict.SKIP, "not under systemd"),
        ({"LoadState": "not-found"}, Verdict.SKIP, "there is no unit"),
        ({}, Verdict.SKIP, "there is no unit"),
        (WELL, Verdict.PASS, "active (running), restarted 0 times"),
        (WELL | {"UnitFileState": "disabled"}, Verdict.WARN, "not started at boot (disabled)"),
        (WELL | {"WatchdogUSec": "0"}, Verdict.WARN, "no watchdog"),
        (WELL | {"WatchdogUSec": "infinity"}, Verdict.WARN, "no watchdog"),
        (WELL | {"NRestarts": "3"}, Verdict.WARN, "restarted 3 times"),
        (WELL | {"ActiveState": "inactive", "SubState": "dead"}, Verdict.WARN, "inactive: it does not run"),
        (
            WELL | {"ActiveState": "failed", "SubState": "failed", "ExecMainStatus": "78"},
            Verdict.FAIL,
            "because of its configuration",
        ),
        (
            WELL | {"ActiveState": "activating", "SubState": "auto-restart", "Result": "watchdog", "NRestarts": "9"},
            Verdict.FAIL,
            "activating (auto-restart): watchdog, restarted 9 times",
        ),
        (WELL | {"ActiveState": "activating", "SubState": "start"}, Verdict.PASS, "activating (start)"),
        ({"LoadState": "loaded"}, Verdict.WARN, "unknown: it does not run"),
    ],
)
def test_what_systemd_says(properties: dict[str, str] | None, verdict: Verdict, told: str) -> None:
    outcome = judge(properties)
    assert outcome.verdict is verdict
    assert told in outcome.detail
    assert (outcome.mend is not None) == (verdict in (Verdict.WARN, Verdict.FAIL))
