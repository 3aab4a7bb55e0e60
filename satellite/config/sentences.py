"""Faults as sentences for people: what is wrong, what would be right, and never a secret."""

from collections.abc import Callable
from typing import Any

from satellite.config.fields import did_you_mean, hint_for_key, is_secret
from satellite.core.section import Fault, Wrong

_SHOWN_CHARACTERS = 40


def shown(value: Any) -> str:
    """A value as it may appear in a message: short, on one line, collections only by their kind."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict | list):
        return "a section" if isinstance(value, dict) else "a list"
    text = str(value)
    text = text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
    text = "".join(character if character.isprintable() else "?" for character in text)
    return f'"{text}"' if isinstance(value, str) else text


def sentence(fault: Fault, masked: bool) -> tuple[str, str | None]:
    """What is wrong and the mend; the value is left out when `masked` or when the field is a secret."""
    maker = _MAKERS.get(fault.wrong)
    message, hint = maker(fault) if maker is not None else (_from_template(fault), None)
    if fault.wrong in _WITHOUT_VALUE or masked or is_secret(fault.path):
        return message, None if masked else hint
    return f"{message}, not {shown(fault.value)}", hint


def _from_template(fault: Fault) -> str:
    limit = f"{fault.limit:g}" if isinstance(fault.limit, float) else fault.limit
    return _TEMPLATES[fault.wrong].format(limit)


_WITHOUT_VALUE = frozenset({Wrong.MISSING, Wrong.UNKNOWN_KEY, Wrong.REFUSED, Wrong.SECTION})
"""Sentences that are whole without the value. Where a section is due, a bare value may be the key that belongs into
it, and is not shown."""

_TEMPLATES = {
    Wrong.SECTION: "must be a section: indented `key: value` lines",
    Wrong.WHOLE: "must be a whole number",
    Wrong.NUMBER: "must be a number",
    Wrong.FINITE: "must be a finite number",
    Wrong.BOOLEAN: "must be true or false",
    Wrong.LIST: "must be a list ([a, b], or one `- entry` per line)",
    Wrong.PATTERN: "must match the pattern {}",
    Wrong.TOO_LONG: "must have at most {} characters",
    Wrong.TOO_MANY: "must have at most {} entries",
    Wrong.TOO_SMALL: "must be {} or more",
    Wrong.NOT_ABOVE: "must be more than {}",
    Wrong.TOO_LARGE: "must be {} or less",
    Wrong.REFUSED: "{}",
}


def _missing(fault: Fault) -> tuple[str, str | None]:
    if is_secret(fault.path):
        return "is missing", f"write `{fault.path[-1]}: !secret NAME` and put NAME into secrets.yaml"
    return "is missing", None


def _text(fault: Fault) -> tuple[str, str | None]:
    return "must be text", "put it in quotes" if isinstance(fault.value, int | float) else None


def _unknown_key(fault: Fault) -> tuple[str, str | None]:
    return "unknown key", hint_for_key(fault.path)


def _choice(fault: Fault) -> tuple[str, str | None]:
    *others, last = fault.limit
    message = f"must be {', '.join(others)} or {last}"
    return message, did_you_mean(fault.value, fault.limit) if isinstance(fault.value, str) else None


_MAKERS: dict[Wrong, Callable[[Fault], tuple[str, str | None]]] = {
    Wrong.MISSING: _missing,
    Wrong.TEXT: _text,
    Wrong.UNKNOWN_KEY: _unknown_key,
    Wrong.CHOICE: _choice,
}
