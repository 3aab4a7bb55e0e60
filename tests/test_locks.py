"""deploy/: the locks that boxes are installed from are whole, and fit pyproject.toml."""

import importlib.metadata
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from satellite.config.loader import load_all
from tests.tree import ROOT

DEPLOY = ROOT / "deploy"
BASE = DEPLOY / "requirements.txt"
LOCKS = sorted([BASE, DEPLOY / "build-requirements.txt", *(DEPLOY / "extras").iterdir()])
FROM_DEBIAN = {"portaudio", "systemd"}
NOT_FOR_BOXES = {"deploy", "dev", "recogniser"}
PINNED = re.compile(
    r"(?P<name>[a-z0-9-]+)==(?P<version>[\w.]+)( ; [^\\]+)?(?P<hashes>( \\\n    --hash=sha256:[0-9a-f]{64})+)\n"
)


@cache
def pinned(path: Path) -> dict[str, set[str]]:
    """The versions of each package; more than one where Pythons differ. Fails on a line that is anything else."""
    text = re.sub(r"^#.*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert re.sub(PINNED, "", text) == ""
    found: dict[str, set[str]] = {}
    for match in PINNED.finditer(text):
        found.setdefault(match["name"], set()).add(match["version"])
    return found


@cache
def project() -> dict[str, dict[str, list[str] | dict[str, list[str]]]]:
    loaded: dict[str, dict[str, list[str] | dict[str, list[str]]]] = tomllib.loads(
        (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    )
    return loaded


def wanted(path: Path) -> list[Requirement]:
    """What pyproject.toml asks for, that this lock is of."""
    optional = project()["project"]["optional-dependencies"]
    assert isinstance(optional, dict)
    lists = {
        BASE.name: project()["project"]["dependencies"],
        "build-requirements.txt": project()["build-system"]["requires"],
    } | {f"{extra}.txt": requirements for extra, requirements in optional.items()}
    return [Requirement(text) for text in lists[path.name]]


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_everything_asked_for_is_pinned_to_files(path: Path) -> None:
    versions = pinned(path)
    unfit = [
        f"{requirement}: {versions.get(canonicalize_name(requirement.name))}, run scripts/lock"
        for requirement in wanted(path)
        if not all(map(requirement.specifier.contains, versions.get(canonicalize_name(requirement.name), {"none"})))
    ]
    assert unfit == []


def test_what_the_base_needs_in_turn_is_pinned_too() -> None:
    needed = {
        canonicalize_name(needs.name)
        for name in pinned(BASE)
        if name != "audioop-lts"  # for Pythons that no longer have it
        for needs in map(Requirement, importlib.metadata.requires(name) or [])
        if needs.marker is None
        or any(needs.marker.evaluate({"extra": "", "python_version": v}) for v in ("3.11", "3.13"))
    }
    assert needed <= set(pinned(BASE))


def test_each_extra_that_has_wheels_has_its_lock() -> None:
    optional = project()["project"]["optional-dependencies"]
    assert {path.stem for path in (DEPLOY / "extras").iterdir()} == set(optional) - FROM_DEBIAN - NOT_FOR_BOXES


@pytest.mark.parametrize("path", [path for path in LOCKS if path.parent.name == "extras"], ids=lambda path: path.stem)
def test_locks_that_are_installed_together_agree(path: Path) -> None:
    others = [other for other in LOCKS if other.parent.name == "extras"]
    for other in (BASE, *others):
        both = set(pinned(path)) & set(pinned(other))
        assert {name: pinned(path)[name] for name in both} == {name: pinned(other)[name] for name in both}


def test_the_installer_knows_the_extras_that_need_nothing_compiled() -> None:
    text = (ROOT / "scripts/install").read_text(encoding="utf-8")
    (listed,) = re.findall(r"EXTRA_MB=\((.*)\)", text)
    extras = {path.stem for path in (DEPLOY / "extras").iterdir()} - {"alsa"}
    assert set(re.findall(r"\[(\w+)\]", listed)) == extras
    assert all(extra in text.partition("--extra NAME    ")[2].partition("\n")[0] for extra in extras)


def test_the_first_configuration_wants_a_key_and_nothing_else(tmp_path: Path) -> None:
    for name in ("config.yaml", "secrets.yaml"):
        text = (DEPLOY / "skeleton" / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(
            text.replace('# deepl_api_key: "your key"', "deepl_api_key: some-key"), encoding="utf-8"
        )
        (tmp_path / name).chmod(0o600)
    loaded = load_all(str(tmp_path / "config.yaml"))
    assert loaded.warnings == ()
    assert loaded.config.voice.backend == "deepl"
