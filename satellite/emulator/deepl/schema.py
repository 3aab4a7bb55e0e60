"""The session request as published (DeepL Voice reference §3): every field, type and value, checked strictly."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass


def _tags(text: str) -> frozenset[str]:
    return frozenset(text.split())


SOURCE_MEDIA = frozenset(
    {
        "audio/auto",
        "audio/flac",
        "audio/mpeg",
        "audio/ogg",
        "audio/webm",
        "audio/x-matroska",
        "audio/ogg;codecs=flac",
        "audio/ogg;codecs=opus",
        "audio/pcm;encoding=alaw;rate=8000",
        "audio/pcm;encoding=ulaw;rate=8000",
        "audio/pcm;encoding=s16le;rate=8000",
        "audio/pcm;encoding=s16le;rate=16000",
        "audio/pcm;encoding=s16le;rate=44100",
        "audio/pcm;encoding=s16le;rate=48000",
        "audio/webm;codecs=opus",
        "audio/x-matroska;codecs=aac",
        "audio/x-matroska;codecs=flac",
        "audio/x-matroska;codecs=mp3",
        "audio/x-matroska;codecs=opus",
    }
)
TARGET_MEDIA = frozenset(
    {
        "audio/flac",
        "video/mp2t;codecs=aac",
        "video/mp2t;codecs=opus",
        "audio/ogg",
        "audio/ogg;codecs=flac",
        "audio/ogg;codecs=opus",
        "audio/opus",
        "audio/pcm;encoding=alaw;rate=8000",
        "audio/pcm;encoding=ulaw;rate=8000",
        "audio/pcm;encoding=s16le;rate=16000",
        "audio/pcm;encoding=s16le;rate=24000",
        "audio/webm",
        "audio/webm;codecs=opus",
        "audio/x-matroska;codecs=aac",
        "audio/x-matroska;codecs=flac",
        "audio/x-matroska;codecs=opus",
    }
)
SOURCE_LANGUAGES = _tags(
    "ar bg bn ca cs da de el en es et fi fr ga gl he hi hr hu id it ja ko lt lv ms mt nb nl pl pt ro ru sk sl sv ta th "
    "tl tr uk vi zh"
)
DETECTABLE_LANGUAGES = _tags("cs de en es fr id it ja ko nl pl pt ro ru sv tr uk zh")
TARGET_LANGUAGES = SOURCE_LANGUAGES | _tags("en-GB en-US fr-CA fr-FR pt-BR pt-PT zh-HANS zh-HANT")
SPOKEN_LANGUAGES = TARGET_LANGUAGES - _tags("bn et ga lt lv mt")
TARGET_LIMIT = 5
SPEECH_TARGET_LIMIT = 1
GLOSSARY_LIMIT = 10

_ENUMS: dict[str, frozenset[str]] = {
    "source_media_content_type": SOURCE_MEDIA,
    "message_format": frozenset({"json", "msgpack"}),
    "source_language": SOURCE_LANGUAGES | {""},
    "source_language_mode": frozenset({"auto", "fixed"}),
    "target_media_content_type": TARGET_MEDIA,
    "target_media_voice": frozenset({"male", "female", "match"}),
    "formality": frozenset({"default", "formal", "more", "informal", "less"}),
}
_LISTS: dict[str, tuple[frozenset[str] | None, int]] = {
    "target_languages": (TARGET_LANGUAGES, TARGET_LIMIT),
    "target_media_languages": (SPOKEN_LANGUAGES, SPEECH_TARGET_LIMIT),
    "glossary_ids": (None, GLOSSARY_LIMIT),
}
_TEXTS = frozenset({"glossary_id", "spoken_terms_id"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused: the broken rule and a sentence."""

    rule: str
    detail: str


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """What a session was opened with, speech targets merged into the targets."""

    source_media: str
    message_format: str
    source_language: str
    source_language_mode: str
    target_languages: tuple[str, ...]
    speech_language: str | None
    target_media: str
    request: Mapping[str, object]


def check_request(body: object) -> Refusal | SessionConfig:
    """The configuration that a decoded request body asks for, or the first rule it breaks."""
    if not isinstance(body, dict):
        return Refusal("body_not_an_object", "the request body is not a JSON object")
    for name, value in body.items():
        fault = _check_field(name, value)
        if fault is not None:
            return fault
    if "source_media_content_type" not in body:
        return Refusal("missing_field", "source_media_content_type is required")
    if "glossary_id" in body and "glossary_ids" in body:
        return Refusal("both_glossary_fields", "glossary_id and glossary_ids exclude each other")
    return _config(body)


def _check_field(name: str, value: object) -> Refusal | None:
    if name in _ENUMS:
        nullable = name == "source_language" and value is None
        if nullable or (isinstance(value, str) and value in _ENUMS[name]):
            return None
        return Refusal("bad_value", f"{name}: {value!r:.80} is not one of the published values")
    if name in _LISTS:
        return _check_list(name, value)
    if name in _TEXTS:
        return _check_text(name, value)
    return Refusal("unknown_field", f"{name!r:.80} is not a published field")


def _check_list(name: str, value: object) -> Refusal | None:
    allowed, limit = _LISTS[name]
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        return Refusal("bad_value", f"{name} is not a list of texts")
    if len(value) > limit:
        return Refusal("too_many_items", f"{name} has {len(value)} items, at most {limit} are allowed")
    if len(set(value)) != len(value):
        return Refusal("duplicate_items", f"{name} names an item twice")
    unknown = [item for item in value if allowed is not None and item not in allowed]
    return Refusal("bad_value", f"{name}: {unknown[0]!r:.80} is not published") if unknown else None


def _check_text(name: str, value: object) -> Refusal | None:
    if not isinstance(value, str) or not value:
        return Refusal("bad_value", f"{name} is not a text")
    if name == "spoken_terms_id":
        try:
            uuid.UUID(value)
        except ValueError:
            return Refusal("bad_value", "spoken_terms_id is not a UUID")
    return None


def _config(body: dict[str, object]) -> Refusal | SessionConfig:
    targets = [str(item) for item in _items(body, "target_languages")]
    spoken = [str(item) for item in _items(body, "target_media_languages")]
    targets += [item for item in spoken if item not in targets]
    if len(targets) > TARGET_LIMIT:
        return Refusal("too_many_items", f"{len(targets)} targets, the speech target included; at most {TARGET_LIMIT}")
    return SessionConfig(
        source_media=str(body["source_media_content_type"]),
        message_format=str(body.get("message_format", "json")),
        source_language=str(body.get("source_language") or ""),
        source_language_mode=str(body.get("source_language_mode", "auto")),
        target_languages=tuple(targets),
        speech_language=spoken[0] if spoken else None,
        target_media=str(body.get("target_media_content_type", "audio/webm;codecs=opus")),
        request=dict(body),
    )


def _items(body: dict[str, object], name: str) -> list[object]:
    value = body.get(name, [])
    return value if isinstance(value, list) else []
