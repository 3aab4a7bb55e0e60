"""The actions that a user may ask for, and what their arguments may be."""

from typing import Any

import pytest

from satellite.backends.vurbo.arguments import ACTIONS
from satellite.backends.vurbo.commands import EXPECTED
from tests.fakes.sections import RefusedError, made

DOCUMENTED = """pause resume switch_language set_speaker_language start_speaking stop_speaking switch_conversation_mode
tts_play tts_stop tts_mode set_tts set_name rename_speaker reassign_speaker merge_speakers retranslate
broadcast_go_live broadcast_announcement set_standby_message config"""
LASTING = """switch_language set_speaker_language start_speaking switch_conversation_mode tts_mode set_tts set_name
broadcast_go_live set_standby_message config"""


def test_every_documented_action_is_there_and_has_an_answer() -> None:
    assert set(ACTIONS) == set(DOCUMENTED.split())
    assert set(ACTIONS) <= set(EXPECTED)


def test_what_has_an_effect_on_every_sentence_outlasts_a_session() -> None:
    assert {name for name, action in ACTIONS.items() if action.outlasts_session} == set(LASTING.split())
    follows = {name for name, action in ACTIONS.items() if action.follows_languages}
    assert follows == {"switch_language", "set_speaker_language"}
    assert ACTIONS["set_speaker_language"].part == "speaker"


@pytest.mark.parametrize(
    ("action", "data"),
    [
        ("switch_language", {"translation_languages": ["de", "fr-CA"]}),
        ("set_speaker_language", {"speaker": 2, "language": "it"}),
        ("start_speaking", {}),
        ("tts_play", {"sid": 4}),
        ("rename_speaker", {"speaker_id": "Guest-1", "new_label": "Änne"}),
        ("config", {"terminology": {"en": [{"term": "Zigbee"}]}}),
    ],
)
def test_arguments_are_read(action: str, data: dict[str, Any]) -> None:
    arguments = made(ACTIONS[action].arguments, data)
    assert all(getattr(arguments, name) is not None for name in data)


@pytest.mark.parametrize(
    ("action", "data", "reason"),
    [
        ("pause", {"why": "lunch"}, "unknown key"),
        ("switch_language", {"translation_languages": []}, "must name a language"),
        ("switch_language", {"translation_languages": "de"}, "must be a list"),
        ("set_speaker_language", {"speaker": 3, "language": "it"}, "2 or less"),
        ("set_speaker_language", {"speaker": 1}, "is missing"),
        ("switch_conversation_mode", {"conversation_mode": "loud"}, "must be auto or manual"),
        ("tts_play", {"sid": 0}, "1 or more"),
        ("tts_play", {"sid": 1, "length": 21}, "20 or less"),
        ("set_name", {"name": "x" * 61}, "at most 60 characters"),
        ("rename_speaker", {"speaker_id": "Guest-1", "new_label": "a\nb"}, "must be one line of text"),
        ("merge_speakers", {"source_speaker_id": "x" * 101, "target_speaker_id": "y"}, "at most 100 characters"),
        ("retranslate", {"sid": 1, "translation_languages": ["de"], "text": ""}, "must not be empty"),
        ("broadcast_announcement", {"message": " "}, "must not be empty"),
    ],
)
def test_what_cannot_work_is_refused(action: str, data: dict[str, Any], reason: str) -> None:
    with pytest.raises(RefusedError, match=reason):
        made(ACTIONS[action].arguments, data)
