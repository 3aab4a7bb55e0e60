"""A real Home Assistant on loopback, set up as its user would: an account, a token, MQTT by the config flow."""

import asyncio
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from satellite.adapters.mosquitto import free_port
from tests.fakes.broker import Broker
from tests.fakes.homeassistant_api import POLL_S, WAIT_S, Api, Json, RefusedError

NEEDS = (
    "needs Home Assistant, which scripts/test installs on Debian, or where python3.14 is on the PATH;"
    " or name a virtual environment with it in HOMEASSISTANT"
)
START_WAIT_S = 240.0
"""The first start of all compiles what it loads."""
STOP_WAIT_S = 60.0
CLIENT_ID = "http://127.0.0.1/"
USER, PASSWORD = "owner", "of this home"
CONFIGURATION = """\
homeassistant:
  name: Home
  latitude: 50
  longitude: 8
  elevation: 100
  unit_system: metric
  time_zone: UTC
  country: DE
  currency: EUR
  language: en
  packages: !include_dir_named packages
logger:
  default: warning
automation: !include automations.yaml
script: !include scripts.yaml
scene: !include scenes.yaml
"""
LOG_LINE = re.compile(r"^[\d-]{10} [\d:.]{8,}(?:\+00:00)? ([A-Z]+) \(.*?\) \[([^]]*)\] (.*)$")
NOT_INSTALLED = re.compile(r"(?i:ffmpeg)|libturbojpeg|Skipping pip installation|zlib_ng and isal")
"""What the log says only because no more is installed than is needed."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """An entry of the log; `text` with the trace below it."""

    level: str
    logger: str
    text: str


class HomeAssistant(Api):
    """One installation in `directory`, which may be stopped and started again with all that it knows."""

    def __init__(self, directory: Path, environment: Path) -> None:
        super().__init__(free_port())
        self.directory = directory
        self.environment = environment
        self.process: subprocess.Popen[bytes] | None = None

    def write(self, name: str, text: str) -> None:
        """A file of its configuration, such as `packages/voice.yaml`; read at the next start or reload."""
        file = self.directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    async def start(self) -> None:
        """Start; return when everything is set up."""
        with (self.directory / "output.log").open("ab") as output:
            self.process = subprocess.Popen(
                [self.environment / "bin" / "python", "-m", "homeassistant", "-c", self.directory, "--skip-pip"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
            )
        await self._until_running()

    async def stop(self) -> None:
        """End in order."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """End without a word."""
        await self._end(signal.SIGKILL)

    async def restart(self) -> None:
        """Stop and start, with all that it knows."""
        await self.stop()
        await self.start()

    @property
    def output(self) -> str:
        """Everything that it has logged since it was installed."""
        return (self.directory / "output.log").read_text(errors="replace")

    def complaints(self) -> list[LogLine]:
        """Warnings and worse of the log, in order, but for those about what is not installed here."""
        lines = [line for line in log_lines(self.output) if line.level in ("WARNING", "ERROR", "CRITICAL")]
        return [line for line in lines if not NOT_INSTALLED.search(f"{line.logger} {line.text}")]

    async def until_complaint(self, pattern: str, timeout_s: float = WAIT_S) -> LogLine:
        """The first complaint that matches, once there is one."""
        deadline = time.monotonic() + timeout_s
        while not (found := [line for line in self.complaints() if re.search(pattern, line.text)]):
            assert time.monotonic() < deadline, f"nothing like {pattern!r} in {timeout_s} s: {self.complaints()}"
            await asyncio.sleep(POLL_S)
        return found[0]

    async def add_mqtt(self, **broker: str | int) -> None:
        """Set up MQTT by its form: `broker`, `port`, perhaps `username` and `password`."""
        form = await self.post("/api/config/config_entries/flow", {"handler": "mqtt"})
        answers = filled(form["data_schema"], {"set_client_cert": False, "set_ca_cert": "off", **broker})
        result = await self.post(f"/api/config/config_entries/flow/{form['flow_id']}", answers)
        assert result["type"] == "create_entry", result
        await self._until_mqtt()

    async def _until_running(self) -> None:
        async with asyncio.timeout(START_WAIT_S):
            while await self._state() != "RUNNING":
                assert self.process is not None
                assert self.process.poll() is None, self.output[-3000:]
                await asyncio.sleep(0.1)

    async def _state(self) -> str:
        try:
            if not self.token:
                await self._make_account()
            return str((await self.get("/api/config"))["state"])
        except (OSError, RefusedError):
            return "not there"

    async def _make_account(self) -> None:
        """What the page of the first start does, and a token that lasts."""
        account = {"name": USER, "username": USER, "password": PASSWORD, "client_id": CLIENT_ID, "language": "en"}
        code = (await self.post("/api/onboarding/users", account))["auth_code"]
        asked = {"grant_type": "authorization_code", "code": code, "client_id": CLIENT_ID}
        self.token = (await self.post_form("/auth/token", asked))["access_token"]
        self.token = await self.command("auth/long_lived_access_token", client_name="test", lifespan=365)

    async def _until_mqtt(self) -> None:
        async with asyncio.timeout(START_WAIT_S):
            while [entry["state"] for entry in await self.command("config_entries/get", domain="mqtt")] != ["loaded"]:
                await asyncio.sleep(0.05)

    async def _end(self, how: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            await asyncio.to_thread(process.wait, STOP_WAIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"Home Assistant did not end:\n{self.output[-3000:]}") from None


@asynccontextmanager
async def home_assistant(
    directory: Path, port: int, files: Mapping[str, str] | None = None, **account: str
) -> AsyncIterator[HomeAssistant]:
    """One that is ready, with the broker at this port; skipped, saying what it needs, where there is none."""
    environment = installed()
    if environment is None:
        pytest.skip(NEEDS)
    running = HomeAssistant(directory, environment)
    prepare(running)
    for name, text in (files or {}).items():
        running.write(name, text)
    try:
        await running.start()
        await running.add_mqtt(broker="127.0.0.1", port=port, **account)
        yield running
    finally:
        await running.stop()


async def subscribed(broker: Broker, *topics: str, times: int = 1) -> None:
    """Return when the broker was asked for these topics, half a second after they were announced or later.

    What is sent before that and not retained is lost.
    """
    async with asyncio.timeout(WAIT_S):
        while any(len(re.findall(rf"\t{re.escape(topic)} \(QoS", broker.log)) < times for topic in topics):
            await asyncio.sleep(POLL_S)


def installed() -> Path | None:
    """Where it is: named, or installed by scripts/test; None when there is none."""
    named = os.environ.get("HOMEASSISTANT")
    if named:
        return Path(named)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "voice-satellite"
    found = sorted(stamp.parent for stamp in cache.glob("homeassistant-*/.installed"))
    return found[-1] if found else None


def prepare(installation: HomeAssistant) -> None:
    """The files of an installation whose owner has no account yet, and has answered all other first questions."""
    installation.write("configuration.yaml", CONFIGURATION)
    for name in ("automations.yaml", "scripts.yaml", "scenes.yaml"):
        installation.write(name, "")
    (installation.directory / "packages").mkdir(exist_ok=True)
    store(installation, "onboarding", 4, {"done": ["core_config", "analytics", "integration"]})
    store(installation, "core.network", 1, {"configured_adapters": ["lo"]})
    server = {"server_host": ["127.0.0.1"], "server_port": installation.port}
    if not any(installation.environment.glob("lib/*/site-packages/homeassistant/components/http/config.py")):
        installation.write("configuration.yaml", CONFIGURATION + json.dumps({"http": server})[1:-1] + "\n")
        return
    stable = server | {
        "cors_allowed_origins": [],
        "login_attempts_threshold": -1,
        "ip_ban_enabled": False,
        "ssl_profile": "intermediate_v6",
        "use_x_frame_options": True,
        "created_at": "2026-01-01T00:00:00+00:00",
        "error": None,
        "error_message": None,
    }
    store(installation, "http", 3, {"stable": stable, "pending": None, "yaml_migration_done": True})


def store(installation: HomeAssistant, key: str, version: int, data: Json) -> None:
    """A file of what the user interface keeps."""
    kept = {"version": version, "minor_version": 1, "key": key, "data": data}
    installation.write(f".storage/{key}", json.dumps(kept))


def filled(fields: list[Json], answers: Mapping[str, Any]) -> Json:
    """A form of a config flow, filled in: our answers, else what it suggests where something must stand."""
    data: Json = {}
    for field in fields:
        name = field["name"]
        if field.get("type") == "expandable":
            data[name] = filled(field["schema"], answers)
        elif name in answers:
            data[name] = answers[name]
        elif field.get("required") and "default" in field:
            data[name] = field["default"]
    return data


def log_lines(text: str) -> list[LogLine]:
    """A log, cut into its entries."""
    entries: list[list[str]] = []
    for line in text.splitlines():
        if match := LOG_LINE.match(line):
            entries.append(list(match.groups()))
        elif entries:
            entries[-1][2] += f"\n{line}"
    return [LogLine(*entry) for entry in entries]
