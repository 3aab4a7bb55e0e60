"""The guest's disk: a Debian 12 with a kernel that has sound, the daemon's requirements, and no network.

Built once and kept in a cache directory under a name that changes with the recipe: this file and the requirements in
pyproject.toml. The program itself is not in it; it comes along at each start.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "systemd-sysv", "udev", "kmod", "linux-image-amd64", "python3-venv", "mosquitto", "alsa-utils", "libportaudio2",
    "libspeexdsp1",
)  # fmt: skip
TOOLS = {"mmdebstrap": "mmdebstrap", "mke2fs": "e2fsprogs", "qemu-img": "qemu-utils"}
EXTRAS = ("alsa", "portaudio")
PYTHON = (3, 11)
SUITE = "bookworm"
"""The Debian that has this Python."""
SIZE = "3G"
VENV = "/opt/voice-satellite/current"
PROGRAM = "/srv"

BENCH_UNIT = f"""\
[Unit]
Description=Runs what the host brought along
[Service]
ExecStartPre=tar -x -C {PROGRAM} -f /dev/vdb
ExecStart={VENV}/bin/python -u -m bench.kernel_unplug.guest
WorkingDirectory={PROGRAM}
StandardOutput=journal+console
[Install]
WantedBy=multi-user.target
"""
COMMAND = f"""\
#!{VENV}/bin/python
import sys
from satellite.cli import main
sys.exit(main())
"""
SET_UP = f"""\
set -eu
python3 -m venv {VENV}
{VENV}/bin/pip install -q --no-index --find-links /wheels -r /wheels/requirements.txt
chmod 755 {VENV}/bin/voice-satellite
echo {PROGRAM} > $(echo {VENV}/lib/python3*/site-packages)/program.pth
useradd --system --groups audio --home-dir /var/lib/voice-satellite --no-create-home voice-satellite
mkdir -p /etc/voice-satellite
systemctl -q enable bench
systemctl -q disable mosquitto
systemctl -q mask alsa-restore alsa-state apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer
passwd -q -d root
echo '/dev/vda / ext4 rw,noatime 0 1' > /etc/fstab
echo satellite > /etc/hostname
echo '127.0.0.1 localhost satellite' > /etc/hosts
rm -r /wheels
"""


class ImageError(Exception):
    """The image cannot be built; says what is missing."""


@dataclass(frozen=True)
class Image:
    """What a machine starts from; only read."""

    directory: Path

    @property
    def disk(self) -> Path:
        return self.directory / "disk.qcow2"

    @property
    def kernel(self) -> Path:
        return self.directory / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.directory / "initrd.img"


def requirements() -> list[str]:
    """What the daemon needs, without the program itself and without what only a workstation has."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    return sorted([*project["dependencies"], *(name for extra in EXTRAS for name in extras[extra])])


def ready(cache: Path) -> Image:
    """The image, built first when there is none of this recipe. Raises ImageError."""
    recipe = Path(__file__).read_bytes() + "\n".join(requirements()).encode()
    image = Image(cache / f"kernel-unplug-{hashlib.sha256(recipe).hexdigest()[:12]}")
    if not image.disk.exists():
        _check_tools()
        print(f"building the guest's disk in {image.directory} (some minutes, once) …", flush=True)
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="building-") as name:
            _build(Path(name))
            Path(name, "image").rename(image.directory)
    return image


def _check_tools() -> None:
    missing = [package for tool, package in TOOLS.items() if shutil.which(tool) is None]
    if missing:
        raise ImageError(f"missing: apt install {' '.join(missing)}")
    if os.geteuid() != 0:
        raise ImageError("building the guest's disk makes a tree of root's files: run it as root, once")
    if sys.version_info[:2] != PYTHON:
        raise ImageError(f"the guest has Python 3.11: run this with one, not {sys.version.split()[0]}")


def _build(work: Path) -> None:
    """Wheels, tree, disk; everything below `work`, the result in `work/image`."""
    overlay, tree, image = work / "overlay", work / "tree", work / "image"
    image.mkdir()
    _write(overlay / "etc/systemd/system/bench.service", BENCH_UNIT)
    _write(overlay / VENV.lstrip("/") / "bin/voice-satellite", COMMAND)
    _write(overlay / "wheels/requirements.txt", "\n".join(requirements()))
    _run([sys.executable, "-m", "pip", "wheel", "-q", "-w", overlay / "wheels", *requirements()])
    _write(overlay / "wheels/set-up", SET_UP)
    hooks = [f"sync-in {overlay} /", 'chroot "$1" env -i PATH="$PATH" sh /wheels/set-up']
    options = ["--variant=minbase", f"--include={','.join(PACKAGES)}", *(f"--customize-hook={hook}" for hook in hooks)]
    _run(["mmdebstrap", *options, SUITE, tree, *_apt_sources()])
    shutil.move(next((tree / "boot").glob("vmlinuz-*")), image / "vmlinuz")
    shutil.move(next((tree / "boot").glob("initrd.img-*")), image / "initrd.img")
    _run(["mke2fs", "-q", "-t", "ext4", "-d", tree, work / "disk.raw", SIZE])
    _run(["qemu-img", "convert", "-O", "qcow2", work / "disk.raw", image / "disk.qcow2"])


def _apt_sources() -> list[Path]:
    """This machine's own where it is the same Debian; mmdebstrap's default elsewhere."""
    found = [Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list")]
    return [path for path in found if path.is_file() and SUITE in path.read_text(encoding="utf-8")]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _run(arguments: list[str | Path]) -> None:
    done = subprocess.run(["nice", "-n", "10", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ImageError(f"{arguments[0]} failed:\n{done.stdout[-1000:]}{done.stderr[-3000:]}")
