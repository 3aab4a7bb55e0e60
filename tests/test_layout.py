"""The house rules that a machine can hold: sizes, who has a test, who reads a clock, what must not be written."""

import ast
import io
import re
import statistics
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from satellite.cli import COMMANDS
from tests import tree
from tests.tree import (
    SOURCE,
    TESTS,
    Function,
    body_lines,
    classes,
    functions,
    has_code,
    imported_modules,
    module_name,
    nothing,
    place,
    project_files,
    python_files,
)

FUNCTION_LINES_MAX = 60
FUNCTION_LINES_P90 = 30
FUNCTION_LINES_MEDIAN = 8
FILE_LINES_MAX = 500
CLASS_LINES_MAX = 300
CLASS_METHODS_MAX = 15
"""Methods in the plain sense: no properties, no dunder methods. A Protocol only lists what others implement."""
PARAMETERS_MAX = 6
"""Without self and cls. Fixtures of tests are not parameters that anybody passes."""

MIRRORED_ROOMS = ("core", "backends", "homeassistant", "config")
"""tests/unit has one test file for each of their modules, at the same place."""
CLOCK = "satellite/adapters/clock.py"
CLOCK_NAMES = {"time": None, "datetime": {"now", "utcnow", "today"}, "date": {"today"}}
"""Any function of the module time; those of the classes datetime and date that read the wall clock."""

WORKPLACE = re.compile(
    r"/(?:[w]ork|farm|workspace)/|/(?:home|Users)/(?!pi\b)[a-z]\w*/|(?<![\w.])/[r]oot/"
    r"|\.[p]yenv|[o]pt/(?:pypi|wheels)|\.[l]ibrary\b"
    r"|before-[s]top|\b[s]ubagent|\b[C]laude\b",
)
"""Paths and tools of one person's machine: nothing that a reader elsewhere could follow."""


# --- sizes ------------------------------------------------------------------------------------------------------


def test_no_function_is_longer_than_a_screen() -> None:
    lengths = {f"{place(path, node.lineno)} {node.name}": body_lines(node) for path, node in functions()}
    nothing(f"{name}: {length}" for name, length in lengths.items() if length > FUNCTION_LINES_MAX)


def test_most_functions_are_short() -> None:
    lengths = [body_lines(node) for _, node in functions("satellite")]
    assert statistics.median(lengths) <= FUNCTION_LINES_MEDIAN
    assert statistics.quantiles(lengths, n=10)[-1] <= FUNCTION_LINES_P90


def test_no_file_is_too_long_to_be_read_at_once() -> None:
    lengths = {place(path): len(path.read_text(encoding="utf-8").splitlines()) for path in python_files()}
    nothing(f"{name}: {length}" for name, length in lengths.items() if length > FILE_LINES_MAX)


def test_no_class_does_everything() -> None:
    lengths = {
        f"{place(path, node.lineno)} {node.name}": (node.end_lineno or 0) - node.lineno + 1 for path, node in classes()
    }
    nothing(f"{name}: {length}" for name, length in lengths.items() if length > CLASS_LINES_MAX)


def plain_methods(node: ast.ClassDef) -> int:
    return sum(
        isinstance(entry, ast.FunctionDef | ast.AsyncFunctionDef)
        and not entry.name.startswith("__")
        and not any(re.search(r"property|\.setter|overload", ast.unparse(mark)) for mark in entry.decorator_list)
        for entry in node.body
    )


def test_no_class_has_a_method_for_everything() -> None:
    counts = {
        f"{place(path, node.lineno)} {node.name}": plain_methods(node)
        for path, node in classes("satellite")
        if not any("Protocol" in ast.unparse(base) for base in node.bases)
    }
    nothing(f"{name}: {count}" for name, count in counts.items() if count > CLASS_METHODS_MAX)


def parameters(function: Function) -> int:
    given = function.args
    names = [argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return sum(name not in ("self", "cls") for name in names)


def test_functions_with_many_parameters_take_a_dataclass() -> None:
    counts = {
        f"{place(path, node.lineno)} {node.name}": parameters(node)
        for path, node in functions()
        if not node.name.startswith("test_")
    }
    nothing(f"{name}: {count}" for name, count in counts.items() if count > PARAMETERS_MAX)


def test_there_is_at_least_as_much_test_as_code() -> None:
    def lines(room: str) -> int:
        return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in python_files(room))

    assert lines("tests") >= lines("satellite")


# --- every source file has its test -----------------------------------------------------------------------------


def test_each_module_of_a_pure_room_has_its_test_file() -> None:
    missing = []
    for path in python_files(*(f"satellite/{room}" for room in MIRRORED_ROOMS), "satellite/errors.py"):
        inside = path.relative_to(SOURCE)
        expected = TESTS / "unit" / inside.parent / f"test_{inside.name}"
        if path.name != "__init__.py" and not expected.is_file():
            missing.append(place(expected))
    nothing(missing)


def words(path: Path) -> set[str]:
    """The strings that stand in a file: among them the commands that it runs."""
    return {
        node.value
        for node in ast.walk(tree.parsed(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_each_other_module_has_a_test() -> None:
    """A file of its name, or one that imports it; a command may also be named on a command line."""
    known: set[str] = set().union(*(imported_modules(path) for path in python_files("tests")))
    said: set[str] = set().union(*(words(path) for path in python_files("tests") if path != Path(__file__)))
    known |= {f"satellite.cli.{command}" for command in COMMANDS if command in said}
    named = {path.name for path in python_files("tests")}
    modules = [path for path in python_files("satellite") if has_code(path) and path.name != "__main__.py"]
    nothing(place(path) for path in modules if module_name(path) not in known and f"test_{path.name}" not in named)


def test_the_product_does_not_know_its_tests() -> None:
    knowing = [
        place(path)
        for path in python_files("satellite")
        if any(name.split(".")[0] == "tests" for name in imported_modules(path))
    ]
    nothing(knowing)


# --- clocks -----------------------------------------------------------------------------------------------------


def clock_reads(path: Path) -> Iterator[str]:
    """Where a file reads a clock: through the modules time and datetime, or the event loop."""
    may_ask_the_loop = path.is_relative_to(SOURCE / "emulator")
    imports_time = "time" in imported_modules(path)
    for node in ast.walk(tree.parsed(path)):
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            yield place(path, node.lineno)
        if not (isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)):
            continue
        owner = ast.unparse(node.value)
        name = owner.rsplit(".", 1)[-1]
        names = CLOCK_NAMES.get(name, set()) if imports_time or name != "time" else set()
        is_loop = node.attr == "time" and "loop" in owner
        if names is None or node.attr in names or (is_loop and not may_ask_the_loop):
            yield place(path, node.lineno)


def test_only_the_clock_reads_the_time() -> None:
    reads = [read for path in python_files("satellite") if place(path) != CLOCK for read in clock_reads(path)]
    nothing(reads)


def test_the_check_for_clocks_sees_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "ROOT", tmp_path)
    path = tmp_path / "sample.py"
    lines = ["import time", "a = time.monotonic()", "b = asyncio.get_running_loop().time()"]
    path.write_text("\n".join([*lines, "c = datetime.datetime.now(UTC)", "d = clock.wall()", "e = stamp.time()"]))
    assert sorted(clock_reads(path)) == [f"sample.py:{line}" for line in (2, 3, 4)]
    other = tmp_path / "other.py"
    other.write_text("from time import monotonic\n")
    assert list(clock_reads(other)) == ["other.py:1"]


# --- comments ---------------------------------------------------------------------------------------------------

SWITCHED_OFF = (
    (
        re.compile(r"#\s*noqa\b", re.IGNORECASE),
        re.compile(r"# noqa: [A-Z]+[0-9]+(?:, ?[A-Z]+[0-9]+)* (?:-|#) ?\S.{4,}"),
    ),
    (re.compile(r"#\s*type:\s*ignore"), re.compile(r"# type: ignore\[[a-z, -]+\] +(?:-|#) ?\S.{4,}")),
)
"""What switches a check off, and how it looks with a reason."""


def unreasoned(text: str) -> Iterator[int]:
    """Lines with a switched-off check and no reason: neither beside it nor in a comment above it or its like."""
    lines = text.splitlines()
    reasoned_line = -1
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT:
            continue
        line = token.start[0]
        is_off = any(off.search(token.string) for off, _ in SWITCHED_OFF)
        is_reason = lines[line - 1].strip() == token.string
        if (is_off and reasoned_line == line - 1) or (not is_off and is_reason):
            reasoned_line = line
        elif any(off.search(token.string) and not fine.search(token.string) for off, fine in SWITCHED_OFF):
            yield line


def test_a_check_is_switched_off_only_with_a_reason() -> None:
    found = [place(path, line) for path in python_files() for line in unreasoned(path.read_text(encoding="utf-8"))]
    nothing(found)


@pytest.mark.parametrize(
    ("comment", "is_fine"),
    [
        ("# noqa: S603 - the arguments are our own", True),
        ("# type: ignore[arg-type]  # the library's stub is wrong", True),
        ("# noqa: S603", False),
        ("# noqa", False),
        ("# type: ignore[arg-type]", False),
        ("# type: ignore", False),
    ],
)
def test_the_check_for_reasons_sees_them(comment: str, *, is_fine: bool) -> None:
    assert list(unreasoned(f"a = 1  {comment}\n")) == ([] if is_fine else [1])
    assert list(unreasoned(f"# because\na = 1  {comment}\nb = 1  {comment}\n")) == []
    assert list(unreasoned(f"# because\n\na = 1  {comment}\n")) == ([] if is_fine else [3])


def test_nothing_in_the_tree_belongs_to_one_machine() -> None:
    found = []
    for path in project_files():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found += [
            f"{place(path, number)} {line.strip()[:80]}"
            for number, line in enumerate(lines, 1)
            if WORKPLACE.search(line)
        ]
    nothing(found)


def test_the_check_for_machines_sees_them() -> None:
    seen = ["/" + "work/main", "/" + "root/x", "/" + "home/anna/x", "x/." + "pyenv/bin"]
    assert [text for text in seen if not WORKPLACE.search(text)] == []
    assert [text for text in ("/var/lib/voice-satellite", "network/x", "/home/pi/x") if WORKPLACE.search(text)] == []
