import json

import pytest

from satellite.homeassistant import condition
from satellite.homeassistant.condition import DEAF_S, HEALTH_OVERDUE_S, Demand
from satellite.homeassistant.reports import Complaint
from satellite.homeassistant.sighting import Sighting
from satellite.runtime.listener import CAPTURE_PATIENCE_S
from satellite.runtime.pulse import HEALTH_EVERY_S
from tests.fakes.sightings import at, health

NONE = Demand()


def live_with(**payloads: bytes) -> Sighting:
    """The same, told live at 10 s."""
    return seen_with(True, **payloads)


def seen_with(is_live: bool = False, /, **payloads: bytes) -> Sighting:
    """One that is well, but for these, as it was retained."""
    seen = Sighting(at(0))
    told = {"availability": b"online", "state": b"idle", "problem": b'{"active":false}', "health": health(), **payloads}
    for topic, payload in told.items():
        seen.hear(topic, payload, at(10 if is_live else 0), is_live=is_live)
    return seen


def code(seen: Sighting, seconds: float = 11.0) -> str | None:
    found = condition.complaint(seen, at(seconds))
    return None if found is None else found.code


def test_one_that_is_well_has_nothing_to_complain_of() -> None:
    assert code(seen_with()) is None
    assert code(live_with()) is None


@pytest.mark.parametrize(
    ("payloads", "expected"),
    [
        ({"availability": b""}, "unknown"),
        ({"availability": b"Online"}, "unreadable"),
        ({"availability": b"offline", "problem": b'{"active":true,"code":"quota"}'}, "offline"),
        ({"availability": b"offline", "health": b"{"}, "offline"),
        ({"problem": b"{"}, "unreadable"),
        ({"health": b"{"}, "unreadable"),
        ({"problem": b'{"active":true,"code":"quota"}', "state": b"parked"}, "quota"),
        ({"state": b""}, "silent"),
        ({"health": b""}, "silent"),
        ({"state": b"parked"}, "parked"),
        ({"health": health(capture_age_ms=15_001)}, "deaf"),
        ({"health": health(capture_age_ms=None)}, "deaf"),
        ({"health": health(capture_age_ms=None, uptime_s=2.0)}, None),
        ({"health": health(capture_age_ms=15_001), "state": b"muted"}, None),
        ({"health": health(capture_age_ms=15_000)}, None),
    ],
)
def test_what_is_wrong(payloads: dict[str, bytes], expected: str | None) -> None:
    assert code(seen_with(**payloads)) == expected


def test_a_problem_is_told_in_its_own_words() -> None:
    seen = seen_with(problem=b'{"active":true,"code":"quota","message":"all used up","hint":"buy more"}')
    assert condition.complaint(seen, at(1)) == Complaint("quota", "all used up", "buy more")
    both = seen_with(problem=b"{", health=b"{")
    told = condition.complaint(both, at(1))
    assert told is not None
    assert "health, problem" in told.message


def test_health_that_comes_no_more_is_missed() -> None:
    seen = seen_with()
    assert code(seen, HEALTH_OVERDUE_S) is None
    assert code(seen, HEALTH_OVERDUE_S + 1) == "stale"
    seen.hear("health", health(uptime_s=99.0), at(76), is_live=True)
    assert code(seen, 76 + HEALTH_OVERDUE_S) is None
    assert code(seen, 77 + HEALTH_OVERDUE_S) == "stale"
    seen.hear("availability", b"online", at(160), is_live=True)
    assert code(seen, 160 + HEALTH_OVERDUE_S) is None
    assert code(seen, 161 + HEALTH_OVERDUE_S) == "stale"


def test_one_that_was_just_unmuted_is_not_called_deaf() -> None:
    seen = seen_with(state=b"muted", health=health(capture_age_ms=9_000_000))
    seen.hear("state", b"idle", at(11), is_live=True)
    assert code(seen) is None


def test_the_patience_is_that_of_the_daemon() -> None:
    assert HEALTH_OVERDUE_S > 2 * HEALTH_EVERY_S
    assert DEAF_S > CAPTURE_PATIENCE_S


# --- ages -----------------------------------------------------------------------------------------------------------


def test_how_old_the_health_is_and_how_long_the_program_runs() -> None:
    blank, retained, live = Sighting(at(0)), seen_with(), live_with()
    assert [condition.health_age_s(seen, at(15)) for seen in (blank, retained, live)] == [None, None, 5.0]
    assert [condition.uptime_s(seen, at(15)) for seen in (blank, retained, live)] == [None, 60.0, 65.0]


def test_how_long_nobody_has_spoken() -> None:
    assert condition.quiet_s(Sighting(at(0)), at(15)) == 15.0
    assert condition.quiet_s(seen_with(), at(15)) == 15.0
    assert condition.quiet_s(seen_with(health=health(utterances=0)), at(15)) == 60.0
    assert condition.quiet_s(seen_with(health=health(utterances=0)), at(70)) == 70.0
    spoken_to = seen_with()
    spoken_to.hear("state", b"listening", at(11), is_live=True)
    assert condition.quiet_s(spoken_to, at(15)) is None


@pytest.mark.parametrize(
    ("day", "expected"),
    [("2026-11-20", None), ("2026-11-21", 90.0), ("2026-11-22", 90.0), ("2026-11-23", 90.0), ("2026-11-24", None)],
)
def test_what_today_was_billed(day: str, expected: float | None) -> None:
    usage = json.dumps({"day": day, "billed_s": 90.0}).encode()
    assert condition.billed_today_s(seen_with(usage=usage), at(0)) == expected


def test_a_day_that_was_not_told_is_not_known() -> None:
    assert condition.billed_today_s(seen_with(), at(0)) is None


# --- known to work --------------------------------------------------------------------------------------------------


def test_one_that_tells_of_its_health_while_we_look_is_ready() -> None:
    assert condition.unready(live_with(), at(11), NONE) is None
    assert condition.unready(live_with(), at(11), Demand("0.1.0", -50.0)) is None


@pytest.mark.parametrize(
    ("payloads", "demand", "reason"),
    [
        ({"availability": b"offline"}, NONE, "offline: it does not run"),
        ({"problem": b'{"active":true,"code":"quota","message":"m"}'}, NONE, "quota: m"),
        ({}, Demand("0.2.0"), "runs 0.1.0, not 0.2.0"),
        ({}, Demand("0.2.0", -49.9), "still runs the program of before"),
        ({"state": b"starting"}, NONE, "is starting"),
        ({"health": health(capture_age_ms=None, uptime_s=1.0)}, NONE, "has not heard its microphone yet"),
        ({"health": health(capture_age_ms=20_000)}, NONE, "deaf: nothing came"),
    ],
)
def test_why_one_is_not_ready(payloads: dict[str, bytes], demand: Demand, reason: str) -> None:
    told = condition.unready(live_with(**payloads), at(11), demand)
    assert told is not None
    assert told.startswith(reason)


def test_what_is_retained_proves_nothing() -> None:
    assert condition.unready(seen_with(), at(11), NONE) == "has not told of its health since we look"


def test_a_muted_one_need_not_hear() -> None:
    seen = live_with(state=b"muted", health=health(capture_age_ms=None))
    assert condition.unready(seen, at(11), NONE) is None


def test_a_restart_while_we_look_takes_the_proof_away() -> None:
    seen = live_with()
    seen.hear("availability", b"offline", at(12), is_live=True)
    seen.hear("availability", b"online", at(13), is_live=True)
    assert condition.unready(seen, at(14), NONE) == "has not told of its health since we look"
