"""A power cut at every moment: is what the spool called stored on the disk, whatever the disk's cache had not written?

    python -m bench.power_cut [--cuts 2000] [--rounds 300] [--seed 1]

A process stores and forgets messages under strace. From what it wrote and synchronised a disk is made as it may look
after a cut at any system call: everything synchronised is there, of the rest any sectors and any of the last names.
The spool is opened on each of these disks. Exit code 1 when a message that was called stored is missing, changed or out
of order, or when a file had to be set aside.
"""

import argparse
import ast
import logging
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from satellite.adapters.spool import DiskSpool

ROOT = Path(__file__).parents[1]
SECTOR_BYTES = 512
WAIT_S = 20.0
CALLS = "openat,close,pwrite64,write,ftruncate,fsync,fdatasync,unlink,unlinkat,rename,mkdir"
CALL = re.compile(r"^\d+\s+(\w+)\((.*)\)\s+= (-?\d+)")
STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
WRITER = """
import random, sys
from pathlib import Path
from satellite.adapters.outbox import Entry
from satellite.adapters.spool import DiskSpool
from satellite.homeassistant.messages import Message
dice = random.Random(int(sys.argv[3]))
spool = DiskSpool(Path(sys.argv[1]))
spool.load()
waiting, number, stored = [], 0, 0

def tell():
    sys.stdout.write(f"stored {waiting[0] if waiting else number + 1} {stored}\\n")
    sys.stdout.flush()

for _ in range(int(sys.argv[2])):
    for _ in range(dice.randint(1, 6)):
        number += 1
        spool.keep(Entry(number, Message("topic", b"%d " % number + b"x" * dice.choice([10, 300, 3000]))))
        waiting.append(number)
    if dice.random() < 0.3:
        count = dice.randint(1, len(waiting))
        gone, waiting = waiting[:count], waiting[count:]
        tell()
        for one in gone:
            spool.forget(one)
    spool.settle(20)
    stored = number
    tell()
"""


@dataclass
class File:
    """A file on the disk, and in its cache."""

    durable: bytearray = field(default_factory=bytearray)
    cached: list[tuple[int, bytes | None]] = field(default_factory=list)
    """Offset and bytes written since the last synchronisation; None for a new length."""

    def synchronise(self) -> None:
        for offset, data in self.cached:
            _apply(self.durable, offset, data)
        self.cached.clear()

    def after_cut(self, dice: random.Random) -> bytes:
        """What may be on the disk: any sectors of what was cached."""
        content = bytearray(self.durable)
        for offset, data in self.cached:
            if data is None:
                if dice.random() < 0.5:
                    _apply(content, offset, None)
                continue
            for at, piece in _sectors(offset, data):
                if dice.random() < 0.5:
                    _apply(content, at, piece)
        return bytes(content)


@dataclass
class Disk:
    """A directory, and which of its changes are on the disk."""

    durable: dict[str, File] = field(default_factory=dict)
    cached: list[tuple[str, File | None]] = field(default_factory=list)
    """Names given (None: taken away) since the directory was synchronised."""

    def now(self) -> dict[str, File]:
        return _named(self.durable, self.cached)

    def synchronise(self) -> None:
        self.durable = self.now()
        self.cached.clear()

    def after_cut(self, dice: random.Random) -> dict[str, bytes]:
        """Names reach the disk in their order, as file systems with a journal do; as many as chance has it."""
        names = _named(self.durable, self.cached[: dice.randint(0, len(self.cached))])
        return {name: file.after_cut(dice) for name, file in names.items()}


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    if data is None:
        del content[offset:]
    else:
        content[offset : offset + len(data)] = data


def _sectors(offset: int, data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        size = SECTOR_BYTES - (offset + at) % SECTOR_BYTES
        yield offset + at, data[at : at + size]
        at += size


def _named(names: dict[str, File], changes: list[tuple[str, File | None]]) -> dict[str, File]:
    result = dict(names)
    for name, file in changes:
        if file is None:
            result.pop(name, None)
        else:
            result[name] = file
    return result


class Replay:
    """Follows the calls of the process."""

    def __init__(self, directory: Path) -> None:
        self.disk = Disk()
        self.stored = (1, 0)
        """The oldest and the newest message that must be there."""
        self._directory = str(directory)
        self._open: dict[int, File | Disk] = {}

    def follow(self, name: str, arguments: str, result: int) -> bool:
        """Take one call; True when it touched the disk."""
        strings = [_text(found) for found in STRING.findall(arguments)]
        if name == "write" and arguments.startswith("1,"):
            words = strings[0].split()
            self.stored = (int(words[1]), int(words[2])) if words[:1] == [b"stored"] else self.stored
            return False
        if result < 0:
            return False
        if name in ("unlink", "unlinkat", "rename", "openat", "mkdir"):
            return self._by_name(name, arguments, [string.decode() for string in strings], result)
        return self._by_number(name, arguments, strings)

    def _by_name(self, call: str, arguments: str, paths: list[str], result: int) -> bool:
        inside = [path.removeprefix(self._directory).lstrip("/") for path in paths if path.startswith(self._directory)]
        if not inside or call == "mkdir":
            return False
        if call == "openat":
            if not inside[0]:
                self._open[result] = self.disk
                return False
            file = self.disk.now().get(inside[0])
            is_new = file is None and "O_CREAT" in arguments
            if is_new:
                file = File()
                self.disk.cached.append((inside[0], file))
            if file is not None:
                self._open[result] = file
            return is_new
        if call == "rename":
            self.disk.cached.append((inside[1], self.disk.now()[inside[0]]))
        self.disk.cached.append((inside[0], None))
        return True

    def _by_number(self, call: str, arguments: str, strings: list[bytes]) -> bool:
        number = int(arguments.partition(",")[0])
        if call == "close":
            self._open.pop(number, None)
        target = self._open.get(number)
        if target is None:
            return False
        if call in ("fsync", "fdatasync"):
            target.synchronise()
        elif isinstance(target, File):
            offset = int(arguments.rsplit(",", 1)[1])
            target.cached.append((offset, None if call == "ftruncate" else strings[0]))
        return True


def _text(hexadecimal: str) -> bytes:
    value = ast.literal_eval(f'b"{hexadecimal}"')
    assert isinstance(value, bytes)
    return value


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cuts", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="power-cut-") as name:
        place = Path(name)
        lines = _traced(place, args.rounds, args.seed)
        broken = _cut_everywhere(place, lines, args)
    print("\n".join(broken[:20]) or "every message that was called stored was there")
    return 1 if broken else 0


def _traced(place: Path, rounds: int, seed: int) -> list[tuple[str, str, int]]:
    """The calls of a process that stores and forgets."""
    trace = place / "trace"
    (place / "state").mkdir()
    options = ["-f", "-xx", "-s", "1000000", "-e", f"trace={CALLS}", "-o", str(trace)]
    writer = [sys.executable, "-c", WRITER, str(place / "state"), str(rounds), str(seed)]
    subprocess.run(["strace", *options, *writer], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    found = [CALL.match(line) for line in _whole_lines(trace.read_text())]
    return [(call.group(1), call.group(2), int(call.group(3))) for call in found if call is not None]


def _whole_lines(text: str) -> Iterator[str]:
    """Calls of two threads that overlapped are written in two halves."""
    begun: dict[str, str] = {}
    for line in text.splitlines():
        thread = line.partition(" ")[0]
        if line.endswith("<unfinished ...>"):
            begun[thread] = line.removesuffix("<unfinished ...>")
        elif " resumed>" in line:
            yield begun.pop(thread) + line.partition(" resumed>")[2]
        else:
            yield line


def _cut_everywhere(place: Path, calls: list[tuple[str, str, int]], args: argparse.Namespace) -> list[str]:
    """Open the spool on disks as they may be after each call; returns what is wrong."""
    dice = random.Random(args.seed)
    replay = Replay(place / "state")
    counting = Replay(place / "state")
    share = args.cuts / max(1, sum(counting.follow(*call) for call in calls))
    cuts, cached, broken = 0, 0, []
    for number, call in enumerate(calls):
        if replay.follow(*call) and dice.random() < share:
            cuts += 1
            cached += any(file.cached for file in replay.disk.now().values()) or bool(replay.disk.cached)
            complaint = _complaint(place / f"cut{number}", replay, dice)
            if complaint:
                broken.append(f"call {number} ({call[0]}): {complaint}")
    print(f"{len(calls)} calls, {cuts} cuts, {cached} of them with something in the cache; {len(broken)} complaints")
    return broken if cuts else ["nothing was tried"]


def _complaint(directory: Path, replay: Replay, dice: random.Random) -> str | None:
    directory.mkdir()
    for name, content in replay.disk.after_cut(dice).items():
        (directory / name).write_bytes(content)
    spool = DiskSpool(directory)
    texts = [entry.message.payload for entry in spool.load()]
    spool.close(WAIT_S)
    numbers = [int(text.split()[0]) for text in texts]
    oldest, newest = replay.stored
    aside = [path.name for path in directory.iterdir() if "aside" in path.name]
    if aside:
        return f"set aside: {aside}"
    if numbers != list(range(numbers[0], numbers[-1] + 1)) if numbers else newest >= oldest:
        return f"there is {numbers}, stored was {oldest} to {newest}"
    if numbers and (numbers[0] > oldest or numbers[-1] < newest) and newest >= oldest:
        return f"there is {numbers[0]} to {numbers[-1]}, stored was {oldest} to {newest}"
    return None


if __name__ == "__main__":
    sys.exit(main())
