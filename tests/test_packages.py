"""What is imported is what is declared, starts fast, and keeps to the import contracts."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

from tests.tree import ROOT, imported_modules, nothing, place, python_files

DISTRIBUTIONS = {
    "aiomqtt": "aiomqtt",
    "alsaaudio": "pyalsaaudio",
    "audioop": "audioop-lts",
    "av": "av",
    "msgpack": "msgpack",
    "msgspec": "msgspec",
    "hypothesis": "hypothesis",
    "jsonschema": "jsonschema",
    "matplotlib": "matplotlib",
    "numpy": "numpy",
    "paho": "aiomqtt",
    "prometheus_client": "prometheus-client",
    "pocketsphinx": "pocketsphinx",
    "pyaudio": "pyaudio",
    "pytest": "pytest",
    "pytest_asyncio": "pytest-asyncio",
    "soxr": "soxr",
    "systemd": "systemd-python",
    "webrtcvad": "webrtcvad-wheels",
    "websockets": "websockets",
    "yaml": "pyyaml",
}
"""Which distribution of pyproject.toml brings each package that satellite imports."""

TOOLS = {"dev", "deploy"}
"""Extras of programs to be run, not of packages to be imported."""


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
    optional = (names for extra, names in extras().items() if for_development or extra not in TOOLS)
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
    nothing(f"{name}, imported by {where}" for name, where in imported.items() if name not in declared())


def test_every_package_that_tests_import_is_declared() -> None:
    imported = foreign_imports("tests")
    nothing(
        f"{name}, imported by {where}" for name, where in imported.items() if name not in declared(for_development=True)
    )


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
sys.exit(sorted({"asyncio", "msgspec", "yaml", "ssl", "satellite.app"} & set(sys.modules)) or 0)
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
    ("The emulator shares no code", "satellite/emulator/deepl/rest.py", "import satellite.backends.deepl.messages"),
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
