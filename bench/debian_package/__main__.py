"""The Debian package from nothing to nothing: installed, set up, upgraded, downgraded, removed and purged.

    python -m bench.debian_package [--release bookworm] [--tree DIR] [--no-boot]

Builds the package of what is committed and that of a version to follow it, and takes both through their life in copies
of a bare Debian: once without a service manager, where what a purge leaves is compared with a tree that only ever had
what the package needs, and once under a systemd that runs. Prints each promise, sizes and times. Exit code 0 when every
promise held, 1 with the broken ones named, 2 when nothing could be tried. Takes root and: apt install mmdebstrap
systemd-container, and what scripts/build installs. A bare tree is built once and kept, as are downloaded packages.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from bench.debian_package import booted, releases
from bench.debian_package.bare import BareTrial
from bench.debian_package.promises import Promises
from bench.debian_package.trees import Tree, TrialError, bare

RELEASES = ("bookworm", "trixie")


def main() -> int:
    args = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an end like any other: trees and machines go too
    if os.geteuid() != 0:
        print("changing root takes root", file=sys.stderr)
        return 2
    promises = Promises()
    try:
        archives = args.cache / f"archives-{args.release}"
        (archives / "partial").mkdir(parents=True, exist_ok=True)
        source = args.tree or bare(args.release, args.cache)
        with tempfile.TemporaryDirectory(prefix="debian-package-", dir=args.cache) as name:
            base = Tree(source, archives).copy(Path(name, "base"))
            shutil.copy("/etc/resolv.conf", base.directory / "etc" / "resolv.conf")
            _try(args, Path(name), base, promises)
    except TrialError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(["broken:", *promises.broken]) if promises.broken else "every promise held")
    return 1 if promises.broken else 0


def _try(args: argparse.Namespace, directory: Path, base: Tree, promises: Promises) -> None:
    packages = releases.both(args.release, directory)
    for package in packages:
        size_kb = package.path.stat().st_size // 1000
        print(f"{package.path.name}: {size_kb} kB, built in {package.seconds:.0f} s", flush=True)
    print("without a service manager", flush=True)
    BareTrial(base, packages, promises).run()
    if args.boot:
        print("under systemd", flush=True)
        booted.trial(base, packages, promises)


def _arguments() -> argparse.Namespace:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "voice-satellite-bench"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--release", choices=RELEASES, default="bookworm")
    parser.add_argument("--tree", metavar="DIR", type=Path, help="a bare tree of that release (default: one is built)")
    parser.add_argument("--cache", type=Path, default=cache, help=f"where it is kept (default: {cache})")
    parser.add_argument("--boot", action=argparse.BooleanOptionalAction, default=True, help="also under systemd")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
