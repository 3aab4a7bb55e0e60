"""Section: a mapping of the configuration as a frozen, typed object, and the reading of plain data into it."""

import enum
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

Path = tuple[str | int, ...]
"""Keys and list indexes from the outermost section down to a value."""

MASK = "****"
TRUE = frozenset({"true", "yes", "on", "y", "t", "1"})
FALSE = frozenset({"false", "no", "off", "n", "f", "0"})


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Typed keys with their defaults; `msgspec.structs.replace` makes a copy with other values."""


S = TypeVar("S", bound=Section)


class Secret:
    """Text that shows as asterisks wherever it is printed."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def get_secret_value(self) -> str:
        """The text itself, for the one place that sends it."""
        return self._text

    def __eq__(self, other: object) -> bool:
        """Alike when the texts are."""
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        """Fit for sets, as other values are."""
        return hash(self._text)

    def __repr__(self) -> str:
        """No text."""
        return f"Secret({MASK})"


class Wrong(enum.Enum):
    """What can be wrong with a value."""

    SECTION = enum.auto()
    UNKNOWN_KEY = enum.auto()
    MISSING = enum.auto()
    TEXT = enum.auto()
    WHOLE = enum.auto()
    NUMBER = enum.auto()
    FINITE = enum.auto()
    BOOLEAN = enum.auto()
    LIST = enum.auto()
    CHOICE = enum.auto()
    PATTERN = enum.auto()
    TOO_LONG = enum.auto()
    TOO_MANY = enum.auto()
    TOO_SMALL = enum.auto()
    NOT_ABOVE = enum.auto()
    TOO_LARGE = enum.auto()
    REFUSED = enum.auto()


@dataclass(frozen=True, slots=True)
class Fault:
    """A value that cannot be used, where it stands, and what it breaks: a bound, the choices, a check's sentence."""

    path: Path
    wrong: Wrong
    value: Any = None
    limit: Any = None


def checked(check: Callable[[Any], Any], pattern: str | None = None) -> msgspec.Meta:
    """For `Annotated`: `check` takes the typed value, returns the one to use, or raises ValueError with a sentence.

    Of a value that may have one of several types it gets what stands in the file. `pattern` is for the JSON Schema.
    """
    return msgspec.Meta(extra={"check": check}, extra_json_schema=None if pattern is None else {"pattern": pattern})


def read(section: type[S], data: object) -> tuple[S | None, tuple[Fault, ...]]:
    """The section that plain data stands for, and everything wrong with the data.

    A wrong value is replaced by its default; without a value that has none there is no section.
    """
    reading = _Reading()
    made = reading.section(section, data, ())
    return made, tuple(reading.faults)


@cache
def fields_of(section: type[Section]) -> dict[str, inspect.Field]:
    """The keys of a section, in their order."""
    info = inspect.type_info(section)
    assert isinstance(info, inspect.StructType)  # noqa: S101 - tells the type checker what a Struct's info is
    return {field.name: field for field in info.fields}


class _WrongValueError(Exception):
    """Ends the reading of one value; without `wrong` what is the matter was noted already."""

    def __init__(self, wrong: Wrong | None = None, limit: Any = None) -> None:
        super().__init__()
        self.wrong = wrong
        self.limit = limit


class _Reading:
    """One pass over plain data; faults gather."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def section(self, section: type[S], data: object, path: Path) -> S | None:
        if not isinstance(data, dict):
            self.faults.append(Fault(path, Wrong.SECTION, data))
            return None
        fields = fields_of(section)
        values: dict[str, Any] = {}
        self.faults += [Fault((*path, name), Wrong.UNKNOWN_KEY, data[name]) for name in data if name not in fields]
        for name, field in fields.items():
            if name not in data:
                if field.required:
                    self.faults.append(Fault((*path, name), Wrong.MISSING))
                continue
            try:
                values[name] = self._noted(field.type, data[name], (*path, name))
            except _WrongValueError:
                continue
        if any(field.required and name not in values for name, field in fields.items()):
            return None
        return section(**values)

    def _noted(self, kind: inspect.Type, value: object, path: Path) -> object:
        """The typed value; what is wrong with it is noted before the error goes on."""
        try:
            return self._value(kind, value, path)
        except _WrongValueError as error:
            if error.wrong is not None:
                self.faults.append(Fault(path, error.wrong, value, error.limit))
            raise _WrongValueError from error

    def _value(self, kind: inspect.Type, value: object, path: Path) -> object:
        match kind:
            case inspect.Metadata():
                return _judged(self._value(kind.type, value, path), kind.extra or {})
            case inspect.UnionType():
                return self._one_of(kind, value, path)
            case inspect.StructType():
                return self._inner_section(kind, value, path)
            case inspect.VarTupleType():
                return self._list(kind, value, path)
            case inspect.DictType():
                return self._mapping(kind, value, path)
            case _:
                return _SCALARS[type(kind)](kind, value)

    def _inner_section(self, kind: inspect.StructType, value: object, path: Path) -> Section:
        """A section whose keys are all commented out reads as null and means all defaults."""
        assert issubclass(kind.cls, Section)  # noqa: S101 - tells the type checker what is nested in sections
        made = self.section(kind.cls, {} if value is None else value, path)
        if made is None:
            raise _WrongValueError
        return made

    def _one_of(self, kind: inspect.UnionType, value: object, path: Path) -> object:
        """Nothing where that may be; a choice of types is left to the check that goes with it."""
        types = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
        if value is None and len(types) < len(kind.types):
            return None
        return self._value(types[0], value, path) if len(types) == 1 else value

    def _list(self, kind: inspect.VarTupleType, value: object, path: Path) -> object:
        """All of the list or nothing: what is left of it would be something else."""
        if not isinstance(value, list):
            raise _WrongValueError(Wrong.LIST)
        if kind.max_length is not None and len(value) > kind.max_length:
            raise _WrongValueError(Wrong.TOO_MANY, kind.max_length)
        entries = []
        for index, entry in enumerate(value):
            try:
                entries.append(self._noted(kind.item_type, entry, (*path, index)))
            except _WrongValueError:
                continue
        if len(entries) < len(value):
            raise _WrongValueError
        return tuple(entries)

    def _mapping(self, kind: inspect.DictType, value: object, path: Path) -> object:
        """Values by names that the user chooses; all of them or nothing, too."""
        if not isinstance(value, dict):
            raise _WrongValueError(Wrong.SECTION)
        if kind.max_length is not None and len(value) > kind.max_length:
            raise _WrongValueError(Wrong.TOO_MANY, kind.max_length)
        entries = {}
        for name, entry in value.items():
            try:
                key = self._noted(kind.key_type, name, (*path, name))
                entries[key] = self._noted(kind.value_type, entry, (*path, name))
            except _WrongValueError:
                continue
        if len(entries) < len(value):
            raise _WrongValueError
        return entries


def _judged(value: object, extra: dict[str, Any]) -> object:
    try:
        return extra["check"](value) if "check" in extra else value
    except ValueError as error:
        raise _WrongValueError(Wrong.REFUSED, str(error)) from error


def _choice(kind: inspect.LiteralType, value: object) -> object:
    if not isinstance(value, str) or value not in kind.values:
        raise _WrongValueError(Wrong.CHOICE, kind.values)
    return value


def _secret(_: inspect.CustomType, value: object) -> Secret:
    return Secret(_text(value))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _WrongValueError(Wrong.TEXT)
    return value


def _string(kind: inspect.StrType, value: object) -> str:
    text = _text(value)
    if kind.max_length is not None and len(text) > kind.max_length:
        raise _WrongValueError(Wrong.TOO_LONG, kind.max_length)
    if kind.pattern is not None and re.search(kind.pattern, text) is None:
        raise _WrongValueError(Wrong.PATTERN, kind.pattern)
    return text


def _boolean(_: inspect.BoolType, value: object) -> bool:
    """Templates write booleans and numbers in quotes."""
    if isinstance(value, bool):
        return value
    word = value.lower() if isinstance(value, str) else ""
    if word not in TRUE | FALSE:
        raise _WrongValueError(Wrong.BOOLEAN)
    return word in TRUE


def _whole(kind: inspect.IntType, value: object) -> int:
    _no_boolean(value)
    if isinstance(value, float) and not value.is_integer():
        raise _WrongValueError(Wrong.WHOLE)
    if not isinstance(value, int | float | str):
        raise _WrongValueError(Wrong.WHOLE)
    try:
        number = int(value)
    except ValueError as error:
        raise _WrongValueError(Wrong.WHOLE) from error
    return int(_bounded(kind, number))


def _decimal(kind: inspect.FloatType, value: object) -> float:
    _no_boolean(value)
    if not isinstance(value, int | float | str):
        raise _WrongValueError(Wrong.NUMBER)
    try:
        number = float(value)
    except (ValueError, OverflowError) as error:
        raise _WrongValueError(Wrong.NUMBER) from error
    if not math.isfinite(number):
        raise _WrongValueError(Wrong.FINITE)
    return _bounded(kind, number)


def _no_boolean(value: object) -> None:
    """Python takes true for 1; a configuration must not."""
    if isinstance(value, bool):
        raise _WrongValueError(Wrong.REFUSED, f"must be a number, not {'true' if value else 'false'}")


def _bounded(kind: inspect.IntType | inspect.FloatType, number: float) -> float:
    if kind.ge is not None and number < kind.ge:
        raise _WrongValueError(Wrong.TOO_SMALL, kind.ge)
    if kind.gt is not None and number <= kind.gt:
        raise _WrongValueError(Wrong.NOT_ABOVE, kind.gt)
    if kind.le is not None and number > kind.le:
        raise _WrongValueError(Wrong.TOO_LARGE, kind.le)
    return number


_SCALARS: dict[type[inspect.Type], Callable[[Any, object], object]] = {
    inspect.CustomType: _secret,
    inspect.LiteralType: _choice,
    inspect.StrType: _string,
    inspect.BoolType: _boolean,
    inspect.IntType: _whole,
    inspect.FloatType: _decimal,
}
