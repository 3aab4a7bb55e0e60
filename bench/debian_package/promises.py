"""What is promised of the package, and which of it did not hold."""

import re
from collections.abc import Iterable

NEEDED = re.compile(r"^Need to get (?:[\d.,]+ k?M?B/)?([\d.,]+ [kM]?B) of archives", re.MULTILINE)
TAKEN = re.compile(r"^After this operation, ([\d.,]+ [kM]?B) of additional disk space will be used", re.MULTILINE)


class Promises:
    """Says each promise with how it went, and counts those that were broken."""

    def __init__(self) -> None:
        self.broken: list[str] = []

    def hold(self, promise: str, *, kept: bool, seen: str = "") -> None:
        """One promise; what was seen is told when it is broken."""
        print(f"  {'ok' if kept else 'BROKEN':8}{promise}", flush=True)
        if not kept:
            self.broken.append(promise)
            print("\n".join(f"          {line}" for line in seen.strip().splitlines()[-40:]))

    def nothing(self, promise: str, found: Iterable[str]) -> None:
        """A promise that there is nothing of a kind."""
        lines = sorted(found)
        self.hold(promise, kept=not lines, seen="\n".join(lines))


def costs(output: str) -> str:
    """What apt-get had to get and put on disk, as it says itself."""
    needed, taken = NEEDED.search(output), TAKEN.search(output)
    return f"a download of {needed[1] if needed else '0 B'}, {taken[1] if taken else '0 B'} on disk"
