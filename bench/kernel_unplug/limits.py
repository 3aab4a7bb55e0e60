"""The limits of the unit, where a kernel enforces them: what the daemon takes, and what ends one that takes more."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator

from bench.kernel_unplug.cards import SHARED, PromiseError
from bench.kernel_unplug.trials import Stage, Trial
from bench.kernel_unplug.witness import CGROUP, UNIT

MEGABYTE = 1 << 20
LEAK_MB = 400
ENDED_WITHIN_S = 60.0
UP_WITHIN_S = 60.0
SHARE_MAX = 0.5
"""Of its limits, while it hears and speaks."""
JOIN = f"""\
import pathlib, os, sys
pathlib.Path("{CGROUP}/cgroup.procs").write_text(str(os.getpid()))
"""
LEAK = f"{JOIN}leaked = bytearray(b'x') * ({LEAK_MB} << 20)\n"
FORKS = f"""\
{JOIN}
import signal
children = []
try:
    while len(children) < 1000:
        pid = os.fork()
        if pid == 0:
            signal.pause()
        children.append(pid)
except BlockingIOError:
    pass
for pid in children:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
print(len(children))
"""
CARD = "/dev/snd/controlC0"
DEVICES_TRIED = (CARD, "/dev/vda", "/dev/rtc0", "/dev/ttyS0", "/dev/input/event0", "/dev/mem")
DEVICES = f"""\
{JOIN}
for name in {DEVICES_TRIED}:
    try:
        os.close(os.open(name, os.O_RDWR))
        print(name)
    except PermissionError:
        pass
"""


class Limits(Trial):
    """The daemon within its limits, and root beyond them: whatever joins its group of processes is bound by them."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._pid = _shown("MainPID")

    async def lines(self) -> AsyncIterator[str]:
        """What was seen, for the report. Raises PromiseError."""
        await self.is_spoken()
        yield "\nlimits"
        yield self._within()
        yield self._devices()
        yield self._files()
        yield self._card()
        yield self._processes()
        yield await self._memory()

    def _within(self) -> str:
        """What it takes at its busiest."""
        limits = {"memory": int(_read("memory.max")), "processes and threads": int(_read("pids.max"))}
        taken = {"memory": int(_read("memory.peak")), "processes and threads": int(_read("pids.current"))}
        for name, limit in limits.items():
            if taken[name] > SHARE_MAX * limit:
                raise PromiseError(f"{taken[name]} of {limit} {name} are taken")
        if _read("memory.swap.max") != "0":
            raise PromiseError("it may be swapped out")
        return (
            f"  takes {taken['memory'] / MEGABYTE:.0f} of {limits['memory'] / MEGABYTE:.0f} MB and "
            f"{taken['processes and threads']} of {limits['processes and threads']} processes and threads, no swap"
        )

    def _devices(self) -> str:
        """Root with its devices."""
        opened = _run(DEVICES).split()
        if opened != [CARD]:
            raise PromiseError(f"beside the sound card it could open {opened}")
        return f"  of {len(DEVICES_TRIED)} devices, even root opens the sound card only"

    def _files(self) -> str:
        """Root with its view of the file system."""
        places = ("/etc", "/usr", "/var/lib", "/run", "/opt", "/srv", "/var/lib/voice-satellite", "/tmp")
        script = "for at in {}; do touch $at/bench 2>/dev/null && rm $at/bench && echo $at; done; true".format(
            " ".join(places)
        )
        entered = ["nsenter", "-t", self._pid, "-m", "sh", "-c", script]
        written = subprocess.run(entered, capture_output=True, text=True, check=True).stdout.split()
        if written != ["/var/lib/voice-satellite", "/tmp"]:
            raise PromiseError(f"it could write to {written}")
        return f"  of {len(places)} places, even root writes to its state directory and a /tmp of its own only"

    def _card(self) -> str:
        """Another user of the group audio takes the same card, which the daemon had first."""
        for program, file in (("arecord", "/dev/null"), ("aplay", "/dev/zero")):
            sound = ["-q", "-D", SHARED, "-t", "raw", "-f", "S16_LE", "-r", "16000", "-d", "1", file]
            user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--groups=audio", "--"]
            done = subprocess.run([*user, program, *sound], capture_output=True, text=True, check=False, timeout=60)
            if done.returncode:
                raise PromiseError(f"nobody else can use the card: {done.stderr}")
        return "  another user records from the card and plays on it meanwhile"

    def _processes(self) -> str:
        """Forks without end."""
        forked, most = int(_run(FORKS)), int(_read("pids.max"))
        if forked >= most:
            raise PromiseError(f"{forked} processes were made, {most} are allowed")
        if _shown("MainPID") != self._pid:
            raise PromiseError("that ended the daemon")
        return f"  forks end after {forked}; the daemon goes on"

    async def _memory(self) -> str:
        """A leak."""
        began_at = time.monotonic()
        code = await asyncio.to_thread(lambda: subprocess.run([sys.executable, "-c", LEAK], check=False).returncode)
        ended_s = time.monotonic() - began_at
        if code >= 0 or ended_s > ENDED_WITHIN_S:
            raise PromiseError(f"a leak of {LEAK_MB} MB ended with {code} after {ended_s:.0f} s")
        while (_shown("NRestarts"), _shown("ActiveState")) != ("1", "active"):
            if time.monotonic() - began_at > ENDED_WITHIN_S + UP_WITHIN_S:
                raise PromiseError(f"it is not started anew: {_shown('Result')}, {_shown('ActiveState')}")
            await asyncio.sleep(0.5)
        up_s = time.monotonic() - began_at
        await self.is_spoken()
        return f"  a leak of {LEAK_MB} MB is ended after {ended_s:.1f} s; up again after {up_s:.1f} s, and it hears"


def _read(name: str) -> str:
    return (CGROUP / name).read_text(encoding="ascii").strip()


def _shown(name: str) -> str:
    shown = subprocess.run(["systemctl", "show", "-P", name, UNIT], capture_output=True, check=True, text=True)
    return shown.stdout.strip()


def _run(script: str) -> str:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True).stdout
