from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta

from satellite.core.section import Fault, Secret, Section, Wrong, checked, fields_of, read


def _even(value: int) -> int:
    if value % 2:
        raise ValueError("must be even")
    return value


def _name_or_index(value: Any) -> int | str:
    if isinstance(value, int | str):
        return value
    raise ValueError("must be a name or an index")


def _small(name: str) -> str:
    if name != name.lower():
        raise ValueError("must be in small letters")
    return name


class Outer(Section, frozen=True):
    deep: Annotated[int, Meta(description="of any size")] = 7


class Inner(Section, frozen=True):
    key: Secret
    size: int = 1


class Sample(Section, frozen=True):
    whole: Annotated[int, Meta(ge=0, le=100)] = 1
    decimal: Annotated[Annotated[float, Meta(gt=0, le=5)] | None, Meta(description="to 5")] = None
    flag: bool = False
    text: Annotated[str, Meta(max_length=3, pattern="^[a-z]+$")] = "a"
    choice: Literal["b", "a"] = "a"
    even: Annotated[int, checked(_even, "^[02468]$")] = 0
    place: Annotated[int | str, checked(_name_or_index)] = 0
    names: Annotated[tuple[Annotated[str, Meta(max_length=2)], ...], Meta(max_length=2)] = ("x",)
    inner: Inner | None = None
    outer: Outer = Outer()
    sizes: (
        Annotated[Mapping[Annotated[str, checked(_small)], Annotated[int, Meta(ge=0)]], Meta(max_length=2)] | None
    ) = None
    several: tuple[Inner, ...] = ()


def test_no_keys_are_all_defaults() -> None:
    assert read(Sample, {}) == (Sample(), ())


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"whole": 100}, Sample(whole=100)),
        ({"whole": "7", "decimal": "2.5", "flag": "Yes"}, Sample(whole=7, decimal=2.5, flag=True)),
        ({"whole": 3.0, "decimal": 2, "flag": "off"}, Sample(whole=3, decimal=2.0)),
        ({"decimal": None, "flag": True}, Sample(flag=True)),
        ({"text": "abc", "choice": "b", "even": 4}, Sample(text="abc", choice="b", even=4)),
        ({"place": "hw:0", "names": ["a", "b"]}, Sample(place="hw:0", names=("a", "b"))),
        ({"outer": None, "inner": None}, Sample()),
        ({"outer": {"deep": 8}}, Sample(outer=Outer(deep=8))),
        ({"sizes": {"a": 1, "b": "2"}}, Sample(sizes={"a": 1, "b": 2})),
        ({"sizes": None, "several": []}, Sample()),
        ({"several": [{"key": "k"}]}, Sample(several=(Inner(key=Secret("k")),))),
        ({"inner": {"key": "k", "size": 2}}, Sample(inner=Inner(key=Secret("k"), size=2))),
    ],
)
def test_values_become_what_they_stand_for(data: object, expected: Sample) -> None:
    assert read(Sample, data) == (expected, ())


@pytest.mark.parametrize(
    ("data", "path", "wrong", "limit"),
    [
        ({"whole": "many"}, ("whole",), Wrong.WHOLE, None),
        ({"whole": 1.5}, ("whole",), Wrong.WHOLE, None),
        ({"whole": float("inf")}, ("whole",), Wrong.WHOLE, None),
        ({"whole": []}, ("whole",), Wrong.WHOLE, None),
        ({"whole": "9" * 5000}, ("whole",), Wrong.WHOLE, None),
        ({"whole": True}, ("whole",), Wrong.REFUSED, "must be a number, not true"),
        ({"decimal": False}, ("decimal",), Wrong.REFUSED, "must be a number, not false"),
        ({"whole": -1}, ("whole",), Wrong.TOO_SMALL, 0),
        ({"whole": 101}, ("whole",), Wrong.TOO_LARGE, 100),
        ({"decimal": 0}, ("decimal",), Wrong.NOT_ABOVE, 0),
        ({"decimal": "x"}, ("decimal",), Wrong.NUMBER, None),
        ({"decimal": {}}, ("decimal",), Wrong.NUMBER, None),
        ({"decimal": 10**400}, ("decimal",), Wrong.NUMBER, None),
        ({"decimal": "nan"}, ("decimal",), Wrong.FINITE, None),
        ({"flag": "maybe"}, ("flag",), Wrong.BOOLEAN, None),
        ({"flag": 1}, ("flag",), Wrong.BOOLEAN, None),
        ({"text": 5}, ("text",), Wrong.TEXT, None),
        ({"text": "abcd"}, ("text",), Wrong.TOO_LONG, 3),
        ({"text": "A"}, ("text",), Wrong.PATTERN, "^[a-z]+$"),
        ({"choice": "c"}, ("choice",), Wrong.CHOICE, ("a", "b")),
        ({"choice": ["a"]}, ("choice",), Wrong.CHOICE, ("a", "b")),
        ({"even": 3}, ("even",), Wrong.REFUSED, "must be even"),
        ({"even": "x"}, ("even",), Wrong.WHOLE, None),
        ({"place": None}, ("place",), Wrong.REFUSED, "must be a name or an index"),
        ({"names": "a"}, ("names",), Wrong.LIST, None),
        ({"names": ["a", "b", "c"]}, ("names",), Wrong.TOO_MANY, 2),
        ({"outer": []}, ("outer",), Wrong.SECTION, None),
        ({"outer": {"deep": "x"}}, ("outer", "deep"), Wrong.WHOLE, None),
        ({"inner": {"key": 5}}, ("inner", "key"), Wrong.TEXT, None),
        ({"inner": {}}, ("inner", "key"), Wrong.MISSING, None),
        ({"other": 1}, ("other",), Wrong.UNKNOWN_KEY, None),
        ({5: 1}, (5,), Wrong.UNKNOWN_KEY, None),
    ],
)
def test_a_wrong_value_is_told_and_its_default_stands_in(
    data: object, path: tuple[str], wrong: Wrong, limit: object
) -> None:
    section, faults = read(Sample, data)
    assert section == Sample()
    assert [(fault.path, fault.wrong, fault.limit) for fault in faults] == [(path, wrong, limit)]


def test_every_fault_is_told_at_once_with_its_value() -> None:
    data = {"whole": "x", "names": ["abc", 5], "even": 2}
    section, faults = read(Sample, data)
    assert section == Sample(even=2)
    assert set(faults) == {
        Fault(("whole",), Wrong.WHOLE, "x"),
        Fault(("names", 0), Wrong.TOO_LONG, "abc", 2),
        Fault(("names", 1), Wrong.TEXT, 5),
    }


@pytest.mark.parametrize("data", [None, [], "x", 5])
def test_what_is_no_mapping_is_no_section(data: object) -> None:
    assert read(Sample, data) == (None, (Fault((), Wrong.SECTION, data),))


def test_without_a_value_that_has_no_default_there_is_no_section() -> None:
    assert read(Inner, {"size": 2}) == (None, (Fault(("key",), Wrong.MISSING),))


def test_values_never_change() -> None:
    with pytest.raises(AttributeError):
        Sample().whole = 2  # type: ignore[misc]  # what is tried here


def test_a_secret_shows_nowhere_and_is_compared_by_its_text() -> None:
    inner = Inner(key=Secret("hunter2"))
    assert "hunter2" not in f"{inner} {inner!r} {inner.key}"
    assert inner.key.get_secret_value() == "hunter2"
    assert {Secret("a"), Secret("a"), Secret("b")} == {Secret("a"), Secret("b")}
    assert Secret("a") != "a"


def test_the_keys_of_a_section_have_their_order() -> None:
    assert list(fields_of(Inner)) == ["key", "size"]


@pytest.mark.parametrize(
    ("data", "faults"),
    [
        ({"sizes": [1]}, [(("sizes",), Wrong.SECTION)]),
        ({"sizes": {"a": 1, "b": 2, "c": 3}}, [(("sizes",), Wrong.TOO_MANY)]),
        ({"sizes": {"a": -1, "B": 2}}, [(("sizes", "a"), Wrong.TOO_SMALL), (("sizes", "B"), Wrong.REFUSED)]),
        ({"several": [{"size": 1}, 7]}, [(("several", 0, "key"), Wrong.MISSING), (("several", 1), Wrong.SECTION)]),
    ],
)
def test_what_is_wrong_in_a_mapping_or_a_list_of_sections_is_told_where_it_stands(
    data: dict[str, Any], faults: list[tuple[Any, Wrong]]
) -> None:
    made, found = read(Sample, data)
    assert [(fault.path, fault.wrong) for fault in found] == faults
    assert made == Sample(), "all of it or nothing"
