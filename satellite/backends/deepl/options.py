"""Options of the DeepL backend, and the check of their combination with the languages asked for."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, field_validator

from satellite.backends.addresses import parse_address
from satellite.backends.base import Finding, Severity, VoiceChoice
from satellite.backends.deepl.languages import (
    AUTO,
    DETECTABLE,
    SOURCES,
    UNSPOKEN,
    is_known_target,
    primary,
    unique,
    wire_source,
    wire_target,
)

MAX_TARGETS = 5
"""Text targets of a session, the spoken one included."""
MAX_GLOSSARIES = 10
VOICES = ("male", "female", "match")

SpeechMedia = Literal[
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
]
Identifier = Annotated[str, StringConstraints(pattern=r"^[!-~]+$", max_length=256)]

_REGIONAL_HOST = re.compile(r"api-[a-z0-9-]+\.deepl\.com")
_PRINTABLE = re.compile(r"[!-~]+")


class DeepLOptions(BaseModel):
    """Options of the DeepL Voice API (`voice.deepl`)."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    api_key: SecretStr = Field(description="Key of a paid DeepL API plan, without restricted scopes.")
    base_url: str = Field(
        default="https://api.deepl.com", description="Address of the API; http for loopback addresses only."
    )
    message_format: Literal["msgpack", "json"] = Field(
        default="msgpack", description="Encoding of the stream's messages; msgpack saves a quarter of the bytes."
    )
    source_media: Literal["pcm", "opus"] = Field(
        default="pcm", description="Audio sent: pcm (256 kbit/s), or opus in Ogg (low bandwidth)."
    )
    speech_media: SpeechMedia = Field(
        default="audio/pcm;encoding=s16le;rate=24000", description="Form of the synthesised speech asked for."
    )
    source_language_mode: Literal["auto", "fixed"] | None = Field(
        default=None,
        description="fixed: only the source language; auto: it is a hint; null: fixed when a language is named.",
    )
    formality: Literal["default", "formal", "more", "informal", "less"] = Field(
        default="default", description="Formality of the translation, where the language has it."
    )
    glossary_ids: tuple[Identifier, ...] = Field(
        default=(), max_length=MAX_GLOSSARIES, description="Glossaries, highest priority first; at most 10."
    )
    spoken_terms_id: Identifier | None = Field(
        default=None, description="List of spoken terms (names, jargon) for the transcription."
    )
    reporting_tag: str | None = Field(
        default=None, description="Label in DeepL's usage reports; at most 100 ASCII characters, no blanks."
    )

    @field_validator("api_key")
    @classmethod
    def _usable_key(cls, key: SecretStr) -> SecretStr:
        text = key.get_secret_value().strip()
        if not _PRINTABLE.fullmatch(text):
            raise ValueError("must be a DeepL API key: printable ASCII characters without blanks")
        if text.endswith(":fx"):
            raise ValueError("is a key of the API Free plan (it ends in :fx), which has no Voice; take a paid one")
        return SecretStr(text)

    @field_validator("base_url")
    @classmethod
    def _usable_base_url(cls, url: str) -> str:
        address = parse_address(url)
        if address is None or address.query or address.scheme not in ("https", "http"):
            raise ValueError("must be a plain address such as https://api.deepl.com")
        if address.scheme == "http" and not address.is_loopback:
            raise ValueError("must begin with https://; http:// is for loopback addresses only")
        if _REGIONAL_HOST.fullmatch(address.host):
            raise ValueError("names a host without Voice (API Free or a region); use https://api.deepl.com")
        return url.rstrip("/")

    @field_validator("glossary_ids")
    @classmethod
    def _distinct(cls, ids: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(ids)) < len(ids):
            raise ValueError("names a glossary twice")
        return ids

    @field_validator("reporting_tag")
    @classmethod
    def _usable_tag(cls, tag: str | None) -> str | None:
        if tag is None:
            return None
        text = tag.strip()
        if len(text) > 100 or not _PRINTABLE.fullmatch(text):
            raise ValueError("must be 1 to 100 ASCII characters without blanks")
        return text

    def mode_for(self, source_language: str) -> Literal["auto", "fixed"]:
        """The mode in force: `fixed` where a language is named, for lower latency and because glossaries need it."""
        if source_language == AUTO:
            return "auto"
        return self.source_language_mode or "fixed"


def check(options: DeepLOptions, voice: VoiceChoice) -> list[Finding]:
    """Everything wrong or doubtful with these options and languages together."""
    return [*_check_source(options, voice), *_check_targets(voice), *_check_speech(voice)]


def _check_source(options: DeepLOptions, voice: VoiceChoice) -> Iterator[Finding]:
    source, path = voice.source_language, "voice.source_language"
    if source == AUTO:
        if options.source_language_mode == "fixed":
            yield Finding(path, "is auto while voice.deepl.source_language_mode is fixed", "name the language spoken")
        if options.glossary_ids:
            message = "is auto; glossaries may have no effect while the language is detected"
            yield Finding(path, message, "name the language spoken", Severity.WARNING)
    elif wire_source(source) not in SOURCES:
        yield _unknown(path, source)
    elif wire_source(source) not in DETECTABLE and options.mode_for(source) == "auto":
        message = f"{source} cannot be detected by the service"
        yield Finding(path, message, "set voice.deepl.source_language_mode to fixed, or leave it out")


def _check_targets(voice: VoiceChoice) -> Iterator[Finding]:
    path = "voice.target_languages"
    wanted = unique([*voice.target_languages, *([voice.speech_language] if voice.speech_language else [])])
    if len(wanted) > MAX_TARGETS:
        message = f"{len(wanted)} languages, the spoken one included; the service takes {MAX_TARGETS}"
        yield Finding(path, message, "leave some out")
    for target in unique(voice.target_languages):
        if not is_known_target(target):
            yield _unknown(path, target)
        elif target.lower() == voice.source_language.lower():
            message = f"{target} is the source language: its translation says the same again"
            yield Finding(path, message, "leave it out", Severity.WARNING)


def _check_speech(voice: VoiceChoice) -> Iterator[Finding]:
    language, path = voice.speech_language, "voice.speech_language"
    if language is None:
        if voice.speech_voice is not None:
            message = "has no effect without voice.speech_language"
            yield Finding("voice.speech_voice", message, None, Severity.WARNING)
        return
    if primary(wire_target(language)) in UNSPOKEN:
        yield Finding(path, f"the service cannot speak {language}", "set it to null for text only")
    elif not is_known_target(language):
        yield _unknown(path, language)
    if voice.speech_voice is not None and voice.speech_voice not in VOICES:
        yield Finding("voice.speech_voice", f"no voice {voice.speech_voice}", f"one of {', '.join(VOICES)}")


def _unknown(path: str, tag: str) -> Finding:
    message = f"{tag} is not in the list of the service's languages known here"
    return Finding(path, message, "check the spelling; the service decides", Severity.WARNING)
