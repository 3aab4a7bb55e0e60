"""A sound card pulled out of a running kernel, again and again, under the real daemon: what happens, and what must.

    python -m bench.kernel_unplug [--cycles 20] [--driver alsa] [--trial microphone …] [--cache DIR]

Boots a Debian in QEMU (no KVM needed), runs the daemon by its own systemd unit against a broker and an emulated voice
service, all inside, and pulls out and plugs in again, `cycles` times each:

  microphone    a loopback card, unbound from its driver, during capture and in the middle of a sentence
  loudspeaker   a USB sound card, taken off the bus while it plays speech
  speakerphone  the loopback card as both at once

  limits        no card is pulled out: what the unit lets it have of memory, processes and devices, asked of the kernel

Prints one line per cycle. Exit code 0 when every promise held, 1 with the broken ones named, 2 when nothing could be
tried. Needs: apt install qemu-system-x86 qemu-utils seabios ipxe-qemu e2fsprogs mmdebstrap, and what building the
sound drivers needs (CONTRIBUTING.md). The disk of the guest is built once, as root, and kept (0.5 GB).
"""

import argparse
import os
import shutil
import signal
import sys
import tarfile
import tempfile
from pathlib import Path

from bench.kernel_unplug.image import ROOT, ImageError, ready
from bench.kernel_unplug.machine import Machine, MachineError, running

PARTS = ("satellite", "systemd", "bench", "tests/__init__.py", "tests/fakes")
BOOT_WITHIN_S = 600.0
NEWS_WITHIN_S = 900.0
"""Generous: the guest has its own clock for what must be quick, and a busy host makes it slow."""
TRIALS = ("microphone", "loudspeaker", "speakerphone", "limits")


def main() -> int:
    args = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an end like any other: the machine goes too
    try:
        _check_tools()
        image = ready(args.cache)
        with tempfile.TemporaryDirectory(prefix="kernel-unplug-") as name:
            directory = Path(name)
            program = _packed(directory / "program.tar")
            with running(image, program, directory) as machine:
                return _serve(machine, args)
    except (ImageError, MachineError) as error:
        print(error, file=sys.stderr)
        return 2


def _arguments() -> argparse.Namespace:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "voice-satellite-bench"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--driver", choices=["alsa", "portaudio"], default="alsa")
    parser.add_argument("--trial", action="append", choices=TRIALS, help="only this one (repeatable)")
    parser.add_argument("--seed", type=int, default=1, help="for how long a card stays away")
    parser.add_argument("--cache", type=Path, default=cache, help=f"where the guest's disk is kept (default: {cache})")
    return parser.parse_args()


def _check_tools() -> None:
    missing = [tool for tool in ("qemu-system-x86_64", "setpriv") if shutil.which(tool) is None]
    if missing:
        raise MachineError(f"missing: {', '.join(missing)}; apt install qemu-system-x86 seabios ipxe-qemu util-linux")


def _packed(path: Path) -> Path:
    """The program as it stands in this tree, for the guest."""

    def without_caches(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        entry.uid = entry.gid = 0
        return None if "__pycache__" in entry.name else entry

    with tarfile.open(path, "w") as tar:
        for part in PARTS:
            tar.add(ROOT / part, part, filter=without_caches)
    return path


def _serve(machine: Machine, args: argparse.Namespace) -> int:
    """Tell the guest what to try, do what only the host can, print what it reports; its exit code."""
    timeout_s = BOOT_WITHIN_S
    order = {"cycles": args.cycles, "driver": args.driver, "trials": args.trial or TRIALS, "seed": args.seed}
    while True:
        message = machine.guest.receive(timeout_s)
        timeout_s = NEWS_WITHIN_S
        if "exit" in message:
            return int(message["exit"])
        if "print" in message:
            print(message["print"], flush=True)
            continue
        if message["ask"] == "order":
            machine.guest.send(order)
        else:
            if message["ask"] != "sounded":
                (machine.plug if message["ask"] == "plug" else machine.unplug)()
            machine.guest.send({"sounded_s": machine.sounded_s()})


if __name__ == "__main__":
    sys.exit(main())
