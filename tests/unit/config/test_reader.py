from pathlib import Path

import pytest

from satellite.config.document import Collection, DocumentError, parse
from satellite.config.reader import Reader, Value
from satellite.config.secrets import Secrets


def read(text: str, environment: dict[str, str] | None = None, directory: Path = Path()) -> tuple[Value, Reader]:
    root = parse(text)
    assert isinstance(root, Collection)
    reader = Reader("f.yaml", Secrets(directory, environment or {}))
    return reader.mapping(root), reader


def problems(text: str) -> list[str]:
    return [str(problem) for problem in read(text)[1].problems]


def test_values_come_with_the_lines_of_their_paths() -> None:
    data, reader = read("a: 1\nb:\n  c: [x, y]\n  d:\n  - !!str 5\n  - ! 6\n  - !!int 7\n")
    assert data == {"a": 1, "b": {"c": ["x", "y"], "d": ["5", "6", 7]}}
    assert reader.lines == {
        (): 1,
        ("a",): 1,
        ("b",): 2,
        ("b", "c"): 3,
        ("b", "c", 0): 3,
        ("b", "c", 1): 3,
        ("b", "d"): 4,
        ("b", "d", 0): 5,
        ("b", "d", 1): 6,
        ("b", "d", 2): 7,
    }


def test_a_path_that_is_not_in_the_file_has_the_line_of_its_section() -> None:
    _, reader = read("a: 1\nb:\n  c: 2\n")
    assert reader.line_of(("b", "x", "y")) == 2
    assert reader.line_of(("z",)) == 1


def test_tagged_values_are_resolved_and_secret_ones_remembered(tmp_path: Path) -> None:
    (tmp_path / "secrets.yaml").write_text("long: secret-text\nshort: abc\n")
    text = "a: !secret long\nb: [!secret short]\nc: !env_var HOME_X\n"
    data, reader = read(text, {"HOME_X": "there"}, tmp_path)
    assert data == {"a": "secret-text", "b": ["abc"], "c": "there"}
    assert reader.masked == {("a",), ("b", 0)}
    assert reader.secret_texts == {"secret-text"}


def test_a_value_that_is_not_there_is_null_and_a_problem() -> None:
    data, reader = read("x: 1\na: !env_var NOT_SET\n")
    assert data == {"x": 1, "a": None}
    assert reader.unusable == {("a",)}
    assert [(problem.line, problem.path) for problem in reader.problems] == [(2, "a")]


def test_an_unknown_tag_may_be_a_password_and_is_not_repeated() -> None:
    (problem,) = problems("password: !hunter2\n")
    assert "hunter2" not in problem
    assert "text that begins with ! needs quotes" in problem
    assert "did you mean !secret?" in problems("a: !secrets x\n")[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: !secret [x]\n", "f.yaml:1: a: a tag stands before a single value only"),
        ("? [x]\n: 1\n", "f.yaml:1: a key must be a single word"),
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3: a: the key is there twice (first in line 1)"),
        ("a:\n  <<: 5\n", "f.yaml:2: a: << merges mappings only"),
        ("x: &x {? [k] : 1}\na:\n  <<: *x\n", "f.yaml:1: a: a key must be a single word"),
    ],
)
def test_what_cannot_be_read_is_a_problem(text: str, expected: str) -> None:
    assert expected in problems(text)


def test_collections_may_carry_their_own_tags() -> None:
    assert read("a: !!map {b: !!seq [1]}\n")[0] == {"a": {"b": [1]}}


def test_merge_keys_fill_in_what_is_not_there() -> None:
    data, reader = read(
        "one: &one {a: 1, b: 1}\ntwo: &two\n  <<: *one\n  b: 2\n  c: 2\nall:\n  b: 3\n  <<: [*two, {d: 4}]\n"
    )
    assert isinstance(data, dict)
    assert data["all"] == {"b": 3, "c": 2, "a": 1, "d": 4}
    assert reader.problems == []
    assert reader.lines["all", "a"] == 1


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [*a]\n",
        "a: &a {b: *a}\n",
        "a: &a {<<: *a}\n",
        "a: &a\n  <<: [*a, *a]\n",
        "a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n"
        "d: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d]\n",
    ],
)
def test_bombs_are_refused(text: str) -> None:
    with pytest.raises(DocumentError, match="too much is nested or repeated"):
        read(text)
