"""`voice-satellite demo`: the whole main job on loopback, with the real daemon, a real broker and a real recording."""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
from pathlib import Path

import yaml

from satellite.adapters.mosquitto import PrivateBroker
from satellite.cli import COMMANDS, EXIT_FAULT, EXIT_OK, Subparsers
from satellite.cli.emulator import demo_files
from satellite.cli.screen import Screen
from satellite.emulator.deepl import DeepLEmulator
from satellite.emulator.settings import EmulatorSettings
from satellite.homeassistant.topics import Topics

SATELLITE_ID = "demo"
TARGET = "de"
ENDS_WITHIN_S = 55.0
STOPS_WITHIN_S = 10.0
WATCH_RETRY_S = 0.05


def add_parser(subparsers: Subparsers) -> None:
    """Arguments of `demo`."""
    parser = subparsers.add_parser(
        "demo",
        help=COMMANDS["demo"],
        description="Runs the satellite on a bundled recording against an emulated voice service and a private"
        " mosquitto, and shows the MQTT messages as they come. Ends by itself in under a minute.",
        epilog="Exit code 0 when transcript, translation and speech all came through.",
    )
    parser.add_argument("--backend", choices=["deepl"], default="deepl", help="voice service to emulate")
    parser.add_argument("--keep", metavar="DIR", type=Path, help="where the speech file goes (default: a new one)")


def run(args: argparse.Namespace) -> int:
    """Show the main job."""
    directory = args.keep or Path(tempfile.mkdtemp(prefix="voice-satellite-demo-"))
    directory.mkdir(parents=True, exist_ok=True)
    return asyncio.run(_Demo(directory).run())


class _Demo:
    """One demonstration; its files go to one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._speech = directory / "speech.wav"
        self._log = directory / "satellite.log"
        self._screen = Screen(Topics("voice-satellite", SATELLITE_ID))

    async def run(self) -> int:
        """Broker, voice service, daemon, watcher; the exit code."""
        recording, labels = demo_files()
        settings = EmulatorSettings(recording=recording, labels=labels)
        async with PrivateBroker() as broker, DeepLEmulator(settings) as service:
            config = self._write_config(recording, broker.port, service)
            self._screen.opening(recording, broker.port)
            code = await self._watch_daemon(config, broker.port)
            violations = len(service.violations)
        return self._conclude(code, violations)

    def _write_config(self, recording: Path, broker_port: int, service: DeepLEmulator) -> Path:
        """What a user would write, with the emulator's address."""
        config = {
            "satellite": {"id": SATELLITE_ID},
            "audio": {
                "input": {"device": f"file:{recording}"},
                "output": {"device": f"file:{self._speech}"},
                "duplex": "simultaneous",  # a recording does not hear the loudspeaker
            },
            "voice": {
                "source_language": "en",
                "target_languages": [TARGET],
                "speech_language": TARGET,
                "deepl": {"api_key": service.api_key, "base_url": service.base_url},
            },
            "mqtt": {"port": broker_port},
        }
        path = self._directory / "config.yaml"
        path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        return path

    async def _watch_daemon(self, config: Path, broker_port: int) -> int | None:
        """The daemon's exit code, None when it had to be ended."""
        watching = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            watcher = group.create_task(self._watch(broker_port, watching), name="demo.watch")
            await watching.wait()
            code = await self._run_daemon(config)
            await asyncio.sleep(WATCH_RETRY_S)  # the last messages are on their way
            watcher.cancel()
        return code

    async def _run_daemon(self, config: Path) -> int | None:
        environment = {**os.environ, "STATE_DIRECTORY": str(self._directory)}
        with self._log.open("wb") as log:
            daemon = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "satellite", "run", "-c", str(config)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,  # Ctrl-C is for us; the daemon is then asked to stop in order
            )
        try:
            async with asyncio.timeout(ENDS_WITHIN_S):
                return await daemon.wait()
        except TimeoutError:
            return None
        finally:
            await _end(daemon)

    async def _watch(self, broker_port: int, watching: asyncio.Event) -> None:
        """Show every message below the satellite's topic."""
        import aiomqtt  # noqa: PLC0415 - loaded only when used

        async with aiomqtt.Client("127.0.0.1", broker_port) as client:
            await client.subscribe(f"voice-satellite/{SATELLITE_ID}/#", qos=1)
            watching.set()
            async for message in client.messages:
                self._screen.show(str(message.topic), bytes(message.payload))

    def _conclude(self, code: int | None, violations: int) -> int:
        if code == 0 and self._screen.summary(self._speech, violations):
            return EXIT_OK
        if code is None:
            self._screen.say(f"The satellite did not end within {ENDS_WITHIN_S:.0f} s.")
        elif code:
            self._screen.say(f"The satellite ended with exit code {code}.")
        self._screen.say(f"Its log: {self._log}")
        return EXIT_FAULT


async def _end(daemon: asyncio.subprocess.Process) -> None:
    """Ask the daemon to stop, and make it when it does not."""
    if daemon.returncode is not None:
        return
    daemon.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOPS_WITHIN_S):
            await daemon.wait()
    except TimeoutError:
        daemon.kill()
        await daemon.wait()
