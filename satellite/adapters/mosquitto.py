"""PrivateBroker: a mosquitto of our own on loopback, for the demo and for tests."""

import asyncio
import contextlib
import os
import shutil
import socket
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from satellite.errors import BrokerError, ErrorCategory

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 3.0
PORT_TRIES = 5
POLL_S = 0.02


def mosquitto_path() -> str:
    """Where the broker's program is. Raises BrokerError naming the package when it is missing."""
    # Debian puts it where only root's PATH looks.
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin")
    if found is None:
        raise BrokerError(
            ErrorCategory.INVALID_REQUEST, "mosquitto is not installed; install it: apt install mosquitto"
        )
    return found


def free_port() -> int:
    """A TCP port on loopback that nobody used a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class PrivateBroker:
    """Runs while its context is open; anybody on this machine may connect to `port` on 127.0.0.1."""

    def __init__(self) -> None:
        self.port = 0
        self._process: asyncio.subprocess.Process | None = None
        self._directory = tempfile.TemporaryDirectory(prefix="voice-satellite-broker-", ignore_cleanup_errors=True)

    async def __aenter__(self) -> Self:
        """Start it and wait until it accepts connections. Raises BrokerError."""
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it and remove its files."""
        await self._stop()

    async def _start(self) -> None:
        program = mosquitto_path()
        for _ in range(PORT_TRIES):
            self.port = free_port()
            if await self._start_on_port(program):
                return
        raise BrokerError(ErrorCategory.SERVER, f"mosquitto does not start: {self._last_words()}")

    async def _start_on_port(self, program: str) -> bool:
        """Start it; False when it ended at once, which it does when somebody else was faster to the port."""
        with self._log.open("wb") as output:
            process = self._process = await asyncio.create_subprocess_exec(
                *(program, "-c", str(self._config())),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for its owner, who ends it in order
            )
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while process.returncode is None:
                    if await _accepts(self.port):
                        return True
                    await asyncio.sleep(POLL_S)
        except TimeoutError as error:
            raise BrokerError(ErrorCategory.SERVER, f"mosquitto does not answer: {self._last_words()}") from error
        return False

    def _config(self) -> Path:
        config = Path(self._directory.name, "mosquitto.conf")
        config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
        return config

    async def _stop(self) -> None:
        process = self._process
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        self._directory.cleanup()

    @property
    def _log(self) -> Path:
        return Path(self._directory.name, "mosquitto.log")

    def _last_words(self) -> str:
        """The last line of its log, for people."""
        lines = self._log.read_text(errors="replace").split("\n") if self._log.exists() else []
        return next((line for line in reversed(lines) if line.strip()), "it says nothing")[:200]


async def _accepts(port: int) -> bool:
    """True when somebody listens on the port."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True
