"""The judge of published messages notices what subscribers would stumble over."""

import json

import pytest

from tests.fakes.promised import Promises

ROOT = "voice-satellite/sat1"
SETTINGS = {
    "mute": False,
    "volume": 80,
    "source_language": "en",
    "target_languages": ["de"],
    "speech_language": None,
}


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("availability", "online"),
        ("settings", json.dumps(SETTINGS)),
        ("problem", '{"active":false}'),
        ("set/mute", "anything"),
        ("backend/any/result", '{"action":"any","ok":true,"reason":null,"result":{"more":[1]}}'),
    ],
)
def test_good_messages_pass(topic: str, payload: str) -> None:
    assert Promises().complaint(f"{ROOT}/{topic}", payload.encode()) is None


@pytest.mark.parametrize(
    ("topic", "payload", "complaint"),
    [
        ("availability", b"away", "'away' is not one of"),
        ("availability", b'"online"', "is not one of"),
        ("settings", b"{", "Expecting property name"),
        ("settings", b"\xff", "can't decode byte"),
        ("settings", json.dumps(SETTINGS | {"volume": 101}).encode(), "$.volume: 101 is greater than the maximum"),
        ("settings", json.dumps(SETTINGS | {"more": 1}).encode(), "'more' was unexpected"),
        ("settings", json.dumps({**SETTINGS, "mute": None}).encode(), "$.mute: None is not of type 'boolean'"),
        ("problem", b'{"active":true}', "is not valid under any of the given schemas"),
        ("speech/loud", b"{}", "has no schema"),
        ("translation/de/tentative/more", b"{}", "has no schema"),
    ],
)
def test_bad_messages_do_not(topic: str, payload: bytes, complaint: str) -> None:
    assert complaint in str(Promises().complaint(f"{ROOT}/{topic}", payload))


def test_it_judges_what_is_below_the_base_topic_only() -> None:
    promises = Promises()
    assert promises.complaint("homeassistant/status", b"online") is None
    assert promises.complaint("other/voice-satellite/sat1/x", b"") is None
    assert promises.used == set()


def test_it_remembers_what_was_used() -> None:
    promises = Promises()
    promises.complaint(f"{ROOT}/translation/de", b"{}")
    assert promises.used == {"segment.schema.json"}
