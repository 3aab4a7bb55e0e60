"""Where keys stand in the model: for suggestions, for masking, for telling a section from a value."""

import difflib
from collections.abc import Iterable, Iterator
from functools import cache

from msgspec import inspect

from satellite.config.model import Config
from satellite.core.section import Path, Secret, Section, fields_of

ANY_NAME = "…"
"""Stands in paths of the model for a name that the user chooses."""
KEY_CHARACTERS_MAX = 64
"""Longer keys are not known here; in a message they end in an ellipsis."""


def dotted(path: Path) -> str:
    """The path as people write it: `voice.target_languages[1]`; what is no key in earnest is cut short."""
    text = ""
    for part in path:
        shown = part if isinstance(part, int) or len(part) <= KEY_CHARACTERS_MAX else f"{part[:KEY_CHARACTERS_MAX]}…"
        text += f"[{shown}]" if isinstance(shown, int) else f".{shown}" if text else shown
    return text


def _unwrapped(kind: inspect.Type) -> Iterator[inspect.Type]:
    """The types of a value without what is said about them and without null."""
    if isinstance(kind, inspect.Metadata):
        yield from _unwrapped(kind.type)
    elif isinstance(kind, inspect.UnionType):
        for one in kind.types:
            yield from _unwrapped(one)
    else:
        yield kind


def _section_of(kind: inspect.Type) -> type[Section] | None:
    classes = (one.cls for one in _unwrapped(kind) if isinstance(one, inspect.StructType))
    return next((cls for cls in classes if issubclass(cls, Section)), None)


def _entries_of(kind: inspect.Type) -> tuple[str | int, inspect.Type] | None:
    """What stands for any place in a list or mapping, and the type of what is there; None for anything else."""
    for one in _unwrapped(kind):
        if isinstance(one, inspect.VarTupleType):
            return 0, one.item_type
        if isinstance(one, inspect.DictType):
            return ANY_NAME, one.value_type
    return None


def _inside(kind: inspect.Type, part: str | int) -> inspect.Type | None:
    """The type of a key of a section, or of an entry of a list or mapping."""
    entries = _entries_of(kind)
    if entries is not None:
        return entries[1]
    section = _section_of(kind)
    field = None if section is None else fields_of(section).get(str(part))
    return None if field is None else field.type


def section_at(path: Path) -> type[Section] | None:
    """The section that the path names, None when it names a value or nothing."""
    if not path:
        return Config
    field = fields_of(Config).get(str(path[0]))
    kind = None if field is None else field.type
    for part in path[1:]:
        kind = _inside(kind, part) if kind is not None else None
    return _section_of(kind) if kind is not None else None


def _field_at(path: Path) -> inspect.Field | None:
    section = section_at(path[:-1])
    return fields_of(section).get(str(path[-1])) if section is not None else None


def is_secret(path: Path) -> bool:
    """True for a field whose value must never be shown."""
    field = _field_at(path)
    kinds = _unwrapped(field.type) if field is not None else ()
    return any(isinstance(kind, inspect.CustomType) and kind.cls is Secret for kind in kinds)


def secrets_in(section: Section, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every key and password that is set, with where it stands."""
    for name in section.__struct_fields__:
        value, here = getattr(section, name), (*path, name)
        if isinstance(value, Section):
            yield from secrets_in(value, here)
        elif isinstance(value, Secret) and value.get_secret_value():
            yield here, value.get_secret_value()


def _walk(section: type[Section], path: Path) -> Iterator[Path]:
    for name, field in fields_of(section).items():
        here, kind = (*path, name), field.type
        yield here
        while (entries := _entries_of(kind)) is not None:
            place, kind = entries
            here = (*here, place)
        nested = _section_of(kind)
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
    near = did_you_mean(key, fields_of(section) if section is not None else ())
    if near is not None:
        return near
    places = [dotted(place[:-1]) or "the top level" for place in all_paths() if place[-1] == key]
    return f"it belongs under {' or '.join(places)}" if places else None
