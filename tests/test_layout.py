"""The house rules that a machine can hold: sizes, who has a test, who reads a clock, what must not be written."""

import ast
import importlib.metadata
import io
import re
import statistics
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "satellite"
TESTS = ROOT / "tests"

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

DISTRIBUTIONS = {
    "aiomqtt": "aiomqtt",
    "alsaaudio": "pyalsaaudio",
    "audioop": "audioop-lts",
    "av": "av",
    "msgpack": "msgpack",
    "hypothesis": "hypothesis",
    "jsonschema": "jsonschema",
    "matplotlib": "matplotlib",
    "numpy": "numpy",
    "paho": "aiomqtt",
    "pocketsphinx": "pocketsphinx",
    "pyaudio": "pyaudio",
    "pydantic": "pydantic",
    "pydantic_core": "pydantic",
    "pytest": "pytest",
    "soxr": "soxr",
    "systemd": "systemd-python",
    "webrtcvad": "webrtcvad-wheels",
    "websockets": "websockets",
    "yaml": "pyyaml",
}
"""Which distribution of pyproject.toml brings each package that satellite imports."""

WORKPLACE = re.compile(
    r"/(?:[w]ork|farm|workspace)/|/(?:home|Users)/(?!pi\b)[a-z]\w*/|(?<![\w.])/[r]oot/"
    r"|\.[p]yenv|[o]pt/(?:pypi|wheels)|\.[l]ibrary\b"
    r"|before-[s]top|\b[s]ubagent|\b[C]laude\b",
)
"""Paths and tools of one person's machine: nothing that a reader elsewhere could follow."""


# --- reading the tree -------------------------------------------------------------------------------------------


@cache
def project_files() -> tuple[Path, ...]:
    """All files of the project: what git knows or would add; in an unpacked archive, all that is not generated."""
    listing = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        names = subprocess.run(listing, capture_output=True, check=True, text=True).stdout.split("\0")
    except (FileNotFoundError, subprocess.CalledProcessError):
        found = (path for path in ROOT.rglob("*") if not {".venv", ".git"} & set(path.parts))
        return tuple(path for path in found if path.is_file() and "cache" not in str(path.relative_to(ROOT)))
    return tuple(path for name in names if name and (path := ROOT / name).is_file())


@cache
def python_files(*rooms: str) -> tuple[Path, ...]:
    """The Python files below these directories of the project, all of them when none is named."""
    inside = [ROOT / room for room in rooms] or [ROOT]
    return tuple(
        path for path in project_files() if path.suffix == ".py" and any(path.is_relative_to(room) for room in inside)
    )


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def place(path: Path, line: int = 0) -> str:
    return f"{path.relative_to(ROOT)}:{line}" if line else str(path.relative_to(ROOT))


Function = ast.FunctionDef | ast.AsyncFunctionDef


def nodes(path: Path, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, kinds))


def functions(*rooms: str) -> list[tuple[Path, Function]]:
    return [
        (path, node)
        for path in python_files(*rooms)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def classes(*rooms: str) -> list[tuple[Path, ast.ClassDef]]:
    return [
        (path, node) for path in python_files(*rooms) for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef)
    ]


def body_lines(function: Function) -> int:
    """Lines from the first statement to the last, the docstring left out."""
    statements = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    return (statements[-1].end_lineno or 0) - statements[0].lineno + 1 if statements else 0


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imported_modules(path: Path) -> frozenset[str]:
    """Every name a file imports, modules and what is taken from them alike, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


def has_code(path: Path) -> bool:
    """False for a file with nothing but a docstring."""
    return any(not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) for node in tree(path).body)


# --- sizes ------------------------------------------------------------------------------------------------------


def test_no_function_is_longer_than_a_screen() -> None:
    lengths = {f"{place(path, node.lineno)} {node.name}": body_lines(node) for path, node in functions()}
    assert {name: length for name, length in lengths.items() if length > FUNCTION_LINES_MAX} == {}


def test_most_functions_are_short() -> None:
    lengths = [body_lines(node) for _, node in functions("satellite")]
    assert statistics.median(lengths) <= FUNCTION_LINES_MEDIAN
    assert statistics.quantiles(lengths, n=10)[-1] <= FUNCTION_LINES_P90


def test_no_file_is_too_long_to_be_read_at_once() -> None:
    lengths = {place(path): len(path.read_text(encoding="utf-8").splitlines()) for path in python_files()}
    assert {name: length for name, length in lengths.items() if length > FILE_LINES_MAX} == {}


def test_no_class_does_everything() -> None:
    lengths = {
        f"{place(path, node.lineno)} {node.name}": (node.end_lineno or 0) - node.lineno + 1 for path, node in classes()
    }
    assert {name: length for name, length in lengths.items() if length > CLASS_LINES_MAX} == {}


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
    assert {name: count for name, count in counts.items() if count > CLASS_METHODS_MAX} == {}


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
    assert {name: count for name, count in counts.items() if count > PARAMETERS_MAX} == {}


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
    assert missing == []


def test_each_other_module_is_imported_by_a_test_file() -> None:
    test_files = [path for path in python_files("tests") if path.name.startswith("test_") or path.name == "conftest.py"]
    known: set[str] = set().union(*(imported_modules(path) for path in test_files))
    source = " ".join(path.read_text(encoding="utf-8") for path in test_files)
    if '"-m", "satellite"' in source:
        known.add("satellite.__main__")
    assert [
        place(path) for path in python_files("satellite") if has_code(path) and module_name(path) not in known
    ] == []


def test_the_product_does_not_know_its_tests() -> None:
    knowing = [
        place(path)
        for path in python_files("satellite")
        if any(name.split(".")[0] == "tests" for name in imported_modules(path))
    ]
    assert knowing == []


# --- clocks -----------------------------------------------------------------------------------------------------


def clock_reads(path: Path) -> Iterator[str]:
    """Where a file reads a clock: through the modules time and datetime, or the event loop."""
    may_ask_the_loop = path.is_relative_to(SOURCE / "emulator")
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            yield place(path, node.lineno)
        if not (isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)):
            continue
        owner = ast.unparse(node.value)
        names = CLOCK_NAMES.get(owner.rsplit(".", 1)[-1], set())
        is_loop = node.attr == "time" and "loop" in owner
        if names is None or node.attr in names or (is_loop and not may_ask_the_loop):
            yield place(path, node.lineno)


def test_only_the_clock_reads_the_time() -> None:
    reads = [read for path in python_files("satellite") if place(path) != CLOCK for read in clock_reads(path)]
    assert reads == []


def test_the_check_for_clocks_sees_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    path = tmp_path / "sample.py"
    lines = ["from time import time", "a = time.monotonic()", "b = asyncio.get_running_loop().time()"]
    path.write_text("\n".join([*lines, "c = datetime.datetime.now(UTC)", "d = clock.wall()", "e = stamp.time()"]))
    assert sorted(clock_reads(path)) == [f"sample.py:{line}" for line in (1, 2, 3, 4)]


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
    """Lines with a switched-off check and no reason beside it."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT:
            continue
        if any(off.search(token.string) and not reasoned.search(token.string) for off, reasoned in SWITCHED_OFF):
            yield token.start[0]


def test_a_check_is_switched_off_only_with_a_reason() -> None:
    found = [place(path, line) for path in python_files() for line in unreasoned(path.read_text(encoding="utf-8"))]
    assert found == []


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
    assert found == []


def test_the_check_for_machines_sees_them() -> None:
    seen = ["/" + "work/main", "/" + "root/x", "/" + "home/anna/x", "x/." + "pyenv/bin"]
    assert [text for text in seen if not WORKPLACE.search(text)] == []
    assert [text for text in ("/var/lib/voice-satellite", "network/x", "/home/pi/x") if WORKPLACE.search(text)] == []


# --- what is imported is what is declared -----------------------------------------------------------------------


@cache
def project() -> dict[str, object]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        loaded: dict[str, object] = tomllib.load(file)["project"]
        return loaded


def names_of(requirements: object) -> set[str]:
    assert isinstance(requirements, list)
    return {re.split(r"[\s<>=!~;\[]", text, maxsplit=1)[0].lower() for text in requirements}


def extras() -> dict[str, set[str]]:
    optional = project()["optional-dependencies"]
    assert isinstance(optional, dict)
    return {extra: names_of(requirements) for extra, requirements in optional.items()}


def declared(*, for_development: bool = False) -> set[str]:
    optional = (names for extra, names in extras().items() if for_development or extra != "dev")
    return names_of(project()["dependencies"]).union(*optional)


def foreign_imports(room: str) -> dict[str, str]:
    """Each distribution that is not ours and not Python's, with one place where it is imported."""
    ours_or_python = sys.stdlib_module_names - {"audioop"} | {"satellite", "tests", "_typeshed"}
    found: dict[str, str] = {}
    for path in python_files(room):
        for name in imported_modules(path):
            package = name.split(".")[0]
            if package not in ours_or_python:
                found[DISTRIBUTIONS.get(package, package)] = place(path)
    return found


def test_every_imported_package_is_declared() -> None:
    imported = foreign_imports("satellite")
    assert {name: where for name, where in imported.items() if name not in declared()} == {}


def test_every_package_that_tests_import_is_declared() -> None:
    imported = foreign_imports("tests")
    assert {name: where for name, where in imported.items() if name not in declared(for_development=True)} == {}


def test_every_declared_package_is_imported() -> None:
    assert declared() - set(foreign_imports("satellite")) == set()


def test_development_installs_every_extra() -> None:
    requirements = project()["optional-dependencies"]
    assert isinstance(requirements, dict)
    own = next(text for text in requirements["dev"] if text.startswith("voice-satellite["))
    listed = set(own.removeprefix("voice-satellite[").rstrip("]").split(","))
    assert listed == set(extras()) - {"dev"}


def test_a_satellite_starts_without_any_extra() -> None:
    optional = set().union(*(names for extra, names in extras().items() if extra != "dev"))
    heavy = sorted(package for package, name in DISTRIBUTIONS.items() if name in optional)
    code = f"import sys, satellite.app, satellite.cli; print(sorted(set(sys.modules) & set({heavy!r})))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert ran.stdout.strip() == "[]"


LIGHT = """
import sys, satellite.cli
sys.exit(sorted({"asyncio", "pydantic", "yaml", "ssl", "satellite.app"} & set(sys.modules)) or 0)
"""


def test_help_loads_nothing_that_takes_time() -> None:
    ran = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_version_is_said_once() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "satellite", "--version"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert ran.stdout.split() == ["voice-satellite", importlib.metadata.version("voice-satellite")]


# --- import contracts -------------------------------------------------------------------------------------------


def lint_imports(directory: Path) -> subprocess.CompletedProcess[str]:
    tool = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [str(tool), "--no-cache", "--config", str(directory / ".importlinter")],
        capture_output=True,
        text=True,
        check=False,
        cwd=directory,
    )


Violation = tuple[str, str, str]
VIOLATIONS: list[Violation] = [
    ("Arrows point down", "satellite/core/audio.py", "import satellite.backends.base"),
    ("Arrows point down", "satellite/runtime/alarm.py", "import satellite.adapters.clock"),
    ("Arrows point down", "satellite/emulator/pcm.py", "import satellite.adapters.resampler"),
    ("Pure rooms do no I/O and read no clock", "satellite/core/gate.py", "import socket"),
    ("Pure rooms do no I/O and read no clock", "satellite/backends/deepl/session.py", "import asyncio"),
    ("Pure rooms do no I/O and read no clock", "satellite/homeassistant/topics.py", "import logging"),
    ("Runtime knows no concrete backend", "satellite/runtime/uplink.py", "import satellite.backends.deepl.session"),
    ("The emulator shares no code", "satellite/emulator/rest.py", "import satellite.backends.deepl.messages"),
    (
        "Backends do not know each other",
        "satellite/backends/loopback/session.py",
        "import satellite.backends.deepl.session",
    ),
]
"""One forbidden import for each arrow that matters."""


@pytest.mark.slow
def test_import_contracts_notice_what_they_forbid(tmp_path: Path) -> None:
    for path in (*python_files("satellite"), ROOT / ".importlinter"):
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    assert lint_imports(tmp_path).returncode == 0
    for contract, file, line in VIOLATIONS:
        victim = tmp_path / file
        before = victim.read_text(encoding="utf-8")
        victim.write_text(f"{before}\n{line}\n", encoding="utf-8")
        broken = [said for said in lint_imports(tmp_path).stdout.splitlines() if said.endswith(" BROKEN")]
        assert [said for said in broken if said.startswith(contract)], (contract, file, line)
        victim.write_text(before, encoding="utf-8")
