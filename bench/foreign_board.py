"""From nothing to a running satellite on a board of another kind: a bare Debian of its processor, under emulation.

    python -m bench.foreign_board [--architecture arm64] [--release trixie] [--cache DIR]

In a tree that holds neither Python nor a compiler: scripts/install, the same again, `check`, `demo` as the unprivileged
user with a broker in the tree, an upgrade, a rollback, scripts/uninstall. For armhf, of which the package index has too
few wheels, scripts/wheels makes them first in a tree of their own. Prints what each step took and the sizes.

Exit code 0 when every promise held, 1 with the first that did not, 2 when nothing could be tried. Needs root and the
network; apt install mmdebstrap, and for other processors arch-test qemu-user-static binfmt-support. The bare tree is
kept in the cache directory (0.2 GB).
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHONS = {"bookworm": "3.11", "trixie": "3.13"}
WITHOUT_WHEELS = ("armhf",)
VERSION_MB_MAX = 120
SOURCE = "srv/voice-satellite"
"""Where the tree has ours; what is below `srv` belongs to the bench."""
WHEELS = "srv/wheels"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
"""A network that looks into TLS has an authority that the host knows."""
COMPILERS = ("cc", "gcc", "g++", "clang", "c99", "tcc", "rustc")
PASSING = ("proc", "dev", "sys", "tmp", "run", "srv", "var/lib/apt", "var/lib/dpkg", "var/cache", "var/log")
"""Where the system itself keeps what it is doing, and what it knows of packages."""
REMAINS = {"etc/shadow-", "etc/gshadow-", "etc/passwd-", "etc/group-", "etc/subuid-", "etc/subgid-"}
"""Backups that useradd makes of its own files."""
DEMO_WITHIN_S = 300


class PromiseError(Exception):
    """A promise did not hold; says which."""


class SetupError(Exception):
    """Nothing can be tried; says what is missing."""


class Board:
    """A tree that commands run in as if it had been booted, but without systemd."""

    def __init__(self, tree: Path) -> None:
        self.tree = tree
        shutil.copy("/etc/resolv.conf", tree / "etc/resolv.conf")
        (tree / "srv").mkdir(exist_ok=True)
        if CERTIFICATES.exists():
            shutil.copy(CERTIFICATES, tree / "srv/authorities")
            (tree / "etc/pip.conf").write_text("[global]\ncert = /srv/authorities\n")
        names = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        for name in subprocess.run(names, capture_output=True, check=True, text=True).stdout.split("\0"):
            if (ROOT / name).is_file():
                target = tree / SOURCE / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, target)

    def run(self, command: str, *, code: int = 0) -> str:
        """A command's output, after it was shown. Raises PromiseError on another exit code."""
        began_at = time.monotonic()
        print(f"\n# {command}", flush=True)
        mounts = "mount -t proc proc proc; mount --rbind /dev dev; mount --rbind /sys sys; mount -t tmpfs tmpfs tmp"
        environment = "HOME=/srv PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8"
        inside = f'cd "$1"; {mounts}; exec env -i {environment} chroot . sh -c "cd /{SOURCE} 2>/dev/null; $2"'
        outside = ["nice", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc"]
        ran = subprocess.run(
            [*outside, "sh", "-ec", inside, "sh", str(self.tree), command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        print(f"{ran.stdout}[{time.monotonic() - began_at:.1f} s, exit code {ran.returncode}]", flush=True)
        if ran.returncode != code:
            raise PromiseError(f"{command}: exit code {ran.returncode}, not {code}")
        return ran.stdout

    def add_packages(self, *names: str) -> None:
        """Debian packages for the bench's own sake."""
        self.run(
            f"apt-get -qq update && apt-get install -y -qq --no-install-recommends {' '.join(names)} >/srv/log 2>&1"
        )

    def compilers(self) -> list[str]:
        """Those in the tree."""
        folders = [self.tree / name for name in ("usr/bin", "usr/local/bin", "bin")]
        return [name for name in COMPILERS for folder in folders if (folder / name).exists()]

    def files(self) -> dict[str, float]:
        """All paths but those that pass, and when each was made or last changed."""
        found = {}
        for directory, folders, names in os.walk(self.tree):
            inside = os.path.relpath(directory, self.tree)
            folders[:] = [name for name in folders if os.path.normpath(f"{inside}/{name}") not in PASSING]
            for name in (*folders, *names):
                found[os.path.normpath(f"{inside}/{name}")] = os.lstat(f"{directory}/{name}").st_ctime
        return found

    def set_version(self, version: str) -> None:
        """The source is of this version from now on."""
        path = self.tree / SOURCE / "satellite/__init__.py"
        path.write_text(re.sub(r'(__version__ = )".*"', rf'\1"{version}"', path.read_text()))


def main() -> int:
    args = _arguments()
    try:
        _check_tools()
        bare = _bare_tree(args.cache, args.architecture, args.release)
        with tempfile.TemporaryDirectory(dir=args.cache, prefix="board-") as name:
            _try(Board(_copy(bare, Path(name) / "board")), _options(args, bare, Path(name)))
    except SetupError as error:
        print(error, file=sys.stderr)
        return 2
    except PromiseError as error:
        print(f"\nBROKEN: {error}")
        return 1
    print("\nevery promise held")
    return 0


def _arguments() -> argparse.Namespace:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "voice-satellite-bench"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architecture", default="arm64", help="as Debian calls it (default: %(default)s)")
    parser.add_argument("--release", choices=PYTHONS, default="trixie", help="(default: %(default)s)")
    parser.add_argument("--cache", type=Path, default=cache, help="where the bare tree is kept (default: %(default)s)")
    parser.add_argument("--wheels", action="store_true", help="install from scripts/wheels where it is not needed")
    return parser.parse_args()


def _check_tools() -> None:
    if shutil.which("mmdebstrap") is None:
        raise SetupError("missing: apt install mmdebstrap")
    if os.geteuid() != 0:
        raise SetupError("a tree of root's files takes root")


def _bare_tree(cache: Path, architecture: str, release: str) -> Path:
    """A Debian with nothing in it but what makes it one, built when it is not there. Raises SetupError."""
    tree = cache / f"bare-{release}-{architecture}"
    if not tree.exists():
        print(f"building {tree} (some minutes, once) …", flush=True)
        cache.mkdir(parents=True, exist_ok=True)
        building = tree.with_suffix(".building")
        shutil.rmtree(building, ignore_errors=True)
        build = [
            "mmdebstrap",
            "--quiet",
            "--variant=minbase",
            f"--architectures={architecture}",
            release,
            str(building),
        ]
        built = subprocess.run(["nice", *build], capture_output=True, text=True, check=False)
        if built.returncode:
            shutil.rmtree(building, ignore_errors=True)
            raise SetupError(f"mmdebstrap failed:\n{built.stderr[-2000:]}")
        building.rename(tree)
    return tree


def _copy(bare: Path, tree: Path) -> Path:
    subprocess.run(["cp", "-a", str(bare), str(tree)], check=True)
    return tree


def _options(args: argparse.Namespace, bare: Path, work: Path) -> str:
    """What scripts/install is given; wheels are made in a tree that has a compiler."""
    if args.architecture not in WITHOUT_WHEELS and not args.wheels:
        return ""
    workshop = Board(_copy(bare, work / "workshop"))
    workshop.add_packages("python3")
    workshop.run(f"scripts/wheels /{WHEELS}")
    shutil.move(workshop.tree / WHEELS, work / "wheels")
    shutil.rmtree(workshop.tree)
    return f" --wheels {work / 'wheels'}"


def _try(board: Board, options: str) -> None:
    """The life of an installation. Raises PromiseError."""
    if options:
        shutil.move(options.split()[1], board.tree / WHEELS)
        options = f" --wheels /{WHEELS}"
    accounted = REMAINS | set(board.files())
    board.run("uname -m; . /etc/os-release; echo $PRETTY_NAME")
    _install(board, options)
    _configure(board)
    accounted |= _demonstrate(board)
    if not options:
        _change_versions(board)
    _remove(board, accounted)


def _install(board: Board, options: str) -> None:
    installed_kb = _debian_kb(board)
    _hold("there is no compiler", not board.compilers())
    said = board.run(f"scripts/install{options}")
    _hold("there is still no compiler", not board.compilers())
    packages_mb = (_debian_kb(board) - installed_kb) / 1024
    version = (board.tree / "opt/voice-satellite/current").resolve()
    version_mb = (
        int(subprocess.run(["du", "-sk", version], capture_output=True, text=True, check=True).stdout.split()[0]) / 1024
    )
    print(f"\nthe installed environment: {version_mb:.1f} MB; Debian packages with Python itself: {packages_mb:.1f} MB")
    _hold(f"the environment takes {VERSION_MB_MAX} MB at most", version_mb <= VERSION_MB_MAX)
    _hold("the user is told what comes next", "Next:" in said)
    _hold("a second run changes nothing", "Nothing to do" in board.run(f"scripts/install{options}"))


def _configure(board: Board) -> None:
    refused = board.run("voice-satellite check", code=78)
    _hold("the first configuration wants a key only", refused.count("\n") == 1 and "deepl_api_key" in refused)
    secrets = board.tree / "etc/voice-satellite/secrets.yaml"
    secrets.write_text(secrets.read_text() + 'deepl_api_key: "some-key"\n')
    board.run("voice-satellite check")
    board.run("runuser -u voice-satellite -- voice-satellite check")


def _demonstrate(board: Board) -> set[str]:
    """The main job; which files its broker brought along."""
    before = set(board.files())
    board.add_packages("mosquitto", "netbase")
    brought = set(board.files()) - before
    _hold("there is still no compiler", not board.compilers())
    shown = board.run("cd /tmp && runuser -u voice-satellite -- voice-satellite demo")
    _hold("transcript, translation and speech came", "It works" in shown)
    return brought


def _change_versions(board: Board) -> None:
    first = _version(board)
    board.set_version("99.0")
    board.run("scripts/install")
    _hold("an upgrade is in use", _version(board) == "99.0")
    board.run("scripts/install --rollback")
    _hold("a rollback is in use", _version(board) == first)


def _remove(board: Board, accounted: set[str]) -> None:
    # written when Debian's packages were there: what came later is ours
    began_at = (board.tree / "opt/voice-satellite/debian-packages").stat().st_mtime
    board.run("scripts/uninstall")
    _hold("the configuration stays", (board.tree / "etc/voice-satellite/config.yaml").exists())
    board.run("scripts/uninstall --purge")
    _hold("the user is gone", "voice-satellite" not in (board.tree / "etc/passwd").read_text())
    left = [name for name, changed_at in board.files().items() if changed_at >= began_at and name not in accounted]
    _hold(f"nothing is left {' '.join(left)}", not left)


def _version(board: Board) -> str:
    return board.run("voice-satellite --version").split()[-1]


def _debian_kb(board: Board) -> int:
    """What all packages take, as dpkg counts."""
    status = (board.tree / "var/lib/dpkg/status").read_text(encoding="utf-8")
    return sum(map(int, re.findall(r"^Installed-Size: (\d+)$", status, re.MULTILINE)))


def _hold(promise: str, kept: bool) -> None:
    if not kept:
        raise PromiseError(promise)
    print(f"ok: {promise}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
