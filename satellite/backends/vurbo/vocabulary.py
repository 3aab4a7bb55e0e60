"""What a user can teach the service: terms, corrections, a dictionary, with published limits (reference §3B.1)."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from satellite.backends.vurbo.languages import is_tag, wire_code
from satellite.core.section import Section, checked

MAX_TERMS = 500
MAX_DICTIONARY = 50
MAX_LANGUAGES = 16
"""Nobody works with more; the service names no number."""
MAX_WORDS = 200
"""Misheard forms of one word; the service names no number."""


def _language(tag: str) -> str:
    if not is_tag(tag):
        raise ValueError("must be a BCP 47 language tag such as en, de or pt-BR")
    return tag


def _some_text(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


def _no_emptiness(values: object) -> object:
    if not values:
        raise ValueError("must not be empty")
    return values


Tag = Annotated[str, checked(_language)]
Some = Annotated[str, checked(_some_text)]
Phrase = Annotated[Some, Meta(max_length=1_000)]


class Term(Section, frozen=True):
    """A name or a word of the trade that should be recognised."""

    term: Annotated[Some, Meta(max_length=100, description="The name or word; 100 characters.")]
    boost: Annotated[float, Meta(ge=0.5, le=5.0, description="How readily it is recognised, 0.5 to 5.0.")] = 1.0


class Correction(Section, frozen=True):
    """What is heard in place of a word."""

    correct: Annotated[Phrase, Meta(description="The word as it should be.")]
    incorrect: Annotated[
        tuple[Phrase, ...],
        checked(_no_emptiness),
        Meta(max_length=MAX_WORDS, description="What is heard in its place."),
    ]


class Entry(Section, frozen=True):
    """How a phrase is translated."""

    source: Annotated[Phrase, Meta(description="The phrase as it is spoken.")]
    translations: Annotated[
        Mapping[Tag, Phrase],
        checked(_no_emptiness),
        Meta(max_length=MAX_LANGUAGES, description="By language, what it is in translations."),
    ]


Terminology = Annotated[
    Mapping[Tag, Annotated[tuple[Term, ...], Meta(max_length=MAX_TERMS)]], Meta(max_length=MAX_LANGUAGES)
]
Corrections = Annotated[
    Mapping[Tag, Annotated[tuple[Correction, ...], Meta(max_length=MAX_TERMS)]], Meta(max_length=MAX_LANGUAGES)
]
Dictionary = Annotated[tuple[Entry, ...], Meta(max_length=MAX_DICTIONARY)]


class Voice(Section, frozen=True):
    """How one language is spoken."""

    voice: Annotated[
        Annotated[Some, Meta(max_length=100)] | None, Meta(description="The voice as the service names it.")
    ] = None
    speaking_rate: Annotated[float, Meta(ge=0.5, le=2.0, description="How fast, 0.5 to 2.0.")] = 1.0


Voices = Annotated[Mapping[Tag, Voice], Meta(max_length=MAX_LANGUAGES)]


def terminology_message(terminology: Mapping[str, tuple[Term, ...]]) -> dict[str, object]:
    """As `config` wants it."""
    return {
        wire_code(tag): [{"term": each.term, "boost": each.boost} for each in terms]
        for tag, terms in terminology.items()
    }


def corrections_message(corrections: Mapping[str, tuple[Correction, ...]]) -> dict[str, object]:
    """As `config` wants it."""
    return {
        wire_code(tag): [{"correct": each.correct, "incorrect": list(each.incorrect)} for each in entries]
        for tag, entries in corrections.items()
    }


def dictionary_message(dictionary: tuple[Entry, ...]) -> list[dict[str, object]]:
    """As `config` wants it."""
    return [
        {"source": each.source, "translations": {wire_code(tag): text for tag, text in each.translations.items()}}
        for each in dictionary
    ]


def voices_message(voices: Mapping[str, Voice]) -> dict[str, object]:
    """As `tts_config` wants it; a voice that is not named is the service's default."""
    return {
        wire_code(tag): {
            **({} if each.voice is None else {"voice": each.voice}),
            "speaking_rate": each.speaking_rate,
        }
        for tag, each in voices.items()
    }
