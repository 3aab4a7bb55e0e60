"""The systemd unit: there, enabled, active, watched, and not started again and again."""

from collections.abc import Mapping

from satellite.app.diagnosis.report import Outcome, failed, joined, passed, skipped, warned

UNIT = "voice-satellite"
PROPERTIES = (
    "LoadState", "UnitFileState", "ActiveState", "SubState", "NRestarts", "WatchdogUSec", "Result", "ExecMainStatus",
)  # fmt: skip
RESTARTS_MANY = 3
EXIT_CONFIG = "78"
UNWATCHED = ("", "0", "infinity")


def judge(properties: Mapping[str, str] | None) -> Outcome:
    """What `systemctl show` says of it; None where there is no systemd."""
    if properties is None:
        return skipped("not under systemd")
    if properties.get("LoadState") != "loaded":
        return skipped(f"there is no unit {UNIT} here (docs/service.md has the commands)")
    return joined([_activity(properties), *_flaws(properties)])


def _activity(properties: Mapping[str, str]) -> Outcome:
    state, sub_state = properties.get("ActiveState", ""), properties.get("SubState", "")
    restarts = properties.get("NRestarts", "0")
    if state in ("active", "reloading") or sub_state.startswith("start"):
        return passed(f"{state} ({sub_state}), restarted {restarts} times")
    if properties.get("ExecMainStatus") == EXIT_CONFIG:
        return failed(f"{state}: it ended because of its configuration", f"mend that, then `systemctl restart {UNIT}`")
    if state == "failed" or "auto-restart" in sub_state:
        detail = f"{state} ({sub_state}): {properties.get('Result') or 'unknown'}, restarted {restarts} times"
        return failed(detail, f"`journalctl -u {UNIT} -n 50` says why")
    return warned(f"{state or 'unknown'}: it does not run", f"`systemctl start {UNIT}`")


def _flaws(properties: Mapping[str, str]) -> list[Outcome]:
    """What may be wrong with one that runs."""
    flaws = []
    if properties.get("UnitFileState") not in ("enabled", "static", "alias", "generated"):
        detail = f"not started at boot ({properties.get('UnitFileState') or 'not enabled'})"
        flaws.append(warned(detail, f"`systemctl enable {UNIT}`"))
    if properties.get("WatchdogUSec", "") in UNWATCHED:
        flaws.append(warned("no watchdog: one that hangs is not started anew", "WatchdogSec=30 in the unit"))
    restarts = properties.get("NRestarts", "")
    if restarts.isdecimal() and int(restarts) >= RESTARTS_MANY:
        flaws.append(warned(f"restarted {restarts} times", f"`journalctl -u {UNIT}` says why it ended"))
    return flaws
