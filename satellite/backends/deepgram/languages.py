"""The two models of Deepgram Flux, and which languages they transcribe (Flux reference §9)."""

from collections.abc import Sequence

from satellite.backends.tags import AUTO, primary, unique

ENGLISH_MODEL = "flux-general-en"
MULTI_MODEL = "flux-general-multi"
HINTS = frozenset({"en", "es", "fr", "de", "hi", "ru", "pt", "ja", "it", "nl"})
"""What the multilingual model transcribes. Regions are taken too (`pt-BR`), and fall back to the language."""
WITHOUT_NUMERALS = frozenset({"hi", "ja"})
WITHOUT_BLANKS = frozenset({"ja"})
"""Written without blanks between sentences."""


def is_english(tag: str) -> bool:
    """True for English of any region."""
    return primary(tag) == "en"


def is_known(tag: str) -> bool:
    """True when a model transcribes the language."""
    return primary(tag) in HINTS


def hints_for(source_language: str, more: Sequence[str]) -> tuple[str, ...]:
    """The languages to expect: the one that is spoken, and those that may come beside it."""
    named = () if source_language == AUTO else (source_language,)
    return unique([*named, *more])


def model_for(chosen: str | None, source_language: str, hints: Sequence[str]) -> str:
    """The model chosen, else the English one where only English is expected: it is better at that."""
    if chosen is not None:
        return chosen
    is_only_english = source_language != AUTO and all(is_english(tag) for tag in (source_language, *hints))
    return ENGLISH_MODEL if is_only_english else MULTI_MODEL
