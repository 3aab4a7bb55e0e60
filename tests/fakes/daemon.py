"""The whole satellite as its users run it: the command as a subprocess, with an emulated service as another."""

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DATA = ROOT / "satellite" / "data"
API_KEY = "key-that-must-not-be-logged-0123"


@dataclass
class Daemon:
    """One run of a command; `usage` is known after its end."""

    process: subprocess.Popen[bytes]
    log_path: Path
    usage: Any = None
    exit_code: int | None = None

    @property
    def log(self) -> str:
        """Everything it wrote."""
        return self.log_path.read_text(errors="replace")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def wait(self, timeout_s: float = 30.0) -> int:
        """Its exit code, negative for a signal; TimeoutError when it goes on."""
        deadline = time.monotonic() + timeout_s
        self.exit_code = self.process.returncode  # a signal to a process that had ended took the code
        while self.exit_code is None:
            pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
            if pid:
                self.exit_code = self.process.returncode = os.waitstatus_to_exitcode(status)
                self.usage = usage
            elif time.monotonic() > deadline:
                raise TimeoutError(f"still running after {timeout_s} s:\n{self.log[-3000:]}")
            else:
                time.sleep(0.02)
        return self.exit_code

    def wait_for(self, text: str, timeout_s: float = 30.0) -> None:
        """Return when it has written this; TimeoutError when it does not."""
        deadline = time.monotonic() + timeout_s
        while text not in self.log:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{text!r} was not written in {timeout_s} s:\n{self.log[-3000:]}")
            time.sleep(0.05)

    def peak_rss_mb(self) -> float:
        """Largest resident memory so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1024


def unmeasured() -> dict[str, str]:
    """Our environment for a program in which coverage must neither load modules nor write files."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}


def _environment(directory: Path) -> dict[str, str]:
    """Ours, with the package on the path and a state directory of its own."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path, "STATE_DIRECTORY": str(directory / "state")}


@contextlib.contextmanager
def command(directory: Path, *arguments: str, **environment: str) -> Iterator[Daemon]:
    """`voice-satellite ARGUMENTS…`, killed at the end when it still runs."""
    with program(directory, "satellite", *arguments, **environment) as daemon:
        yield daemon


@contextlib.contextmanager
def program(directory: Path, module: str, *arguments: str, **environment: str) -> Iterator[Daemon]:
    """`python -m MODULE ARGUMENTS…`, killed at the end when it still runs."""
    log_path = directory / f"{module}-{time.monotonic_ns()}.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=directory,
            env={**_environment(directory), **environment},
        )
    daemon = Daemon(process, log_path)
    try:
        yield daemon
    finally:
        if daemon.exit_code is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            daemon.wait()


@dataclass
class Emulator:
    """The emulated service as a process of its own; `report` and `audio` are there after `stop`."""

    process: subprocess.Popen[bytes]
    options: dict[str, Any]
    """What stands below `voice.<backend>` in a configuration that uses it."""
    directory: Path
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def base_url(self) -> str:
        """Where a service with one address answers."""
        return str(self.options.get("base_url", ""))

    def stop(self) -> dict[str, Any]:
        """End it and read its report."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=20) == 0
        self.report = json.loads((self.directory / "report.json").read_text())
        return self.report


@contextlib.contextmanager
def emulator(directory: Path, *arguments: str) -> Iterator[Emulator]:
    """`voice-satellite emulator ARGUMENTS…` on free ports."""
    directory.mkdir(parents=True, exist_ok=True)
    options = [
        "--api-key",
        API_KEY,
        "--report",
        str(directory / "report.json"),
        "--audio-dir",
        str(directory / "audio"),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "satellite", "emulator", *options, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    try:
        assert select.select([process.stdout], [], [], 20)[0], "the emulator did not start"
        hello = json.loads(process.stdout.readline())
        yield Emulator(process, hello, directory)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def write_config(directory: Path, base_url: str, broker_port: int, **sections: dict[str, Any]) -> Path:
    """A configuration file; `sections` are merged over what every test needs."""
    config: dict[str, Any] = {
        "satellite": {"id": "sat1"},
        "audio": {
            "input": {"device": f"file:{DATA / 'demo.wav'}"},
            "output": {"device": f"file:{directory / 'speech.wav'}"},
        },
        "voice": {
            "source_language": "en",
            "target_languages": ["de"],
            "speech_language": None,
            "deepl": {"api_key": API_KEY, "base_url": base_url},
        },
        "mqtt": {"port": broker_port},
        "logging": {"level": "debug"},
    }
    _merge(config, sections)
    path = directory / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def _merge(into: dict[str, Any], other: dict[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def unix_s(rfc3339: str) -> float:
    """Unix seconds of a payload's time."""
    return datetime.fromisoformat(rfc3339).timestamp()


def words(text: str) -> list[str]:
    """The words of a text, for comparing what was said with what was heard."""
    return re.findall(r"[a-z']+", text.lower())
