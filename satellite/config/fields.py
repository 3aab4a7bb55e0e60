"""Where keys stand in the model: for suggestions, for masking, for telling a section from a value."""

import difflib
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from satellite.config.model import Config

KEY_CHARACTERS_MAX = 64

Path = tuple[str | int, ...]
"""Keys and list indexes from the root of the file down to a value."""


def dotted(path: Path) -> str:
    """The path as people write it: `voice.target_languages[1]`; what is no key in earnest is cut short."""
    text = ""
    for part in path:
        shown = part if isinstance(part, int) or len(part) <= KEY_CHARACTERS_MAX else f"{part[:KEY_CHARACTERS_MAX]}…"
        text += f"[{shown}]" if isinstance(shown, int) else f".{shown}" if text else shown
    return text


def _classes(annotation: Any) -> Iterator[type]:
    """Every class named in an annotation, however it is wrapped."""
    if isinstance(annotation, type):
        yield annotation
    for argument in get_args(annotation):
        yield from _classes(argument)


def _section_of(annotation: Any) -> type[BaseModel] | None:
    return next((cls for cls in _classes(annotation) if issubclass(cls, BaseModel)), None)


def section_at(path: Path) -> type[BaseModel] | None:
    """The section that the path names, None when it names a value or nothing."""
    section: type[BaseModel] | None = Config
    for part in path:
        if section is None or part not in section.model_fields:
            return None
        section = _section_of(section.model_fields[str(part)].annotation)
    return section


def _field_at(path: Path) -> FieldInfo | None:
    section = section_at(path[:-1])
    return section.model_fields.get(str(path[-1])) if section is not None else None


def is_secret(path: Path) -> bool:
    """True for a field whose value must never be shown."""
    field = _field_at(path)
    return field is not None and SecretStr in _classes(field.annotation)


def is_required(path: Path) -> bool:
    """True for a field without a default."""
    field = _field_at(path)
    return field is not None and field.is_required()


def _walk(section: type[BaseModel], path: Path) -> Iterator[Path]:
    for name, field in section.model_fields.items():
        here = (*path, name)
        yield here
        nested = _section_of(field.annotation)
        if nested is not None:
            yield from _walk(nested, here)


@cache
def all_paths() -> tuple[Path, ...]:
    """Every key of the model, sections included, in the order of the file."""
    return tuple(_walk(Config, ()))


def did_you_mean(word: str, candidates: Iterable[str]) -> str | None:
    """`did you mean …?` with the nearest candidate, None when nothing is near."""
    by_shape = {candidate.lower().replace("-", "_"): candidate for candidate in candidates}
    near = difflib.get_close_matches(word.lower().replace("-", "_"), by_shape, n=1, cutoff=0.6)
    return f"did you mean {by_shape[near[0]]}?" if near else None


def hint_for_key(path: Path) -> str | None:
    """What may have been meant by an unknown key: a near name beside it, or the same name elsewhere."""
    key = str(path[-1])
    section = section_at(path[:-1])
    near = did_you_mean(key, section.model_fields if section is not None else ())
    if near is not None:
        return near
    places = [dotted(place[:-1]) or "the top level" for place in all_paths() if place[-1] == key]
    return f"it belongs under {' or '.join(places)}" if places else None
