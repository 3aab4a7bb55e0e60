import json
from collections.abc import Callable
from typing import Any

import pytest

from satellite.homeassistant import payloads, reports
from satellite.homeassistant.payloads import ProblemNote
from satellite.homeassistant.reports import Complaint, Health, UnreadableError, Usage
from satellite.homeassistant.topics import Topics
from tests.fakes.sightings import FIGURES, health

TOPICS = Topics("voice-satellite", "kitchen")


def test_what_a_satellite_publishes_can_be_read() -> None:
    told = reports.decoded(payloads.health(TOPICS, FIGURES).payload, Health)
    assert (told.version, told.uptime_s, told.utterances, told.lost_audio_ms) == ("0.1.0", 60.0, 3, 0)
    assert reports.decoded(payloads.usage(TOPICS, "2026-11-22", 12.0, 9.0).payload, Usage) == Usage("2026-11-22", 9.0)
    note = ProblemNote("microphone", "it is gone", "plug it in", 0.0)
    assert reports.problem(payloads.problem(TOPICS, note).payload) == Complaint(
        "microphone", "it is gone", "plug it in"
    )
    assert reports.problem(payloads.problem(TOPICS, None).payload) is None
    assert reports.word(b"idle") == "idle"
    assert reports.spoken_at(b'{"end":"1970-01-01T00:01:00.500Z"}') == 60.5


def test_keys_and_words_of_later_versions_are_let_through() -> None:
    assert reports.word(b"dozing_off") == "dozing_off"
    assert reports.problem(b'{"active":true,"code":"toothache","since":null}') == Complaint("toothache", "")
    assert reports.decoded(health(mood="fine"), Health).version == "0.1.0"


def test_names_are_read_from_what_home_assistant_is_told() -> None:
    assert reports.device(b'{"device":{"name":"Kitchen","suggested_area":"Ground floor"},"origin":{}}') == (
        "Kitchen",
        "Ground floor",
    )
    assert reports.device(b'{"device":{"name":"Kit\\u001bchen"}}') == ("Kit\ufffdchen", None)


def test_texts_of_others_are_short_and_can_be_shown() -> None:
    told = reports.problem(json.dumps({"active": True, "code": "x", "message": "\x1b" * 900, "hint": "\n"}).encode())
    assert told == Complaint("x", "\ufffd" * 299 + "…", "\ufffd")


UNREADABLE: list[tuple[Callable[[bytes], object], bytes]] = [
    *(
        (reader, payload)
        for reader in (
            lambda payload: reports.decoded(payload, Health),
            lambda payload: reports.decoded(payload, Usage),
            reports.problem,
            reports.spoken_at,
            reports.device,
        )
        for payload in (
            b"",
            b"{",
            b"\xff",
            b"null",
            b"[]",
            b"{}",
            b'{"active":1}',
            b"[" * 60_000,
            b'{"x":' * 10_000 + b"1" + b"}" * 10_000,
            b'"' + b"x" * 70_000 + b'"',
            b'{"device":{"name":5}}',
        )
    ),
    *((reports.word, payload) for payload in (b"", b"Idle", b"id le", b"idle\n", b"\xff", b"x" * 25, b"\x1b[2J")),
    *(
        (reports.spoken_at, json.dumps({"end": end}).encode())
        for end in ("", "Z", "yesterday", "2026-11-22T10:00:00", "2026-13-22T10:00:00Z", "99999-01-01T00:00:00Z")
    ),
    *((reports.problem, json.dumps({"active": True, "code": code}).encode()) for code in ("", "A", "a" * 30, "ü")),
    *(
        (lambda payload: reports.decoded(payload, Health), payload)
        for payload in (
            health(uptime_s=-1),
            health(uptime_s=1e300),
            health(utterances=10**13),
            health(utterances=1.5),
            health(capture_age_ms="12"),
            health(version=""),
            health(version="1\n"),
            health(version="1" * 40),
            health(version="\x1b[31m1"),
            health(lost_audio_ms=None),
        )
    ),
    *(
        (lambda payload: reports.decoded(payload, Usage), json.dumps({"day": day, "billed_s": 1}).encode())
        for day in ("", "today", "2026-11-22\n", "2026-11-222")
    ),
]


@pytest.mark.parametrize(
    ("reader", "payload"), UNREADABLE, ids=lambda value: getattr(value, "__name__", repr(value)[:40])
)
def test_anything_else_is_unreadable(reader: Callable[[bytes], Any], payload: bytes) -> None:
    with pytest.raises(UnreadableError):
        reader(payload)
