import json

import pytest

from satellite.homeassistant import payloads
from satellite.homeassistant.commands import echo
from satellite.homeassistant.order import Order, RefusalNote, SettingsNote
from satellite.homeassistant.reports import decoded
from satellite.homeassistant.topics import Topics

TOPICS = Topics("voice-satellite", "kitchen")
SETTINGS = payloads.settings(
    TOPICS, mute=True, volume=35, source_language="en", target_languages=("de", "pt-BR"), speech_language=None
).payload


@pytest.mark.parametrize(
    ("name", "payload", "holds"),
    [
        ("mute", "on", True),
        ("mute", "OFF", False),
        ("volume", " 35.2 ", True),
        ("volume", "36", False),
        ("volume", "150", False),
        ("source_language", "EN", True),
        ("source_language", "auto", False),
        ("speech_language", "off", True),
        ("speech_language", "de", False),
        ("target_languages", "de,pt-br", True),
        ("target_languages", '["DE","pt-BR","de"]', True),
        ("target_languages", "pt-BR,de", False),
        ("target_languages", "[]", False),
        ("restart", "", False),
        ("sing", "35", False),
    ],
)
def test_the_settings_show_whether_it_was_obeyed(name: str, payload: str, holds: bool) -> None:
    assert Order(name, payload.encode()).holds_in(decoded(SETTINGS, SettingsNote)) is holds


def test_what_shows_that_it_was_obeyed() -> None:
    for name in json.loads(SETTINGS):
        assert (Order(name, b"").is_setting, Order(name, b"").is_seen, Order(name, b"").answer_name) == (
            True,
            True,
            None,
        )
    action = Order("backend/config", b"{}")
    assert (action.is_setting, action.is_seen, action.answer_name) == (False, True, "backend/config/result")
    assert not Order("restart", b"").is_seen


def refusal(command: str, payload: str) -> RefusalNote:
    """As a satellite publishes it."""
    return decoded(payloads.command_error(TOPICS, command, payload, "no").payload, RefusalNote)


@pytest.mark.parametrize(
    ("name", "payload", "echoed"),
    [
        ("volume", b"150", "150"),
        ("volume", b"\xff\x1b", echo(b"\xff\x1b")),
        ("volume", b"9" * 9_000, echo(b"9" * 9_000)),
        ("target_languages", b'["DE", "fr"]', "de,fr"),
        ("speech_language", b"OFF", "off"),
        ("play", b" /etc/passwd\n", "/etc/passwd"),
        ("listen", b"on", "ON"),
        ("sing", b"la", "la"),
        ("restart", b"x", ""),
        ("backend/dance", b'{"a":1}', ""),
        ("backend/dance", b"{", "{"),
    ],
)
def test_it_is_known_again_when_it_is_refused(name: str, payload: bytes, echoed: str) -> None:
    assert Order(name, payload).is_refused_by(refusal(name, echoed))
    assert not Order(name, payload).is_refused_by(refusal("mute", echoed))


@pytest.mark.parametrize(
    ("name", "payload", "echoed"),
    [
        ("volume", b"150", "160"),
        ("volume", b"15", "160"),
        ("volume", b"150", "15"),
        ("target_languages", b"de,fr", "fr,de"),
        ("play", b"/a.wav", "/b.wav"),
        ("sing", b"la", "le"),
    ],
)
def test_the_refusal_of_another_s_command_is_none_of_ours(name: str, payload: bytes, echoed: str) -> None:
    assert not Order(name, payload).is_refused_by(refusal(name, echoed))
