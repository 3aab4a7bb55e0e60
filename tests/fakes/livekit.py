"""A real LiveKit server on loopback, for as long as a test needs it."""

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

KEY, SECRET = "devkey", "secret"
NEEDS = (
    "needs livekit-server, which scripts/test builds where Go is installed;"
    " or put it on the PATH, or name it in LIVEKIT_SERVER"
)


@dataclass(frozen=True, slots=True)
class LiveKit:
    """Where it answers."""

    url: str
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """It is gone without a word."""
        self.process.kill()


def server_path() -> str | None:
    """The program: named, on the PATH, or built by scripts/test; None when there is none."""
    named = os.environ.get("LIVEKIT_SERVER")
    if named:
        return named
    found = shutil.which("livekit-server")
    if found:
        return found
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "voice-satellite"
    built = sorted(cache.glob("livekit-server-v*"))
    return str(built[-1]) if built else None


@contextmanager
def livekit(directory: Path) -> Iterator[LiveKit]:
    """A server of the test's own; the test is skipped, saying what it needs, where there is none."""
    program = server_path()
    if program is None:
        pytest.skip(NEEDS)
    port, tcp_port = free_port(), free_port()
    config = directory / "livekit.yaml"
    rtc = {
        "udp_port": free_port(socket.SOCK_DGRAM),
        "tcp_port": tcp_port,
        "use_external_ip": False,
        "node_ip": "127.0.0.1",
        "enable_loopback_candidate": True,
    }
    config.write_text(yaml.safe_dump({"port": port, "keys": {KEY: SECRET}, "logging": {"level": "error"}, "rtc": rtc}))
    with (directory / "livekit.log").open("wb") as log:
        process = subprocess.Popen(
            [program, "--dev", "--bind", "127.0.0.1", "--config", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        await_answer(f"http://127.0.0.1:{port}/", process, directory / "livekit.log")
        yield LiveKit(f"http://127.0.0.1:{port}", process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def await_answer(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when the server is there."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise AssertionError(f"livekit-server did not start:\n{log.read_text(errors='replace')[-2000:]}")


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
