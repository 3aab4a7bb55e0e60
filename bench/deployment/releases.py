"""What is deployed: the program of this tree as wheels, a version after it, and one that does not work."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.nodes import NodeError
from satellite import __version__

ROOT = Path(__file__).parents[2]
SOURCES = ("satellite", "pyproject.toml", "README.md", "LICENSE")


@dataclass(frozen=True)
class Release:
    """A directory of wheels, as the role takes it."""

    version: str
    wheels: Path


def releases(directory: Path) -> tuple[Release, Release, Release]:
    """This tree's, the next, and one whose microphone never works. Raises NodeError."""
    first = Release(__version__, directory / "first")
    _run(ROOT / "scripts/wheels", first.wheels)
    following = _derived(first, "0.9.1", directory / "following", lambda _: None)
    return first, following, _derived(first, "0.9.2", directory / "broken", _breaks_the_microphone)


def _breaks_the_microphone(tree: Path) -> None:
    """It starts, says that it is online, and hears nothing."""
    main = tree / "satellite/adapters/devicemain.py"
    main.write_text("raise SystemExit(1)\n" + main.read_text(encoding="utf-8"), encoding="utf-8")


def _derived(first: Release, version: str, wheels: Path, change: Callable[[Path], None]) -> Release:
    """The same wheels with another of our own."""
    tree = wheels.with_suffix(".tree")
    tree.mkdir(parents=True)
    for name in SOURCES:
        source = ROOT / name
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, tree / name, ignore=ignored) if source.is_dir() else shutil.copy(source, tree / name)
    init = tree / "satellite/__init__.py"
    init.write_text(init.read_text(encoding="utf-8").replace(f'"{__version__}"', f'"{version}"'), encoding="utf-8")
    change(tree)
    shutil.copytree(first.wheels, wheels, ignore=shutil.ignore_patterns("voice_satellite-*"))
    pip = (sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index")
    _run(*pip, "-w", wheels, tree)
    return Release(version, wheels)


def _run(*arguments: str | Path) -> None:
    done = subprocess.run(["nice", "-n", "10", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NodeError(f"{arguments[0]} failed:\n{done.stdout[-1000:]}{done.stderr[-3000:]}")
