"""A node becomes a satellite: Debian's packages, the program of this tree from wheels, user, unit; no compiler."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from bench.nodes import CACHE, Node, NodeError
from satellite import __version__

ROOT = Path(__file__).parents[2]
PYTHON = "/usr/bin/python3"
VERSIONS = "/opt/voice-satellite/versions"
CURRENT = "/opt/voice-satellite/current"
UNIT = "voice-satellite.service"
DEBIAN = {
    "bookworm": ("libasound2", "libspeexdsp1"),
    "trixie": ("libasound2t64", "libspeexdsp1", "python3-alsaaudio"),
}
BUILT_HERE = {"bookworm": ("pyalsaaudio",), "trixie": ()}
"""What neither the package index nor that Debian has, for its Python."""
BUILDERS_PYTHON = (3, 11)
LAY_OUT = f"""\
set -eu
useradd --system --user-group --groups audio --home-dir /var/lib/voice-satellite --no-create-home \
  --shell /usr/sbin/nologin voice-satellite
python3 -m venv --system-site-packages {VERSIONS}/{__version__}
{VERSIONS}/{__version__}/bin/pip install -q --no-index --find-links /wheels voice-satellite $(cat /wheels/built-here)
ln -sfn versions/{__version__} {CURRENT}
install -d -m 750 -g voice-satellite /etc/voice-satellite
rm -r /wheels
systemctl daemon-reload
systemctl -q enable voice-satellite
"""


def install(node: Node, suite: str) -> str:
    """The version of this tree, ready to be configured and started; returns its size. Raises NodeError."""
    node.run("apt-get", "-q", "update")
    node.run("apt-get", "-qy", "--no-install-recommends", "install", *DEBIAN[suite])
    wheels = node.root / "wheels"
    shutil.copytree(_wheels(node, suite), wheels)
    (wheels / "built-here").write_text(" ".join(BUILT_HERE[suite]), encoding="ascii")
    _own_wheel(wheels)
    node.write(f"etc/systemd/system/{UNIT}", (ROOT / "systemd" / UNIT).read_text(encoding="utf-8"))
    node.run("sh", "-s", text_in=LAY_OUT)
    return node.run("du", "-sh", f"{VERSIONS}/{__version__}").stdout.split()[0]


def _wheels(node: Node, suite: str) -> Path:
    """What the program needs, for that Debian; fetched once and kept."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = "\n".join(project["dependencies"])
    recipe = f"{suite} {needed} {BUILT_HERE[suite]} {Path(__file__).read_text(encoding='utf-8')}"
    kept = CACHE / f"unit-wheels-{suite}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    if not kept.exists():
        with tempfile.TemporaryDirectory(dir=CACHE, prefix="building-") as name:
            filled = Path(name, "wheels")
            node.write("fetch/requirements.txt", needed)
            node.run(PYTHON, "-m", "venv", "/fetch/venv")
            fetch = ("download", "-q", "--only-binary", ":all:", "-d", "/fetch/wheels", "-r", "/fetch/requirements.txt")
            node.run("/fetch/venv/bin/pip", *fetch)
            shutil.move(node.root / "fetch/wheels", filled)
            shutil.rmtree(node.root / "fetch")
            for package in BUILT_HERE[suite]:
                _build(package, filled)
            filled.rename(kept)
    return kept


def _own_wheel(directory: Path) -> None:
    """The program as it stands in this tree."""
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name, "tree")
        copy.mkdir()
        for part in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / part, copy)
        shutil.copytree(ROOT / "satellite", copy / "satellite", ignore=shutil.ignore_patterns("__pycache__"))
        _build(str(copy), directory)


def _build(what: str, directory: Path) -> None:
    if sys.version_info[:2] != BUILDERS_PYTHON and not Path(what).is_dir():
        raise NodeError(f"the wheel of {what} is for Python 3.11: run this with one, not {sys.version.split()[0]}")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(directory), what]
    done = subprocess.run(["nice", "-n", "10", *command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NodeError(f"pip cannot build the wheel of {what}:\n{done.stderr[-3000:]}")
