"""Options of the DeepL backend, and the check of their combination with the languages asked for."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta

from satellite.backends.addresses import parse_address
from satellite.backends.base import Finding, Severity, VoiceChoice
from satellite.backends.deepl.languages import (
    DETECTABLE,
    SOURCES,
    UNSPOKEN,
    is_known_target,
    wire_source,
    wire_target,
)
from satellite.backends.tags import AUTO, primary, unique
from satellite.core.section import Secret, Section, checked

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
Identifier = Annotated[str, Meta(pattern=r"^[!-~]+$", max_length=256)]

_REGIONAL_HOST = re.compile(r"api-[a-z0-9-]+\.deepl\.com")
_PRINTABLE = re.compile(r"[!-~]+")


def _usable_key(key: Secret) -> Secret:
    text = key.get_secret_value().strip()
    if not _PRINTABLE.fullmatch(text):
        raise ValueError("must be a DeepL API key: printable ASCII characters without blanks")
    if text.endswith(":fx"):
        raise ValueError("is a key of the API Free plan (it ends in :fx), which has no Voice; take a paid one")
    return Secret(text)


def _usable_base_url(url: str) -> str:
    address = parse_address(url)
    if address is None or address.query or address.scheme not in ("https", "http"):
        raise ValueError("must be a plain address such as https://api.deepl.com")
    if address.scheme == "http" and not address.is_loopback:
        raise ValueError("must begin with https://; http:// is for loopback addresses only")
    if _REGIONAL_HOST.fullmatch(address.host):
        raise ValueError("names a host without Voice (API Free or a region); use https://api.deepl.com")
    return url.rstrip("/")


def _distinct(ids: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(ids)) < len(ids):
        raise ValueError("names a glossary twice")
    return ids


def _usable_tag(tag: str) -> str:
    text = tag.strip()
    if len(text) > 100 or not _PRINTABLE.fullmatch(text):
        raise ValueError("must be 1 to 100 ASCII characters without blanks")
    return text


class DeepLOptions(Section, frozen=True):
    """Options of the DeepL Voice API (`voice.deepl`)."""

    api_key: Annotated[
        Secret, checked(_usable_key), Meta(description="Key of a paid DeepL API plan, without restricted scopes.")
    ]
    base_url: Annotated[
        str, checked(_usable_base_url), Meta(description="Address of the API; http for loopback addresses only.")
    ] = "https://api.deepl.com"
    message_format: Annotated[
        Literal["msgpack", "json"],
        Meta(description="Encoding of the stream's messages; msgpack saves a quarter of the bytes."),
    ] = "msgpack"
    source_media: Annotated[
        Literal["pcm", "opus"], Meta(description="Audio sent: pcm (256 kbit/s), or opus in Ogg (low bandwidth).")
    ] = "pcm"
    speech_media: Annotated[SpeechMedia, Meta(description="Form of the synthesised speech asked for.")] = (
        "audio/pcm;encoding=s16le;rate=24000"
    )
    source_language_mode: Annotated[
        Literal["auto", "fixed"] | None,
        Meta(description="fixed: only the source language; auto: it is a hint; null: fixed when a language is named."),
    ] = None
    formality: Annotated[
        Literal["default", "formal", "more", "informal", "less"],
        Meta(description="Formality of the translation, where the language has it."),
    ] = "default"
    glossary_ids: Annotated[
        tuple[Identifier, ...],
        checked(_distinct),
        Meta(max_length=MAX_GLOSSARIES, description="Glossaries, highest priority first; at most 10."),
    ] = ()
    spoken_terms_id: Annotated[
        Identifier | None, Meta(description="List of spoken terms (names, jargon) for the transcription.")
    ] = None
    reporting_tag: Annotated[
        Annotated[str, checked(_usable_tag)] | None,
        Meta(description="Label in DeepL's usage reports; at most 100 ASCII characters, no blanks."),
    ] = None

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
