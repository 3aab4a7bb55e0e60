"""Debian trees: made bare once, copied for each trial, entered as they are or booted."""

import contextlib
import hashlib
import os
import re
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8",
    "DEBIAN_FRONTEND=noninteractive",
)  # fmt: skip
ENTER = """\
mount --bind "$1" "$1" && mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" &&
mount -t tmpfs tmpfs "$1/tmp" && mount --bind "$2" "$1/var/cache/apt/archives" &&
exec chroot "$1" env -i {environment} sh -c "$3"
"""
BOOTS_WITHIN_S = 60.0
ENDS_WITHIN_S = 60.0
SHUTDOWN = signal.SIGRTMIN + 4
"""Asks systemd as first process to power off."""
OTHERS = re.compile(
    r"(dev|proc|run|sys|tmp|root|var/log|var/cache|var/tmp|var/lib/apt|var/lib/dpkg)(/|$)"
    r"|etc/(passwd|shadow|group|gshadow|subuid|subgid)-$|etc/\.pwd\.lock$|(etc|var/lib/dbus)/machine-id$"
)
"""What belongs to the machine, apt and dpkg; backups that the tools for accounts keep."""


class TrialError(Exception):
    """The trial cannot go on; says why."""


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    output: str
    seconds: float


class Tree:
    """One Debian in a directory; `archives` has the packages that were downloaded before."""

    def __init__(self, directory: Path, archives: Path) -> None:
        self.directory = directory
        self.archives = archives

    def run(self, script: str) -> Done:
        """Run shell commands in it, with the network of this machine and no service manager."""
        enter = ENTER.format(environment=" ".join(ENVIRONMENT))
        namespaces = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc")
        return _run([*namespaces, "sh", "-c", enter, "sh", str(self.directory), str(self.archives), script])

    def must(self, script: str) -> str:
        """What the commands print. Raises TrialError when they fail."""
        return _succeeded(script, self.run(script))

    def copy(self, directory: Path) -> "Tree":
        """Another one like it, in a directory that is not there yet."""
        subprocess.run(["cp", "-a", self.directory, directory], check=True)
        return Tree(directory, self.archives)

    def snapshot(self) -> dict[str, str]:
        """Every path that a package may leave behind, with what stands for its state."""
        found = {}
        for path in self.directory.rglob("*"):
            name = str(path.relative_to(self.directory))
            if not OTHERS.match(name):
                found[name] = _state(path)
        return found


class Machine:
    """A tree whose systemd runs."""

    def __init__(self, leader: int) -> None:
        self._leader = leader

    def run(self, script: str) -> Done:
        """Run shell commands beside its services."""
        enter = ["nsenter", "-t", str(self._leader), "-m", "-u", "-i", "-p", "-n", "-C", "-r", "-w"]
        return _run([*enter, "env", "-i", *ENVIRONMENT, "sh", "-c", script])

    def must(self, script: str) -> str:
        """What the commands print. Raises TrialError when they fail."""
        return _succeeded(script, self.run(script))


@contextlib.contextmanager
def booted(tree: Tree, name: str) -> Iterator[Machine]:
    """Its systemd, with a network that has only loopback; powered off afterwards."""
    options = ["--register=no", "--keep-unit", "--private-network", "--console=pipe", f"--machine={name}"]
    log = tree.directory.with_suffix(".log")
    with log.open("wb") as stream:
        process = subprocess.Popen(
            ["systemd-nspawn", f"--directory={tree.directory}", *options, "--boot"],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    with contextlib.ExitStack() as ends:
        ends.callback(process.wait)
        ends.callback(process.kill)
        leader = _leader(process)
        ends.callback(_power_off, process, leader)
        machine = Machine(leader)
        _until_up(machine, log)
        yield machine


def bare(release: str, cache: Path) -> Path:
    """The smallest Debian of a release, built where the cache has none. Raises TrialError."""
    directory = cache / f"bare-{release}"
    if not directory.exists():
        if shutil.which("mmdebstrap") is None:
            raise TrialError("missing: apt install mmdebstrap")
        print(f"building a bare {release} in {directory} (once) …", flush=True)
        cache.mkdir(parents=True, exist_ok=True)
        unfinished = directory.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        _succeeded("mmdebstrap", _run(["mmdebstrap", "--variant=minbase", release, str(unfinished)]))
        unfinished.rename(directory)
    return directory


def _leader(process: subprocess.Popen[bytes]) -> int:
    """The container's first process."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline = time.monotonic() + BOOTS_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        pids = children.read_text().split()
        if pids:
            return int(pids[0])
        time.sleep(0.1)
    raise TrialError("systemd-nspawn did not start")


def _power_off(process: subprocess.Popen[bytes], leader: int) -> None:
    os.kill(leader, SHUTDOWN)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(ENDS_WITHIN_S)


def _until_up(machine: Machine, log: Path) -> None:
    deadline = time.monotonic() + BOOTS_WITHIN_S
    while time.monotonic() < deadline:
        if machine.run("systemctl is-system-running").output.strip() in ("running", "degraded"):
            return
        time.sleep(0.2)
    raise TrialError(f"the tree does not boot:\n{log.read_text(errors='replace')[-2000:]}")


def _state(path: Path) -> str:
    found = path.lstat()
    owner = f"{stat.filemode(found.st_mode)} {found.st_uid}:{found.st_gid}"
    if path.is_symlink():
        return f"{owner} {path.readlink()}"
    if not path.is_file():
        return owner
    return f"{owner} {hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"


def _run(arguments: list[str]) -> Done:
    begun = time.monotonic()
    done = subprocess.run(
        arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    return Done(done.returncode, done.stdout.decode(errors="replace"), time.monotonic() - begun)


def _succeeded(script: str, done: Done) -> str:
    if done.code:
        raise TrialError(f"{script}\nended with {done.code}:\n{done.output[-3000:]}")
    return done.output
