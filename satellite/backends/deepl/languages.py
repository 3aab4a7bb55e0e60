"""The language tags of the DeepL Voice API, as its tables of 2026 print them, and how replies are told apart.

The lists grow several times a year, so a tag that is missing here is worth a warning and never a refusal.
"""

from satellite.backends.tags import primary


def _tags(text: str) -> frozenset[str]:
    return frozenset(text.split())


SOURCES = _tags(
    "ar bg bn ca cs da de el en es et fi fr ga gl he hi hr hu id it ja ko lt lv ms mt nb nl pl pt ro ru sk sl sv ta th "
    "tl tr uk vi zh"
)
TARGETS = SOURCES | _tags("en-GB en-US fr-CA fr-FR pt-BR pt-PT zh-HANS zh-HANT")
DETECTABLE = _tags("cs de en es fr id it ja ko nl pl pt ro ru sv tr uk zh")
"""Transcribed by the service itself; the others come from a partner and must be named."""
UNSPOKEN = _tags("bn et ga lt lv mt")
"""Targets without speech output."""

_SPELLINGS = {tag.lower(): tag for tag in TARGETS}


def wire_source(tag: str) -> str:
    """How the API spells a source language: base codes only, `en-US` is a target."""
    return primary(tag) if primary(tag) in SOURCES else tag


def wire_target(tag: str) -> str:
    """How the API spells a target language (`zh-HANS`, whatever the case that was configured)."""
    return _SPELLINGS.get(tag.lower(), tag)


def is_known_target(tag: str) -> bool:
    """True when the tag is in the tables."""
    return tag.lower() in _SPELLINGS
