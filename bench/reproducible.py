"""A release built twice is the same release: wheel, sdist and Debian packages, to the byte.

    python -m bench.reproducible [--release bookworm …] [--architecture amd64 …]

Builds what is committed from two clones, at other places, with another umask, time zone and language, and later;
then once more from the sdist, unpacked where there is no git. Prints each file with its size and digest. Exit code 0
when all three agree on every file, else 1.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
RELEASES = ("bookworm", "trixie")
ARCHITECTURES = ("amd64", "arm64")
ELSEWHERE = {"TZ": "Pacific/Auckland", "LC_ALL": "C", "LANG": "C"}


def clone(directory: Path) -> Path:
    """What is committed, at a place."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "clone", "-q", ROOT, directory], check=True)
    return directory


def build(source: Path, out: Path, targets: list[tuple[str, str]], changed: Mapping[str, str], umask: int) -> None:
    """Everything, in these surroundings."""
    for release, architecture in targets:
        subprocess.run(
            ["scripts/build", "--release", release, "--architecture", architecture, "--out", out],
            cwd=source,
            env={**os.environ, **changed},
            umask=umask,
            stdout=subprocess.DEVNULL,
            check=True,
        )


def digests(directory: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(directory.iterdir())}


def trial(directory: Path, targets: list[tuple[str, str]]) -> int:
    """The exit code."""
    begun = time.monotonic()
    first, second, third = (directory / name for name in ("first", "second", "third"))
    build(clone(directory / "here"), first, targets, {}, 0o022)
    print(f"built once in {time.monotonic() - begun:.0f} s", flush=True)
    build(clone(directory / "some" / "where" / "else"), second, targets, ELSEWHERE, 0o077)
    (directory / "unpacked").mkdir()
    subprocess.run(["tar", "-xf", next(first.glob("*.tar.gz")), "-C", directory / "unpacked"], check=True)
    (unpacked,) = (directory / "unpacked").iterdir()
    build(unpacked, third, targets, {}, 0o027)
    found = [digests(place) for place in (first, second, third)]
    for name, digest in found[0].items():
        is_same = all(other.get(name) == digest for other in found)
        print(
            f"{'same' if is_same else 'DIFFERS':8}{(first / name).stat().st_size // 1000:6d} kB  {digest[:16]}  {name}"
        )
    return 0 if found[0] == found[1] == found[2] else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--release", action="append", choices=RELEASES, help="only this one (repeatable)")
    parser.add_argument("--architecture", action="append", choices=ARCHITECTURES, help="only this one (repeatable)")
    args = parser.parse_args()
    targets = [(r, a) for r in args.release or RELEASES for a in args.architecture or ARCHITECTURES]
    with tempfile.TemporaryDirectory(prefix="reproducible-") as name:
        return trial(Path(name), targets)


if __name__ == "__main__":
    sys.exit(main())
