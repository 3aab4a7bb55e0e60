import pytest

from satellite.homeassistant import fleet as module
from satellite.homeassistant.condition import MISSING, Demand
from satellite.homeassistant.fleet import WHAT, Fleet, Row, is_pattern
from tests.fakes.sightings import at, health

WELL = {"availability": b"online", "state": b"idle", "problem": b'{"active":false}', "health": health()}


def say(fleet: Fleet, satellite_id: str, seconds: float = 0.0, *, is_live: bool = False, **changes: bytes) -> None:
    for name, payload in {**WELL, **changes}.items():
        fleet.hear(f"home/voice/{satellite_id}/{name}", payload, at(seconds), is_live=is_live)


def ids(fleet: Fleet, seconds: float = 1.0) -> list[str]:
    return [row.id for row in fleet.rows(at(seconds))]


def test_little_is_asked_for_and_no_text_of_speech() -> None:
    filters = Fleet("home/voice").filters
    assert filters == tuple(f"home/voice/+/{name}" for name in WHAT)
    assert not any("transcript" in one or "translation" in one for one in filters)
    assert Fleet("a", (), "homeassistant").filters[-1] == "homeassistant/device/+/config"


def test_those_with_a_problem_come_first_then_by_id() -> None:
    fleet = Fleet("home/voice")
    for satellite_id in ("c", "a", "d", "b"):
        say(fleet, satellite_id, availability=b"offline" if satellite_id in "cb" else b"online")
    assert ids(fleet) == ["b", "c", "a", "d"]
    assert len(fleet) == 4


def test_a_row_tells_all_that_is_known() -> None:
    fleet = Fleet("home/voice", discovery_prefix="homeassistant")
    usage = b'{"day":"2026-11-22","billed_s":61.26}'
    say(fleet, "kitchen", 2.0, is_live=True, usage=usage, cloud=b"idle")
    announcement = b'{"device":{"name":"Kitchen","suggested_area":"Home"}}'
    fleet.hear("homeassistant/device/voice_satellite_kitchen/config", announcement, at(2), is_live=False)
    fleet.hear("home/voice/kitchen/state", b"listening", at(3), is_live=True)
    (row,) = fleet.rows(at(5))
    assert row == Row(
        id="kitchen",
        complaint=None,
        name="Kitchen",
        area="Home",
        is_online=True,
        state="listening",
        cloud="idle",
        version="0.1.0",
        uptime_s=63.0,
        connected_s=3.0,
        health_age_s=3.0,
        speech_age_s=2.0,
        quiet_s=None,
        utterances=3,
        lost_audio_ms=0,
        billed_today_s=61.26,
    )
    told = row.as_json()
    assert list(told)[:2] == ["id", "problem"]
    assert (told["billed_today_s"], told["problem"]) == (61.3, None)


def test_one_of_which_little_is_known_has_a_row_too() -> None:
    fleet = Fleet("home/voice")
    fleet.hear("home/voice/kitchen/state", b"idle", at(0), is_live=False)
    (row,) = fleet.rows(at(1))
    assert (row.condition, row.version, row.uptime_s, row.utterances) == ("unknown", None, None, None)
    fleet.hear("home/voice/kitchen/availability", b"offline", at(0), is_live=False)
    assert fleet.rows(at(1))[0].condition == "offline"
    fleet.hear("home/voice/kitchen/availability", b"online", at(0), is_live=False)
    assert fleet.rows(at(1))[0].condition == "idle"
    fleet.hear("home/voice/kitchen/state", b"", at(0), is_live=True)
    assert fleet.rows(at(1))[0].condition == "unknown"


def test_a_complaint_is_told_to_programs_whole() -> None:
    fleet = Fleet("home/voice")
    say(fleet, "kitchen", availability=b"offline")
    told = fleet.rows(at(1))[0].as_json()
    assert told["problem"] == {
        "code": "offline",
        "message": "it does not run, or cannot reach the broker",
        "hint": None,
    }


# --- who is wanted ------------------------------------------------------------------------------------------------


def test_only_those_that_are_wanted_are_kept() -> None:
    fleet = Fleet("home/voice", ("hall-*", "kitchen"))
    for satellite_id in ("hall-1", "hall-2", "kitchen", "study"):
        say(fleet, satellite_id)
    assert ids(fleet) == ["hall-1", "hall-2", "kitchen"]


def test_one_that_is_named_has_to_be_there() -> None:
    fleet = Fleet("home/voice", ("kitchen", "kitchen", "hall-*"))
    (row,) = fleet.rows(at(0))
    assert (row.id, row.complaint, row.condition) == ("kitchen", MISSING, "missing")
    assert fleet.unready(at(0), Demand()) == {"kitchen": MISSING.message}
    say(fleet, "kitchen")
    assert fleet.rows(at(0))[0].complaint is None


@pytest.mark.parametrize(("text", "expected"), [("a*", True), ("a?", True), ("[ab]", True), ("hall-1", False)])
def test_what_a_pattern_is(text: str, expected: bool) -> None:
    assert is_pattern(text) is expected


def test_why_which_are_not_ready() -> None:
    fleet = Fleet("home/voice", ("gone", "*"))
    say(fleet, "b")
    say(fleet, "a", 1.0, is_live=True)
    assert fleet.unready(at(2), Demand()) == {
        "b": "has not told of its health since we look",
        "gone": MISSING.message,
    }
    assert fleet.unready(at(2), Demand(version="9"))["a"] == "runs 0.1.0, not 9"


# --- what comes from outside --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["all", "Kitchen", "", "a b", "\x1b[2J", "x" * 64, "-a", "ü"])
def test_what_has_no_id_is_counted_and_left_out(name: str) -> None:
    fleet = Fleet("home/voice")
    fleet.hear(f"home/voice/{name}/state", b"idle", at(0), is_live=False)
    assert (len(fleet), fleet.left_out) == (0, 1)


def test_other_topics_are_none_of_our_business() -> None:
    fleet = Fleet("home/voice")
    for topic in ("home/voice/kitchen/transcript", "home/voice/kitchen/set/mute", "home/voice/kitchen", "x"):
        fleet.hear(topic, b"idle", at(0), is_live=False)
    assert (len(fleet), fleet.left_out) == (0, 0)


def test_no_more_are_kept_than_a_table_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SATELLITES_MAX", 2)
    fleet = Fleet("home/voice")
    for satellite_id in ("a", "b", "c"):
        fleet.hear(f"home/voice/{satellite_id}/state", b"idle", at(0), is_live=False)
    assert (ids(fleet), fleet.left_out) == (["a", "b"], 1)


def test_one_that_was_forgotten_is_gone() -> None:
    fleet = Fleet("home/voice")
    fleet.hear("home/voice/never/state", b"", at(0), is_live=True)
    say(fleet, "kitchen")
    for name in WELL:
        fleet.hear(f"home/voice/kitchen/{name}", b"", at(1), is_live=True)
    assert ids(fleet) == []


def test_names_are_those_of_satellites_that_are_there() -> None:
    fleet = Fleet("home/voice", (), "homeassistant")
    say(fleet, "kitchen")
    named = b'{"device":{"name":"Somebody"}}'
    for node in ("kitchen", "voice_satellite_study", "zigbee_kitchen", "voice_satellite_"):
        fleet.hear(f"homeassistant/device/{node}/config", named, at(0), is_live=False)
    (row,) = fleet.rows(at(0))
    assert (row.id, row.name) == ("kitchen", None)


# --- another connection -------------------------------------------------------------------------------------------


def test_after_an_outage_only_what_is_said_again_holds() -> None:
    fleet = Fleet("home/voice")
    say(fleet, "a", 1.0, is_live=True)
    say(fleet, "b", 1.0, is_live=True)
    fleet.hear("home/voice/a/state", b"listening", at(2), is_live=True)
    fleet.hear("home/voice/All/state", b"x", at(2), is_live=True)
    fleet.begin()
    assert (ids(fleet), fleet.left_out) == ([], 0)
    say(fleet, "a", 10.0)
    say(fleet, "c", 10.0)
    rows = {row.id: row for row in fleet.rows(at(12))}
    assert set(rows) == {"a", "c"}
    assert (rows["a"].speech_age_s, rows["a"].health_age_s) == (10.0, None)
    assert rows["c"].speech_age_s is None
