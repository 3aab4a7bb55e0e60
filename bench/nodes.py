"""Machines that really boot systemd: containers with an init of their own on one tree, sshd, a virtual sound card.

A node shares this machine's network (its sshd has a loopback port of its own) and its kernel; files, processes, units
and users are its own. It powers off and reboots as a machine does. Resource limits of units are not enforced in it
where this machine has cgroups of the first version only.

Needs root and: apt install systemd-container mmdebstrap openssh-client. The tree is built once and kept (0.5 GB).
"""

import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PACKAGES = (
    "systemd-sysv", "dbus", "openssh-server", "python3", "python3-venv", "python3-apt", "sudo", "ca-certificates",
    "netbase", "iproute2", "procps",
)  # fmt: skip
TOOLS = {"mmdebstrap": "mmdebstrap", "systemd-nspawn": "systemd-container", "ssh-keygen": "openssh-client"}
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "voice-satellite-bench"
UP_WITHIN_S = 60.0
DOWN_WITHIN_S = 60.0
POWER_OFF = signal.SIGRTMIN + 4
"""What tells an init to power off (systemd(1))."""
REBOOT_CODE = 133
"""How a container ends that wants to be started again (systemd-nspawn(1), --keep-unit)."""
CARD_INSIDE = "/run/card"
OWN_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
"""A machine behind a company's proxy trusts more than Debian does, and so must its nodes."""


class NodeError(Exception):
    """A node cannot be made or does not come up; says what is missing."""


def base_tree(suite: str, cache: Path = CACHE) -> Path:
    """A Debian that boots, only read; built when there is none of this recipe. Raises NodeError."""
    missing = [package for tool, package in TOOLS.items() if shutil.which(tool) is None]
    if missing:
        raise NodeError(f"missing: apt install {' '.join(missing)}")
    if os.geteuid() != 0:
        raise NodeError("nodes are trees of root's files: run it as root")
    recipe = hashlib.sha256(f"{suite} {PACKAGES}".encode()).hexdigest()[:12]
    tree = cache / f"node-{suite}-{recipe}"
    if not tree.exists():
        print(f"building the nodes' tree in {tree} (a minute, once) …", flush=True)
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="building-") as name:
            built = Path(name, "tree")
            _run("mmdebstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", suite, built)
            built.rename(tree)
    return tree


@dataclass
class Node:
    """One machine: `name`, its files below `root`, sshd on 127.0.0.1:`port`."""

    name: str
    directory: Path
    tree: Path
    port: int
    card: Path | None = None
    """The directory of a virtual card on this machine, seen inside as the default sound card."""
    _console: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def root(self) -> Path:
        return self.directory / "root"

    def make(self, public_key: str) -> None:
        """Lay its files over the tree."""
        for part in ("upper", "work", "root"):
            (self.directory / part).mkdir(parents=True)
        layers = f"lowerdir={self.tree},upperdir={self.directory}/upper,workdir={self.directory}/work"
        _run("mount", "-t", "overlay", "overlay", "-o", layers, self.root)
        self.write("etc/ssh/sshd_config.d/node.conf", f"Port {self.port}\nListenAddress 127.0.0.1\n")
        self.write("etc/hostname", f"{self.name}\n")
        self.write("etc/hosts", f"127.0.0.1 localhost {self.name}\n")
        self.write("etc/machine-id", "")
        self.write("root/.ssh/authorized_keys", public_key)
        self.write("etc/resolv.conf", Path("/etc/resolv.conf").read_text(encoding="utf-8"))
        self.write("etc/pip.conf", f"[global]\ncert = {OWN_CERTIFICATES}\n")
        shutil.copyfile(OWN_CERTIFICATES, self.root / str(OWN_CERTIFICATES).lstrip("/"))
        if self.card is not None:
            conf = (self.card / "asound.conf").read_text(encoding="utf-8")
            self.write("etc/asound.conf", conf.replace(str(self.card), CARD_INSIDE))

    def write(self, path: str, text: str) -> None:
        """Put a file into its tree."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.write_text(text, encoding="utf-8")

    def boot(self) -> None:
        """Returns when systemd has started what is enabled. Raises NodeError."""
        binds = [] if self.card is None else [f"--bind={self.card}:{CARD_INSIDE}"]
        with (self.directory / "console.log").open("ab") as log:
            self._console = subprocess.Popen(
                ["systemd-nspawn", "-D", self.root, "-M", self.name, "--register=no", "--keep-unit", "--boot",
                 "--console=pipe", "--resolv-conf=off", *binds],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.until_up()

    def until_up(self) -> None:
        """Returns when systemd says that the node runs. Raises NodeError."""
        deadline = time.monotonic() + UP_WITHIN_S
        while self.run("systemctl", "is-system-running", check=False).stdout.strip() not in {"running", "degraded"}:
            if time.monotonic() > deadline:
                raise NodeError(f"{self.name} does not come up: see {self.directory}/console.log")
            time.sleep(0.2)

    def reboot(self) -> None:
        """As `systemctl reboot`; returns when it is up again. Raises NodeError."""
        assert self._console is not None
        self.run("systemctl", "reboot", check=False)
        try:
            code = self._console.wait(DOWN_WITHIN_S)
        except subprocess.TimeoutExpired:
            raise NodeError(f"{self.name} does not go down") from None
        if code != REBOOT_CODE:
            raise NodeError(f"{self.name} went down with {code} and not to come back")
        self.boot()

    def run(self, *command: str, check: bool = True, text_in: str = "") -> "subprocess.CompletedProcess[str]":
        """A command inside, as root. Raises NodeError when `check` and it fails."""
        leader = self._leader()
        if leader is None:
            return subprocess.CompletedProcess(command, 255, "", "the node is down")
        enter = ["nsenter", "-t", str(leader), "-m", "-u", "-i", "-p", "-n", "-C", "-r", "-w", "--"]
        clean = [
            "env",
            "-i",
            "HOME=/root",
            "LANG=C.UTF-8",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ]
        done = subprocess.run([*enter, *clean, *command], input=text_in, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise NodeError(
                f"{self.name}: {' '.join(command)} ended with {done.returncode}: {done.stdout}{done.stderr}"
            )
        return done

    def property(self, name: str, unit: str = "voice-satellite.service") -> str:
        """A property of a unit, as `systemctl show` prints it."""
        return self.run("systemctl", "show", unit, f"--property={name}", "--value").stdout.strip()

    def remove(self) -> None:
        """Power off and take its files away."""
        leader = self._leader()
        if self._console is not None and leader is not None:
            os.kill(leader, POWER_OFF)
            try:
                self._console.wait(DOWN_WITHIN_S)
            except subprocess.TimeoutExpired:
                self._console.kill()
                self._console.wait()
        _run("umount", "--lazy", self.root)
        shutil.rmtree(self.directory)

    def _leader(self) -> int | None:
        """The process that is the node's init, seen from here."""
        if self._console is None:
            return None
        try:
            children = Path(f"/proc/{self._console.pid}/task/{self._console.pid}/children").read_text(encoding="ascii")
        except OSError:
            return None
        return int(children.split()[0]) if children.split() else None


@contextlib.contextmanager
def nodes(
    names: Sequence[str], directory: Path, *, suite: str = "bookworm", cards: Sequence[Path | None] = ()
) -> Iterator[list[Node]]:
    """Booted nodes that trust the key `directory/key`; gone afterwards. Raises NodeError."""
    tree = base_tree(suite)
    _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / "key")
    public_key = (directory / "key.pub").read_text(encoding="ascii")
    cards = cards or [None] * len(names)
    made: list[Node] = []
    try:
        for name, card in zip(names, cards, strict=True):
            made.append(Node(name, directory / name, tree, _free_port(), card))
            made[-1].make(public_key)
        for node in made:
            node.boot()
        yield made
    finally:
        for node in made:
            node.remove()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _run(*arguments: str | Path) -> None:
    done = subprocess.run(["nice", "-n", "10", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NodeError(f"{arguments[0]} failed:\n{done.stdout[-1000:]}{done.stderr[-3000:]}")
