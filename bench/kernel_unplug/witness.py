"""What can be seen of the daemon from outside: its messages, and what the kernel says of its processes."""

import asyncio
import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.kernel_unplug.cards import PromiseError
from tests.fakes.broker import Received, Subscriber
from tests.fakes.daemon import write_config

UNIT = "voice-satellite.service"
CGROUP = Path("/sys/fs/cgroup/system.slice") / UNIT
CONFIG = Path("/etc/voice-satellite/config.yaml")
TOPICS = "voice-satellite/sat1/"
START_WITHIN_S = 120.0
STOP_WITHIN_S = 60.0
SETTLE_WITHIN_S = 20.0
"""Longer than session and loudspeaker are kept open without use."""
MOMENT_S = 0.2
WORKERS = 2
"""The loop's pool of threads for short blocking calls grows by one whenever two of them coincide, and has a bound."""
JOURNAL_LINES = 40


@dataclass(frozen=True)
class Holdings:
    """What the daemon's processes hold at one moment."""

    processes: int
    threads: int
    descriptors: tuple[str, ...]

    @property
    def deleted(self) -> int:
        """Descriptors of cards that are gone."""
        return sum(name.startswith("/dev/snd") and name.endswith("(deleted)") for name in self.descriptors)

    def fits_in(self, other: "Holdings") -> bool:
        """True when nothing is held beyond what the other holds, but for a few of the event loop's worker threads."""
        return (
            not self.deleted
            and self.processes <= other.processes
            and self.threads <= other.threads + WORKERS
            and len(self.descriptors) <= len(other.descriptors)
        )


class Service:
    """The daemon as systemd runs it."""

    def __init__(self) -> None:
        self._pid = 0

    async def start(self, base_url: str, broker_port: int, audio: dict[str, Any]) -> None:
        """With this sound, by the unit that users install. Returns when it is ready."""
        shutil.copy("/srv/systemd/voice-satellite.service", "/etc/systemd/system/")
        voice = {"speech_language": "de", "idle_close_s": 2}
        info = {"level": "info"}
        write_config(CONFIG.parent, base_url, broker_port, audio=audio, voice=voice, logging=info)
        shutil.chown(CONFIG, "voice-satellite")
        CONFIG.chmod(0o600)
        await _systemctl("daemon-reload")
        await _systemctl("start", UNIT)
        self._pid = int(_property("MainPID"))

    async def stop(self) -> None:
        """In order. Raises PromiseError when it did not live until now as one process, or ends otherwise."""
        restarts, pid = _property("NRestarts"), int(_property("MainPID"))
        await _systemctl("stop", UNIT)
        if (restarts, pid) != ("0", self._pid):
            raise PromiseError(f"the daemon was restarted {restarts} times, {self._pid} is {pid} now")
        if (result := _property("Result")) != "success":
            raise PromiseError(f"the daemon did not end in order: {result}")

    def holdings(self) -> Holdings:
        """What its processes hold right now."""
        processes = [Path("/proc", pid) for pid in (CGROUP / "cgroup.procs").read_text().split()]
        threads = sum(len(_entries(process / "task")) for process in processes)
        descriptors = [_target(entry) for process in processes for entry in _entries(process / "fd")]
        return Holdings(len(processes), threads, tuple(sorted(filter(None, descriptors))))

    async def settled(self, baseline: Holdings) -> Holdings:
        """What it holds once that fits into the baseline; what it holds at last, if it never does."""
        deadline = time.monotonic() + SETTLE_WITHIN_S
        while not (holdings := self.holdings()).fits_in(baseline) and time.monotonic() < deadline:
            await asyncio.sleep(1.0)
        return holdings

    async def at_rest(self) -> Holdings:
        """What it holds after session and loudspeaker were closed for want of use."""
        await asyncio.sleep(SETTLE_WITHIN_S)
        return self.holdings()

    async def cpu_shares(self, seconds: float) -> list[float]:
        """Share of one processor that it uses from now on, for so long, in each of the moments of it."""
        shares = []
        for _ in range(max(2, int(seconds / MOMENT_S))):
            began_at, used_s = time.monotonic(), _cpu_s()
            await asyncio.sleep(MOMENT_S)
            shares.append((_cpu_s() - used_s) / (time.monotonic() - began_at))
        return shares


class Witness:
    """Reads the daemon's messages; `mark` is now, and `after` looks from such a mark on."""

    def __init__(self, seen: Subscriber) -> None:
        self._seen = seen

    def mark(self) -> int:
        return len(self._seen.received)

    async def after(
        self, mark: int, topic: str, is_it: Callable[[Any], bool], within_s: float, complaint: str
    ) -> Received:
        """The first message of a topic that is it. Raises PromiseError with the complaint when none comes in time."""

        def first(seen: Subscriber) -> Received | None:
            wanted = (one for one in seen.received[mark:] if one.topic == TOPICS + topic)
            return next((one for one in wanted if is_it(_decoded(one))), None)

        with contextlib.suppress(AssertionError):
            await self._seen.until(lambda seen: first(seen) is not None, within_s)
        found = first(self._seen)
        if found is None:
            raise PromiseError(f"{complaint} within {within_s:.0f} s")
        return found

    def latest(self, topic: str) -> Any:
        """The newest message of a topic."""
        return _decoded(self._seen.on(TOPICS + topic)[-1])


def journal(since_s: float) -> str:
    """The end of what the daemon wrote since a moment (Unix seconds)."""
    command = ["journalctl", "-q", "-o", "short-monotonic", "-u", UNIT, f"-n{JOURNAL_LINES}", f"--since=@{since_s:.0f}"]
    return subprocess.run(command, capture_output=True, check=False).stdout.decode(errors="replace")


def _decoded(message: Received) -> Any:
    return json.loads(message.text) if message.text.startswith("{") else message.text


async def _systemctl(*arguments: str) -> None:
    timeout_s = STOP_WITHIN_S if "stop" in arguments else START_WITHIN_S
    await asyncio.to_thread(subprocess.run, ["systemctl", *arguments], check=True, timeout=timeout_s)


def _property(name: str) -> str:
    shown = subprocess.run(["systemctl", "show", "-P", name, UNIT], capture_output=True, check=True, text=True)
    return shown.stdout.strip()


def _cpu_s() -> float:
    """Of all its processes, those that have ended too."""
    usage = dict(line.split() for line in (CGROUP / "cpu.stat").read_text().splitlines())
    return int(usage["usage_usec"]) / 1e6


def _entries(directory: Path) -> list[Path]:
    """Nothing where the process is gone."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return list(directory.iterdir())
    return []


def _target(link: Path) -> str:
    """Empty where it is gone."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return str(link.readlink())
    return ""
