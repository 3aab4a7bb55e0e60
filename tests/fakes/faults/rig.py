"""One satellite with everything around it that can fail: broker, voice service, sound card, names, disk, clock."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from satellite.backends.registry import load as load_backend
from satellite.emulator.base import Emulator
from satellite.emulator.registry import load as load_double
from tests.fakes.broker import Broker, BrokerOptions
from tests.fakes.daemon import API_KEY, ROOT, Daemon, write_config
from tests.fakes.faults.readings import READINGS
from tests.fakes.faults.speech import Playing, Reached, Script
from tests.fakes.faults.tap import Tap
from tests.fakes.faults.watcher import Got, Watcher
from tests.fakes.relay import Relay
from tests.fakes.vcard import VirtualCard

SATELLITE = "sat1"
ROOT_TOPIC = f"voice-satellite/{SATELLITE}"
PASSWORDS = {"sat1": "first-secret", "watch": "second-secret"}
LOOK_AT_CARD_S = 1.0
PERSON_S = 2.0
"""A parked satellite is told to try again by somebody who notices after this long."""
JITTER_MS = 60.0
"""Pace is judged elsewhere, on a quiet machine: here several satellites and a relay share the processors."""
STATE_MB = 2
IN_NAMESPACE = 'mount --bind "$HOSTS" /etc/hosts && mount --bind "$RESOLVER" /etc/resolv.conf && exec "$@"'


def can_mount() -> bool:
    """Whether we may give a process mounts of its own: root outside of a container usually may."""
    tried = ["unshare", "--mount", "--propagation", "private", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    try:
        return os.geteuid() == 0 and subprocess.run(tried, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def libfaketime() -> Path | None:
    """The library that gives a process a clock of its own, where it is installed."""
    return next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)


@dataclass(frozen=True)
class RigOptions:
    """How one satellite is set up."""

    backend: str = "deepl"
    loop_minutes: float = 10.0
    seed: int = 1
    speech_language: str | None = None
    has_mounts: bool = field(default_factory=can_mount)
    """Give the daemon names and a small disk of its own."""
    sections: dict[str, Any] = field(default_factory=dict)
    """Merged over the daemon's configuration."""
    has_clock: bool = False
    """Give the daemon a wall clock of its own, by libfaketime."""


class Rig:
    """Holds the parts; made by `rig`, which starts them and puts them away."""

    def __init__(self, directory: Path, options: RigOptions) -> None:
        self.directory = directory
        self.options = options
        self.script = Script(directory / "speech", options.loop_minutes, options.seed)
        self.playing = Playing(self.script)
        self.reached = Reached(self.script, self.playing)
        self.tap = Tap(READINGS[options.backend], self.reached, time.monotonic)
        self.watcher = Watcher(ROOT_TOPIC, time.monotonic, username="watch", password=PASSWORDS["watch"])
        self.watcher.on_got = self._got
        self.broker = Broker(directory / "broker", BrokerOptions(users=PASSWORDS, persistence=True))
        self.mqtt = Relay(self.broker.port)
        self.card = VirtualCard(directory / "card")
        self.rest: Relay
        self.socket: Relay
        self.service: Emulator
        self.daemon: Daemon | None = None
        self.killed_at_s: list[float] = []
        self.ended_s: list[float] = []
        """When the daemon's process ended, in whatever way."""
        self.deaths: list[str] = []
        """Ends of the daemon that nobody asked for."""
        self.on_text: Callable[[float, Got], None] = lambda _spoken_s, _got: None
        """Told when a piece of transcript was spoken, and the message."""
        self._ahead_s: list[tuple[float, float]] = [(0.0, 0.0)]
        """From when on the daemon's wall clock is how far from ours."""
        self.hosts = directory / "hosts"
        self.state = directory / "state"
        self.clock_file = directory / "clock"
        self._card_lock = asyncio.Lock()
        self._loops_queued = 0
        self._is_expected_gone = False
        self._parked_since: float | None = None

    # --- the daemon ----------------------------------------------------------------------------------------------

    def start_daemon(self) -> None:
        """Start the satellite as a process of its own."""
        log_path = self.directory / "daemon.log"
        prefix: list[str] = []
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "STATE_DIRECTORY": str(self.state),
            "ALSA_CONFIG_PATH": str(self.card.conf),
            **self._clock_environment(),
        }
        if self.options.has_mounts:
            prefix = ["unshare", "--mount", "--propagation", "private", "sh", "-c", IN_NAMESPACE, "sh"]
            environment |= {"HOSTS": str(self.hosts), "RESOLVER": str(self.directory / "resolv.conf")}
        config = self.directory / "config.yaml"
        with log_path.open("ab") as log:
            process = subprocess.Popen(
                [*prefix, sys.executable, "-m", "satellite", "run", "-c", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                env=environment,
            )
        self.daemon = Daemon(process, log_path)
        self._is_expected_gone = False

    def pid(self) -> int:
        """The daemon's process; it is another one after a restart."""
        return 0 if self.daemon is None else self.daemon.process.pid

    def _clock_environment(self) -> dict[str, str]:
        """The monotonic clock stays as it is."""
        if not self.options.has_clock:
            return {}
        return {
            "LD_PRELOAD": str(libfaketime()),
            "FAKETIME_TIMESTAMP_FILE": str(self.clock_file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    async def kill_daemon(self) -> None:
        """SIGKILL, as a power cut."""
        assert self.daemon is not None
        self._is_expected_gone = True
        self.killed_at_s.append(time.monotonic())
        self.ended_s.append(time.monotonic())
        self.daemon.signal(signal.SIGKILL)
        await asyncio.to_thread(self.daemon.wait, 10)

    async def stop_daemon(self) -> int:
        """SIGTERM; its exit code."""
        assert self.daemon is not None
        self._is_expected_gone = True
        self.daemon.signal(signal.SIGTERM)
        code = await asyncio.to_thread(self.daemon.wait, 30)
        self.ended_s.append(time.monotonic())
        return code

    def write_files(self) -> None:
        (self.directory / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        self.names(are_known=True)
        self.clock(0.0)
        write_config(
            self.directory,
            f"http://localhost:{self.rest.port}",
            self.mqtt.port,
            satellite={"id": SATELLITE},
            audio={
                "driver": "alsa",
                "input": {"device": "default"},
                "output": {"device": "default"},
                "duplex": "simultaneous",
            },
            voice=self._voice(),
            mqtt={"username": "sat1", "password": PASSWORDS["sat1"], "host": "127.0.0.1"},
            logging={"level": "info"},
            **self.options.sections,
        )

    def _voice(self) -> dict[str, Any]:
        """The service by its name, so that names can fail, and by way of the relay."""
        name, can = self.service.name, load_backend(self.service.name).capabilities
        rest = f"http://localhost:{self.rest.port}"
        addresses = {
            key: value.replace(self.service.doors.http_url, rest) if isinstance(value, str) else value
            for key, value in self.service.options.items()
        }
        return {
            "backend": name,
            "target_languages": ["de"] if can.translates else [],
            "speech_language": self.options.speech_language,
            name: addresses,
        }

    # --- what faults need ----------------------------------------------------------------------------------------

    def names(self, *, are_known: bool) -> None:
        """Whether the daemon can find `localhost`; in place, as the file is mounted for it."""
        self.hosts.write_text("127.0.0.1 localhost\n" if are_known else "127.0.0.2 nobody\n")

    def clock(self, ahead_s: float) -> None:
        """Set the daemon's wall clock."""
        self._ahead_s.append((time.monotonic(), ahead_s))
        self.clock_file.write_text(f"{ahead_s:+.3f}\n")

    def ahead_s(self, moment_s: float | None = None) -> float:
        """How far the daemon's wall clock was from ours at a moment (monotonic), or is now."""
        return next(ahead_s for at_s, ahead_s in reversed(self._ahead_s) if moment_s is None or at_s <= moment_s)

    def password(self, text: str) -> None:
        """Give the satellite's account another password, from the next login on."""
        file = self.broker.directory / "passwords"
        subprocess.run(["mosquitto_passwd", "-b", str(file), "sat1", text], check=True, capture_output=True)
        assert self.broker.process is not None
        self.broker.process.send_signal(signal.SIGHUP)

    async def on_card(self, order: Callable[[], object]) -> object:
        """Give the card one order at a time."""
        async with self._card_lock:
            return await asyncio.to_thread(order)

    # --- in the background ---------------------------------------------------------------------------------------

    async def follow_card(self) -> None:
        """Keep the loop of speech going, and note how far it is."""
        while True:
            with contextlib.suppress(TimeoutError):  # it is reading the next round
                await self.look_at_card()
            await asyncio.sleep(LOOK_AT_CARD_S)

    async def look_at_card(self) -> None:
        """Note how far the card is; queue the next round in good time."""
        where: Any = await self.on_card(self.card.where)
        self.card.events.clear()
        round_ = int(where["name"].removeprefix("round") or -1)
        if round_ >= 0:
            self.playing.told(where["monotonic"], round_ * self.script.samples + where["at_bytes"] // 2)
        if self._loops_queued < round_ + 2:
            name = f"round{self._loops_queued}"
            self._loops_queued += 1
            await self.on_card(lambda: self.card.say_raw(self.script.raw, name))

    async def guard(self) -> None:
        """As systemd does: start a daemon that died anew, and note it. As a person does: unpark it."""
        while True:
            await asyncio.sleep(0.2)
            if self.daemon is None or self._is_expected_gone:
                continue
            if os.waitid(os.P_PID, self.daemon.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                self.ended_s.append(time.monotonic())
                self.deaths.append(f"the daemon ended by itself with {self.daemon.wait(5)}")
                self.start_daemon()
            self._unpark()

    def _unpark(self) -> None:
        if self.watcher.latest.get("state") != b"parked" or not self.watcher.is_connected.is_set():
            self._parked_since = None
            return
        now = time.monotonic()
        self._parked_since = self._parked_since or now
        if now - self._parked_since > PERSON_S:
            self._parked_since = None
            self.watcher.send("restart_session")

    def _got(self, got: Got) -> None:
        if got.topic != "transcript":
            return
        sample = self.script.start_of(str(got.body["text"]))
        if sample is not None:
            self.on_text(self.playing.heard_at(self.playing.absolute(sample, got.at_s)), got)


@contextlib.asynccontextmanager
async def rig(directory: Path, options: RigOptions) -> AsyncIterator[Rig]:
    """A whole satellite, running and heard by a subscriber; everything is ended with the context."""
    directory.mkdir(parents=True, exist_ok=True)
    made = Rig(directory, options)
    async with contextlib.AsyncExitStack() as stack:
        await _start_service(made, stack)
        await asyncio.to_thread(made.broker.start)
        stack.callback(made.broker.kill)
        await made.mqtt.up()
        stack.push_async_callback(made.mqtt.down)
        await asyncio.to_thread(made.card.__enter__)
        stack.callback(made.card.__exit__, None, None, None)
        _make_state(made, stack)
        made.write_files()
        group = await stack.enter_async_context(_tasks())
        group.append(asyncio.ensure_future(made.watcher.run(made.broker.port)))
        async with asyncio.timeout(10):
            await made.watcher.is_connected.wait()
        made.start_daemon()
        stack.callback(_put_away, made)
        group.append(asyncio.ensure_future(made.follow_card()))
        group.append(asyncio.ensure_future(made.guard()))
        yield made


@contextlib.asynccontextmanager
async def _tasks() -> AsyncIterator[list[asyncio.Future[None]]]:
    """Tasks that are ended, and whose failures are raised, at the end."""
    tasks: list[asyncio.Future[None]] = []
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end


async def _start_service(made: Rig, stack: contextlib.AsyncExitStack) -> None:
    made.socket = Relay(0, made.tap)
    await made.socket.up()
    stack.push_async_callback(made.socket.down)
    double = load_double(made.options.backend)
    limits = double.limits()
    own = {"no_retry_s": 1.0} if hasattr(limits, "no_retry_s") else {}
    settings = double.settings(
        api_key=API_KEY,
        recording=made.script.recording.wav,
        labels=made.script.recording.labels,
        speech="tones",
        keep_audio=False,
        advertised=f"localhost:{made.socket.port}",
        limits=replace(limits, jitter_ms=JITTER_MS, **own),
    )
    made.service = await stack.enter_async_context(double.make(settings))
    made.socket.target_port = made.service.doors.socket_port
    made.rest = Relay(int(re.findall(r":(\d+)$", made.service.doors.http_url)[0]))
    await made.rest.up()
    stack.push_async_callback(made.rest.down)


def _make_state(made: Rig, stack: contextlib.AsyncExitStack) -> None:
    """A state directory; a small disk of its own where we may make one."""
    made.state.mkdir()
    if made.options.has_mounts:
        size = f"size={STATE_MB}m"
        subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(made.state)], check=True)
        stack.callback(subprocess.run, ["umount", "-l", str(made.state)], check=False)


def _put_away(made: Rig) -> None:
    if made.daemon is not None and made.daemon.exit_code is None:
        with contextlib.suppress(ProcessLookupError):
            made.daemon.process.send_signal(signal.SIGCONT)
            made.daemon.process.kill()
        made.daemon.wait(10)
