from typing import Any

import pytest

from satellite.emulator.deepl.schema import SOURCE_MEDIA, TARGET_MEDIA, Refusal, SessionConfig, check_request

MEDIA = "audio/pcm;encoding=s16le;rate=16000"


def test_published_value_sets_are_whole() -> None:
    assert (len(SOURCE_MEDIA), len(TARGET_MEDIA)) == (19, 16)


def test_only_the_media_type_is_required_and_defaults_are_as_published() -> None:
    config = check_request({"source_media_content_type": MEDIA})
    assert isinstance(config, SessionConfig)
    assert (config.message_format, config.source_language_mode, config.target_media) == (
        "json",
        "auto",
        "audio/webm;codecs=opus",
    )
    assert (config.target_languages, config.speech_language, config.source_language) == ((), None, "")


def test_the_speech_target_joins_the_targets() -> None:
    config = check_request(
        {"source_media_content_type": MEDIA, "target_languages": ["fr"], "target_media_languages": ["de"]}
    )
    assert isinstance(config, SessionConfig)
    assert (config.target_languages, config.speech_language) == (("fr", "de"), "de")


GOOD: list[dict[str, Any]] = [
    {"source_language": None},
    {"source_language": "ca", "source_language_mode": "fixed"},
    {"target_languages": ["en-GB", "zh-HANS", "fr-CA", "pt-BR", "de"]},
    {"target_media_voice": "match", "formality": "less"},
    {"glossary_ids": ["a", "b"]},
    {"spoken_terms_id": "0d9f6a52-7b1e-4c3a-9a77-51c2b8e0aa10", "glossary_id": "g"},
    {"message_format": "msgpack"},
]
BAD: list[tuple[dict[str, Any], str]] = [
    ({"media_content_type": MEDIA}, "unknown_field"),
    ({"enable_transcription": True}, "unknown_field"),
    ({"source_media_content_type": "audio/pcm;encoding=s16le;rate=24000"}, "bad_value"),
    ({"source_media_content_type": "audio/pcm; encoding=s16le; rate=16000"}, "bad_value"),
    ({"source_media_content_type": "audio/opus"}, "bad_value"),
    ({"target_media_content_type": "audio/pcm;encoding=s16le;rate=48000"}, "bad_value"),
    ({"source_language": "en-US"}, "bad_value"),
    ({"source_language": "EN"}, "bad_value"),
    ({"source_language_mode": "strict"}, "bad_value"),
    ({"message_format": ""}, "bad_value"),
    ({"formality": "prefer_more"}, "bad_value"),
    ({"target_media_voice": None}, "bad_value"),
    ({"target_languages": ["de", "de"]}, "duplicate_items"),
    ({"target_languages": "de"}, "bad_value"),
    ({"target_languages": ["xx"]}, "bad_value"),
    ({"target_languages": ["de", "fr", "it", "es", "nl", "pl"]}, "too_many_items"),
    ({"target_languages": ["de", "fr", "it", "es", "nl"], "target_media_languages": ["pl"]}, "too_many_items"),
    ({"target_media_languages": ["de", "fr"]}, "too_many_items"),
    ({"target_media_languages": ["lv"]}, "bad_value"),
    ({"glossary_id": "a", "glossary_ids": ["b"]}, "both_glossary_fields"),
    ({"glossary_ids": [str(at) for at in range(11)]}, "too_many_items"),
    ({"glossary_id": ""}, "bad_value"),
    ({"spoken_terms_id": "no-uuid"}, "bad_value"),
]


@pytest.mark.parametrize("extra", GOOD)
def test_allowed(extra: dict[str, Any]) -> None:
    assert isinstance(check_request({"source_media_content_type": MEDIA, **extra}), SessionConfig)


@pytest.mark.parametrize(("extra", "rule"), BAD)
def test_refused(extra: dict[str, Any], rule: str) -> None:
    refusal = check_request({"source_media_content_type": MEDIA, **extra})
    assert isinstance(refusal, Refusal)
    assert refusal.rule == rule


@pytest.mark.parametrize(("body", "rule"), [([], "body_not_an_object"), ({}, "missing_field")])
def test_refused_as_a_whole(body: object, rule: str) -> None:
    refusal = check_request(body)
    assert isinstance(refusal, Refusal)
    assert refusal.rule == rule
