"""Two versions of the package, built from what is committed: this one, and one that follows it."""

import os
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from bench.debian_package.trees import TrialError

ROOT = Path(__file__).parents[2]
VERSION = re.compile(r'(__version__ = "\d+\.\d+\.)(\d+)"')
CHANGE = "# This line came with the next version.\n"
"""What the next version adds to the configuration that is installed."""
AUTHOR = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")


@dataclass(frozen=True)
class Package:
    """A package that was built."""

    path: Path
    version: str
    seconds: float

    @property
    def program_version(self) -> str:
        """What the program calls itself."""
        return self.version.rpartition("-")[0]

    @property
    def needs(self) -> str:
        """What apt-get installs with it."""
        fields = ["dpkg-deb", "-f", str(self.path), "Depends", "Recommends"]
        lines = subprocess.run(fields, capture_output=True, text=True, check=True).stdout.splitlines()
        return ", ".join(line.partition(": ")[2] for line in lines)


def both(release: str, directory: Path) -> tuple[Package, Package]:
    """This version and the next. Raises TrialError."""
    clone = directory / "clone"
    _run(["git", "clone", "-q", str(ROOT), str(clone)])
    this = _build(clone, release, directory / "this")
    source, skeleton = clone / "satellite" / "__init__.py", clone / "deploy" / "skeleton" / "config.yaml"
    source.write_text(VERSION.sub(lambda found: f'{found[1]}{int(found[2]) + 1}"', source.read_text("utf-8")), "utf-8")
    skeleton.write_text(skeleton.read_text("utf-8") + CHANGE, "utf-8")
    _run(["git", "-C", str(clone), *AUTHOR, "commit", "-q", "-a", "-m", "The next version"])
    return this, _build(clone, release, directory / "next")


def _build(clone: Path, release: str, out: Path) -> Package:
    begun = time.monotonic()
    _run([str(clone / "scripts" / "build"), "--release", release, "--out", str(out)])
    (path,) = out.glob("*.deb")
    version = subprocess.run(["dpkg-deb", "-f", path, "Version"], capture_output=True, text=True, check=True).stdout
    return Package(path, version.strip(), time.monotonic() - begun)


def _run(arguments: list[str]) -> None:
    done = subprocess.run(
        ["nice", "-n", "10", *arguments], capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"}
    )
    if done.returncode:
        raise TrialError(f"{' '.join(arguments)} failed:\n{done.stdout[-1000:]}{done.stderr[-3000:]}")
