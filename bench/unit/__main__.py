"""The unit as shipped, on a machine that boots systemd: each of its promises tried, figures printed.

    python -m bench.unit [--suite bookworm] [--suite trixie] [--only NAME …]

A node (bench.nodes) gets the program of this tree and the unit. It captures from a virtual card that the unprivileged
user may use by the group audio, speaks TLS to a mosquitto and to the emulated voice service, and is killed, frozen,
deafened, misconfigured, reloaded and rebooted. Exit code 0 only when every promise was kept, 1 with the broken ones
named, 2 when nothing could be tried.

Limits of memory, tasks and devices are not enforced in a node: bench.kernel_unplug has a kernel of its own for them.
Needs root, a network, and: apt install systemd-container mmdebstrap openssh-client mosquitto openssl, and what builds
pyalsaaudio.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
from pathlib import Path

from bench.nodes import NodeError
from bench.trial import tried
from bench.unit.promises import PROMISES, Promise
from bench.unit.scene import scene


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", choices=("bookworm", "trixie"), action="append", help="default: bookworm")
    names = [promise.__name__ for promise in PROMISES]
    parser.add_argument("--only", choices=names, action="append", help="after the start, only this one (repeatable)")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the machines go too
    chosen = [one for one in PROMISES if args.only is None or one.__name__ in ("starts_and_says_how_it_is", *args.only)]
    broken: list[str] = []
    for suite in args.suite or ["bookworm"]:
        try:
            broken += asyncio.run(_suite(suite, chosen))
        except NodeError as error:
            print(error, file=sys.stderr)
            return 2
    print("\n".join(["\nbroken:", *broken] if broken else ["\nevery promise held"]))
    return 1 if broken else 0


async def _suite(suite: str, promises: list[Promise]) -> list[str]:
    """The promises that were broken on this Debian."""
    print(f"\n{suite}")
    broken = []
    # not below a /tmp that others can look into: keys are in it
    with tempfile.TemporaryDirectory(prefix="bench-unit-", dir=Path.home()) as name:
        async with scene(suite, Path(name)) as made:
            for promise in promises:
                complaint = await tried(promise, made, made.journal)
                if complaint:
                    broken.append(f"{suite}: {complaint}")
    return broken


if __name__ == "__main__":
    sys.exit(main())
