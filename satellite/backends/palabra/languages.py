"""The language codes of Palabra, as its lists of 2026 print them.

The lists change, so a code that is missing here is worth a warning and never a refusal.
"""

from satellite.backends.tags import primary


def _codes(text: str) -> frozenset[str]:
    return frozenset(text.split())


SOURCES = _codes(
    "ar ba be bg bn ca cs cy da de el en eo es et eu fa fi fr ga gl he hi hr hu ia id it ja ko lt lv mn mr ms mt nl no "
    "pl pt ro ru sk sl sv sw ta th tr ug uk ur vi yue zh"
)
TARGETS = _codes(
    "ar ar-ae ar-sa az be bg bs ca cs cy da de el en-us en-gb en-au en-ca es es-mx et fi fil fr fr-ca gl he hi hr hu "
    "id is it ja kk ko lt lv mk ms nl no pl pt pt-br ro ru sk sl sr sv sw ta tr uk ur vi zh zh-hans zh-hant"
)
DETECTABLE = _codes("en uk it es de pt tr ar ru pl fr id zh nl ja ko fi hu el cs da he hi")
"""Told apart where the source language is `auto`."""

_USUAL_VARIANTS = {"en": "en-us", "zh": "zh-hans"}
"""Targets that the service wants to know more exactly."""
_ALIASES = {"nb": "no", "nn": "no"}
"""Codes that others use for the same language."""
_WITHOUT_BLANKS = _codes("ja th yue zh")
"""Languages whose sentences follow one another without a blank."""


def wire_source(tag: str) -> str:
    """How the service spells a source language: base codes only."""
    base = primary(tag)
    return _ALIASES.get(base, base)


def wire_target(tag: str) -> str:
    """How the service spells a target language: lower case, a variant where it wants one."""
    code = tag.lower()
    code = _ALIASES.get(code, code)
    return _USUAL_VARIANTS.get(code, code)


def is_known_target(tag: str) -> bool:
    """True when the code is in the lists."""
    return wire_target(tag) in TARGETS


def blank_between(language: str) -> str:
    """What separates two sentences of a language."""
    return "" if primary(language) in _WITHOUT_BLANKS else " "
