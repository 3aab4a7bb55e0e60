"""pydantic's errors as sentences for people: what is wrong, what would be right, and never a secret."""

from collections.abc import Callable
from typing import Any

from pydantic_core import ErrorDetails

from satellite.config.fields import Path, did_you_mean, hint_for_key, is_secret

LATER_BACKENDS = ("vurbo", "palabra", "deepgram")
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


def sentence(error: ErrorDetails, masked: bool) -> tuple[str, str | None]:
    """What is wrong and the mend; the value is left out when `masked` or when the field is a secret."""
    path: Path = error["loc"]
    maker = _MAKERS.get(error["type"])
    message, hint = maker(path, error) if maker is not None else (_from_template(error), None)
    if error["type"] in _WITHOUT_VALUE or masked or is_secret(path):
        return message, None if masked else hint
    return f"{message}, not {shown(error['input'])}", hint


def _from_template(error: ErrorDetails) -> str:
    """The sentence for the type of error; pydantic's own words for one that is not in the table."""
    template = _TEMPLATES.get(error["type"])
    if template is None:
        return error["msg"]
    context = error.get("ctx", {})
    return template.format(
        **{name: f"{value:g}" if isinstance(value, float) else value for name, value in context.items()}
    )


_WITHOUT_VALUE = frozenset({"missing", "extra_forbidden", "value_error", "model_type", "model_attributes_type"})
"""Sentences that are whole without the value. Where a section is due, a bare value may be the key that belongs into
it, and is not shown."""

_TEMPLATES = {
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number of sensible size",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_unicode": "must be text",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match the pattern {pattern}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
    "list_type": "must be a list ([a, b], or one `- entry` per line)",
    "tuple_type": "must be a list ([a, b], or one `- entry` per line)",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "model_type": "must be a section: indented `key: value` lines",
    "value_error": "{error}",
}


def _missing(path: Path, _: ErrorDetails) -> tuple[str, str | None]:
    if is_secret(path):
        return "is missing", f"write `{path[-1]}: !secret NAME` and put NAME into secrets.yaml"
    return "is missing", None


def _text(_: Path, error: ErrorDetails) -> tuple[str, str | None]:
    return "must be text", "put it in quotes" if isinstance(error["input"], int | float) else None


def _unknown_key(path: Path, _: ErrorDetails) -> tuple[str, str | None]:
    if path[0] == "voice" and path[-1] in LATER_BACKENDS:
        return "this backend is not part of this version", None
    return "unknown key", hint_for_key(path)


def _literal(path: Path, error: ErrorDetails) -> tuple[str, str | None]:
    value = error["input"]
    choices = error["ctx"]["expected"].replace("'", "")
    if path == ("voice", "backend") and value in LATER_BACKENDS:
        return f"must be {choices} (others are not part of this version)", None
    hint = did_you_mean(value, choices.replace(" or ", ", ").split(", ")) if isinstance(value, str) else None
    return f"must be {choices}", hint


_MAKERS: dict[str, Callable[[Path, ErrorDetails], tuple[str, str | None]]] = {
    "missing": _missing,
    "string_type": _text,
    "extra_forbidden": _unknown_key,
    "literal_error": _literal,
}
