"""Options and languages together: what is found, and where."""

from dataclasses import dataclass
from typing import Any

import pytest

from satellite.backends.base import Severity
from satellite.backends.vurbo.check import MAX_TARGETS, check
from tests.unit.backends.vurbo.stage import options


@dataclass(frozen=True)
class Voice:
    source_language: str = "en"
    target_languages: tuple[str, ...] = ("de",)
    speech_language: str | None = None
    speech_voice: str | None = None


def found(voice: Voice | None = None, **changes: Any) -> dict[str, Severity]:
    """By path, what is found."""
    return {finding.path: finding.severity for finding in check(options(**changes), voice or Voice())}


ERROR, WARNING = Severity.ERROR, Severity.WARNING
CONVERSATION = {"recording_type": "conversation"}
BROADCAST = {"recording_type": "broadcast", "broadcast_token": "k7q2"}
CUSTOM = {"summary_mode": "custom", "summary_prompt": "One line.", "summary_prompt_slug": "line"}


@pytest.mark.parametrize(
    ("changes", "voice"),
    [
        ({}, Voice()),
        ({}, Voice(speech_language="de", speech_voice="de-DE-KatjaNeural")),
        ({"second_source_language": "fr"}, Voice()),
        ({"recognition_mode": "multi_speaker"}, Voice()),
        ({"recording_type": "record"}, Voice(target_languages=())),
        (CONVERSATION, Voice(speech_language="de")),
        ({**CONVERSATION, "active_language": "de", "conversation_mode": "manual", "voices": {"de": {}}}, Voice()),
        (BROADCAST, Voice(target_languages=())),
        ({**BROADCAST, "broadcast_phase": "standby", "standby_message": "Soon."}, Voice(target_languages=())),
        (CUSTOM, Voice()),
    ],
)
def test_what_goes_together_is_fine(changes: dict[str, Any], voice: Voice) -> None:
    assert found(voice, **changes) == {}


@pytest.mark.parametrize(
    ("changes", "voice", "expected"),
    [
        ({}, Voice(source_language="auto"), {"voice.source_language": ERROR}),
        ({}, Voice(source_language="eo"), {"voice.source_language": WARNING}),
        ({}, Voice(target_languages=("en",)), {"voice.target_languages": WARNING}),
        ({}, Voice(speech_voice="x"), {"voice.speech_voice": WARNING}),
        (
            {"second_source_language": "fr", "recognition_mode": "multi_speaker"},
            Voice(),
            {"voice.vurbo.second_source_language": ERROR},
        ),
        ({"second_source_language": "en-US"}, Voice(), {"voice.vurbo.second_source_language": ERROR}),
        ({"recording_type": "record"}, Voice(), {"voice.vurbo.recording_type": WARNING}),
        (CONVERSATION, Voice(target_languages=("de", "fr")), {"voice.target_languages": ERROR}),
        (CONVERSATION, Voice(target_languages=()), {"voice.target_languages": ERROR}),
        (CONVERSATION, Voice(target_languages=("en",)), {"voice.target_languages": ERROR}),
        (CONVERSATION, Voice(speech_language="fr"), {"voice.speech_language": ERROR}),
        ({**CONVERSATION, "recognition_mode": "multi_speaker"}, Voice(), {"voice.vurbo.recording_type": ERROR}),
        ({**CONVERSATION, "active_language": "fr"}, Voice(), {"voice.vurbo.active_language": ERROR}),
        ({**CONVERSATION, "second_source_language": "fr"}, Voice(), {"voice.vurbo.second_source_language": ERROR}),
        (CONVERSATION, Voice(speech_language="de", speech_voice="x"), {"voice.speech_voice": WARNING}),
        ({"recording_type": "broadcast"}, Voice(target_languages=()), {"voice.vurbo.broadcast_token": ERROR}),
        (BROADCAST, Voice(target_languages=(), speech_language="de"), {"voice.speech_language": ERROR}),
        (BROADCAST, Voice(), {"voice.target_languages": WARNING}),
        ({**BROADCAST, "standby_message": "x"}, Voice(target_languages=()), {"voice.vurbo.standby_message": WARNING}),
        ({"summary_prompt": "x"}, Voice(), {"voice.vurbo.summary_prompt": ERROR}),
        ({"summary_prompt_slug": "x"}, Voice(), {"voice.vurbo.summary_prompt_slug": ERROR}),
        (
            {"summary_mode": "custom"},
            Voice(),
            {"voice.vurbo.summary_prompt": ERROR, "voice.vurbo.summary_prompt_slug": ERROR},
        ),
        ({"voices": {"de": {}}}, Voice(), {"voice.vurbo.voices": WARNING}),
        ({"active_language": "de"}, Voice(), {"voice.vurbo.active_language": WARNING}),
        ({"conversation_mode": "manual"}, Voice(), {"voice.vurbo.conversation_mode": WARNING}),
        ({"broadcast_token": "k7q2"}, Voice(), {"voice.vurbo.broadcast_token": WARNING}),
        ({"standby_message": "x"}, Voice(), {"voice.vurbo.standby_message": WARNING}),
    ],
)
def test_what_does_not_is_found_where_it_stands(
    changes: dict[str, Any], voice: Voice, expected: dict[str, Severity]
) -> None:
    assert found(voice, **changes) == expected


def test_there_is_an_end_to_targets() -> None:
    many = ("de", "fr", "es", "it", "nl", "pl", "cs", "da", "sv")
    assert len(many) > MAX_TARGETS
    assert found(Voice(target_languages=many)) == {"voice.target_languages": ERROR}


def test_a_channel_decides_on_languages() -> None:
    assert found(Voice(source_language="auto", target_languages=()), **BROADCAST) == {}
