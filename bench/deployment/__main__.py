"""The role on machines that boot systemd, reached by SSH: deployed, upgraded, gone back, rotated, removed.

    python -m bench.deployment [--suite bookworm] [--only NAME …]

Three satellites with different settings and virtual cards, a mosquitto by the role voice_satellite_broker, and two
emulated voice services, one for each key. Prints a line with figures for each promise. Exit code 0 only when every
promise was kept, 1 with the broken one named, 2 when nothing could be tried. Ansible's own words are in ansible.log of
the directory that is named when a promise was broken.

Needs root, a network, pip install '.[deploy]', and: apt install systemd-container mmdebstrap openssh-client mosquitto
"""

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from bench.deployment.fleet import fleet, watching
from bench.deployment.promises import PROMISES, Promise, the_broker_is_there, three_machines_from_nothing
from bench.nodes import NodeError
from bench.trial import tried

INSTALL = three_machines_from_nothing.__name__


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", choices=("bookworm", "trixie"), default="bookworm")
    names = [promise.__name__ for promise in PROMISES]
    parser.add_argument("--only", choices=names, action="append", help="after the install, only this one (repeatable)")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the machines go too
    chosen = [one for one in PROMISES if args.only is None or one.__name__ in {*args.only, INSTALL}]
    # not below a /tmp that others can look into: keys are in it
    directory = Path(tempfile.mkdtemp(prefix="bench-deployment-", dir=Path.home()))
    try:
        complaint = asyncio.run(_suite(args.suite, directory, chosen))
    except NodeError as error:
        print(error, file=sys.stderr)
        return 2
    if complaint:
        print(f"\nbroken: {complaint}\nAnsible's words: {directory}/ansible.log")
        return 1
    shutil.rmtree(directory)
    print("\nevery promise held")
    return 0


async def _suite(suite: str, directory: Path, promises: list[Promise]) -> str:
    """The promise that was broken, the first one: those behind it build on it."""
    print(suite)
    async with fleet(suite, directory) as scene:
        complaint = await tried(the_broker_is_there, scene, lambda: "")
        if complaint:
            return complaint
        async with watching(scene):
            for promise in promises:
                complaint = await tried(promise, scene, lambda: "")
                if complaint:
                    return complaint
    return ""


if __name__ == "__main__":
    sys.exit(main())
