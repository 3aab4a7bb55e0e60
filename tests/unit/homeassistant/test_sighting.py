import json

import pytest

from satellite.homeassistant.payloads import rfc3339_ms
from satellite.homeassistant.reports import Complaint, Usage
from satellite.homeassistant.sighting import AHEAD_S, Sighting
from tests.fakes.sightings import WALL_S, at, health


def hear(sighting: Sighting, topic: str, payload: bytes, seconds: float = 0.0, *, is_live: bool = False) -> None:
    sighting.hear(topic, payload, at(seconds), is_live=is_live)


def spoken(seconds: float) -> bytes:
    return json.dumps({"end": rfc3339_ms(WALL_S + seconds), "text": "nobody reads it"}).encode()


def test_each_topic_has_its_place() -> None:
    seen = Sighting(at(0))
    hear(seen, "availability", b"online")
    hear(seen, "state", b"idle")
    hear(seen, "cloud", b"connected")
    hear(seen, "problem", b'{"active":true,"code":"quota","message":"m","hint":null}')
    hear(seen, "usage", b'{"day":"2026-11-22","billed_s":60,"streamed_s":60}')
    hear(seen, "health", health())
    hear(seen, "announcement", b'{"device":{"name":"Kitchen","suggested_area":"Home"}}')
    assert (seen.is_online, seen.state, seen.cloud) == (True, "idle", "connected")
    assert seen.problem == Complaint("quota", "m", None)
    assert seen.usage == Usage("2026-11-22", 60.0)
    assert seen.health is not None
    assert (seen.name, seen.area) == ("Kitchen", "Home")
    assert seen.unreadable == set()
    assert not seen.is_blank


def test_what_was_cleared_is_not_known_any_more() -> None:
    seen = Sighting(at(0))
    topics = {
        "availability": b"offline",
        "state": b"idle",
        "cloud": b"idle",
        "problem": b'{"active":true,"code":"quota"}',
        "usage": b'{"day":"2026-11-22","billed_s":60}',
        "health": health(),
        "announcement": b'{"device":{"name":"Kitchen"}}',
        "utterance": spoken(-5),
    }
    for topic, payload in topics.items():
        hear(seen, topic, payload)
    for topic in topics:
        hear(seen, topic, b"", 1.0, is_live=True)
    assert seen.is_blank
    assert (seen.is_online, seen.state, seen.cloud, seen.problem, seen.usage, seen.health) == (None,) * 6
    assert (seen.name, seen.area, seen.health_at, seen.connected_at) == (None,) * 4
    assert seen.unreadable == set()


def test_speech_and_names_alone_make_no_satellite() -> None:
    seen = Sighting(at(0))
    hear(seen, "utterance", spoken(-5))
    hear(seen, "announcement", b'{"device":{"name":"Kitchen"}}')
    assert seen.is_blank


@pytest.mark.parametrize("topic", ["availability", "state", "cloud", "problem", "usage", "health", "announcement"])
def test_what_cannot_be_read_takes_away_what_was_known(topic: str) -> None:
    seen = Sighting(at(0))
    good = {
        "availability": b"online",
        "problem": b'{"active":true,"code":"quota"}',
        "usage": b'{"day":"2026-11-22","billed_s":60}',
        "health": health(),
        "announcement": b'{"device":{"name":"Kitchen"}}',
    }.get(topic, b"idle")
    attribute = {"availability": "is_online", "announcement": "name"}.get(topic, topic)
    hear(seen, topic, good)
    assert getattr(seen, attribute) is not None
    hear(seen, topic, b"\x1b[2J{", 1.0, is_live=True)
    assert seen.unreadable == {topic}
    assert getattr(seen, attribute) is None
    hear(seen, topic, good, 2.0, is_live=True)
    assert seen.unreadable == set()
    assert getattr(seen, attribute) is not None


# --- health: whether it is of now -----------------------------------------------------------------------------------


def test_a_retained_health_is_of_nobody_knows_when() -> None:
    seen = Sighting(at(0))
    hear(seen, "health", health())
    assert seen.health is not None
    assert seen.health_at is None


def test_a_live_health_is_of_now() -> None:
    seen = Sighting(at(0))
    hear(seen, "health", health())
    hear(seen, "health", health(uptime_s=90.0), 7.0, is_live=True)
    assert seen.health_at == 7.0


def test_a_bridge_that_repeats_what_was_retained_says_nothing_new() -> None:
    seen = Sighting(at(0))
    hear(seen, "health", health())
    hear(seen, "health", health(), 7.0, is_live=True)
    assert seen.health_at is None


@pytest.mark.parametrize("word", [b"online", b"offline"])
def test_a_health_of_before_a_restart_does_not_count(word: bytes) -> None:
    seen = Sighting(at(0))
    hear(seen, "health", health(), 1.0, is_live=True)
    hear(seen, "availability", word, 2.0, is_live=True)
    assert (seen.health_at, seen.connected_at) == (None, 2.0 if word == b"online" else None)
    hear(seen, "health", health(uptime_s=0.4), 3.0, is_live=True)
    assert seen.health_at == 3.0


def test_a_retained_availability_does_not_say_when_it_came() -> None:
    seen = Sighting(at(0))
    hear(seen, "availability", b"online", 1.0)
    assert (seen.is_online, seen.connected_at) == (True, None)


def test_a_health_told_while_muted_says_nothing_of_the_microphone_afterwards() -> None:
    seen = Sighting(at(0))
    hear(seen, "state", b"muted")
    hear(seen, "health", health(capture_age_ms=9_000_000), 1.0, is_live=True)
    told = [seen.is_health_of_muted]
    for seconds, topic, payload in (
        (2.0, "state", b"muted"),
        (3.0, "state", b"idle"),
        (4.0, "health", health(capture_age_ms=40)),
    ):
        hear(seen, topic, payload, seconds, is_live=True)
        told.append(seen.is_health_of_muted)
    assert told == [False, False, True, False]


# --- when somebody spoke --------------------------------------------------------------------------------------------


def test_an_utterance_says_when_somebody_spoke() -> None:
    seen = Sighting(at(0))
    hear(seen, "utterance", spoken(-100), 5.0)
    assert seen.spoke_at == pytest.approx(-100, abs=0.01)
    hear(seen, "utterance", spoken(3), 5.0, is_live=True)
    assert seen.spoke_at == pytest.approx(3, abs=0.01)
    hear(seen, "utterance", spoken(-50), 6.0, is_live=True)  # came late
    assert seen.spoke_at == pytest.approx(3, abs=0.01)
    hear(seen, "utterance", b"{}", 7.0, is_live=True)
    assert seen.unreadable == {"utterance"}
    assert seen.spoke_at == pytest.approx(3, abs=0.01)


def test_clocks_differ_and_a_date_of_the_future_is_none() -> None:
    seen = Sighting(at(0))
    hear(seen, "utterance", spoken(AHEAD_S + 100), 5.0)
    assert seen.spoke_at is None
    hear(seen, "utterance", spoken(AHEAD_S), 5.0)
    assert seen.spoke_at == 5.0


def test_who_listens_is_spoken_to() -> None:
    seen = Sighting(at(0))
    hear(seen, "state", b"listening")
    moments = [seen.spoke_at]
    for seconds, word in enumerate((b"idle", b"speaking", b"listening"), 4):
        hear(seen, "state", word, seconds, is_live=True)
        moments.append(seen.spoke_at)
    assert moments == [None, 4, 4, 6]
