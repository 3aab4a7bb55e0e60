"""Language tags as people write them, and which of the configured ones a service's reply means."""

import re
from collections.abc import Iterable, Sequence

AUTO = "auto"
"""Stands for a source language that is to be detected."""

_TAG = re.compile(r"[A-Za-z0-9]{1,8}(-[A-Za-z0-9]{1,8}){0,7}")


def primary(tag: str) -> str:
    """The language without region and script, lower case."""
    return tag.partition("-")[0].lower()


def is_tag(text: object) -> bool:
    """True for what can be a BCP 47 tag, known or not."""
    return isinstance(text, str) and _TAG.fullmatch(text) is not None


def unique(tags: Iterable[str]) -> tuple[str, ...]:
    """The tags without those that differ in case only from one before."""
    first: dict[str, str] = {}
    for tag in tags:
        first.setdefault(tag.lower(), tag)
    return tuple(first.values())


def configured_spelling(received: str, configured: Sequence[str]) -> str | None:
    """The configured tag that a reply means: equal but for case, else the only one of that language, else None."""
    for tag in configured:
        if tag.lower() == received.lower():
            return tag
    relatives = [tag for tag in configured if primary(tag) == primary(received)]
    return relatives[0] if len(relatives) == 1 else None
