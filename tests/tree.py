"""Reading the project's own files, for the tests that hold the house rules."""

import ast
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "satellite"
TESTS = ROOT / "tests"


@cache
def project_files() -> tuple[Path, ...]:
    """All files of the project: what git knows or would add; in an unpacked archive, all that is not generated."""
    listing = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        names = subprocess.run(listing, capture_output=True, check=True, text=True).stdout.split("\0")
    except (FileNotFoundError, subprocess.CalledProcessError):
        return tuple(path for path in ROOT.rglob("*") if path.is_file() and not is_generated(path))
    return tuple(path for name in names if name and (path := ROOT / name).is_file())


def is_generated(path: Path) -> bool:
    """What .gitignore names, in as few words: hidden files and folders but our own, and caches."""
    hidden = {part for part in path.relative_to(ROOT).parts if part.startswith(".")}
    return bool(hidden - {".ci", ".gitignore", ".importlinter"}) or "__pycache__" in path.parts


@cache
def python_files(*rooms: str) -> tuple[Path, ...]:
    """The Python files below these directories of the project, all of them when none is named."""
    inside = [ROOT / room for room in rooms] or [ROOT]
    return tuple(
        path for path in project_files() if path.suffix == ".py" and any(path.is_relative_to(room) for room in inside)
    )


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def nothing(found: Iterable[str]) -> None:
    """Fails with one line for each thing that should not be there."""
    lines = sorted(found)
    if lines:
        pytest.fail("\n".join(lines), pytrace=False)


def place(path: Path, line: int = 0) -> str:
    return f"{path.relative_to(ROOT)}:{line}" if line else str(path.relative_to(ROOT))


Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(*rooms: str) -> list[tuple[Path, Function]]:
    return [
        (path, node)
        for path in python_files(*rooms)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def classes(*rooms: str) -> list[tuple[Path, ast.ClassDef]]:
    return [
        (path, node)
        for path in python_files(*rooms)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ClassDef)
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
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


def has_code(path: Path) -> bool:
    """False for a file with nothing but a docstring."""
    return any(not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) for node in parsed(path).body)
