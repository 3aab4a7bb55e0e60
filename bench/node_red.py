"""The flow in config/node-red in a real Node-RED: what is said becomes a notification, and a button mutes.

    npm install --prefix DIR node-red
    python -m bench.node_red --node-red DIR

Node-RED runs without a display, with the flow as it is in the repository but for the broker's port, beside an emulated
service and a daemon that hears the recording. Exit code 1 when a notification is missing or wrong, when the button does
not mute, or when Node-RED complains.
"""

import argparse
import asyncio
import contextlib
import json
import re
import signal
import sys
import tempfile
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from satellite.adapters.mosquitto import free_port
from tests.fakes.broker import Broker, Subscriber, subscriber
from tests.fakes.daemon import DATA, ROOT, Emulator, command, emulator, words, write_config

FLOW = ROOT / "config" / "node-red" / "notify-and-mute.json"
KITCHEN = "voice-satellite/kitchen"
LABELS: list[dict[str, Any]] = json.loads((DATA / "demo.labels.json").read_text())["sentences"]
STARTS_WITHIN_S = 60.0
ENDS_WITHIN_S = 90.0
COMPLAINTS = re.compile(r"\[error\].*|\[warn\] \[.*")
"""Of nodes; what Node-RED warns of by itself at a first start is none of ours."""


class NodeRed:
    """One Node-RED and everything that it wrote."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self._port = port
        self.log = ""

    async def read(self) -> None:
        """Keep what it writes, until it ends."""
        assert self._process.stdout is not None
        while piece := await self._process.stdout.read(4096):
            self.log += piece.decode(errors="replace")

    async def until(self, text: str, timeout_s: float) -> None:
        """Wait until it has written this. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while text not in self.log:
                await asyncio.sleep(0.1)

    def press(self, node: str) -> None:
        """The button of an inject node."""
        request = urllib.request.Request(f"http://127.0.0.1:{self._port}/inject/{node}", method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200


@contextlib.asynccontextmanager
async def node_red(installed: Path, directory: Path, broker_port: int) -> AsyncIterator[NodeRed]:
    """It runs our flow, with user files of its own."""
    flow = json.loads(FLOW.read_text(encoding="utf-8"))
    for node in flow:
        if node["type"] == "mqtt-broker":
            node["port"] = broker_port
    (directory / "flow.json").write_text(json.dumps(flow))
    port = free_port()
    program = installed / "node_modules" / "node-red" / "red.js"
    arguments = ["--userDir", str(directory), "--port", str(port), "-D", "uiHost=127.0.0.1", "flow.json"]
    process = await asyncio.create_subprocess_exec(
        *("node", str(program), *arguments),
        cwd=directory,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    running = NodeRed(process, port)
    try:
        async with asyncio.TaskGroup() as group:
            reader = group.create_task(running.read())
            try:
                await running.until("Connected to broker", STARTS_WITHIN_S)
                yield running
            finally:
                process.terminate()
                await process.wait()
                await reader
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def button(red: NodeRed, seen: Subscriber) -> None:
    """Mute and unmute by the buttons of the flow, as confirmed by the satellite."""
    for node, is_muted in (("satellite-mute", True), ("satellite-unmute", False)):
        await asyncio.to_thread(red.press, node)
        await seen.until(partial(_is_confirmed, is_muted))
        print(f"{node}: the satellite confirms mute {is_muted}")


def _is_confirmed(is_muted: bool, seen: Subscriber) -> bool:
    mute: bool = json.loads(seen.texts(f"{KITCHEN}/settings")[-1])["mute"]
    return mute is is_muted


def faults(red: NodeRed) -> list[str]:
    """What a person would miss or read wrongly."""
    heard = words(red.log)
    missing = [label["text"] for label in LABELS if " ".join(words(label["text"])) not in " ".join(heard)]
    wanted = ("topic: 'kitchen'", "topic: 'attic'", "The satellite is gone.", "de: ", "api_key")
    complaints = COMPLAINTS.findall(red.log)
    return [*missing, *(text for text in wanted if text not in red.log), *complaints]


@dataclass(frozen=True)
class Place:
    """Where a trial keeps its files, and whom it talks to."""

    directory: Path
    broker: Broker
    service: Emulator

    def config(self, satellite_id: str, device: str, **options: Any) -> Path:
        """A satellite with a directory of its own."""
        directory = self.directory / f"{satellite_id}-{device[:4]}"
        directory.mkdir()
        return write_config(
            directory,
            self.service.base_url,
            self.broker.port,
            satellite={"id": satellite_id},
            audio={"input": {"device": device}, "duplex": "simultaneous"},
            voice={"deepl": options},
        )


async def hear(red: NodeRed, seen: Subscriber, place: Place) -> None:
    """A silent satellite that is muted; then one that hears the recording, and one with a wrong key beside it."""
    silent = place.config("kitchen", "null")
    with command(silent.parent, "run", "-c", str(silent)) as daemon:
        await seen.until(lambda s: bool(s.on(f"{KITCHEN}/settings")), STARTS_WITHIN_S)
        await button(red, seen)
        daemon.signal(signal.SIGTERM)
        await asyncio.to_thread(daemon.wait)
    recording = f"file:{DATA / 'demo.wav'}"
    good, refused = place.config("kitchen", recording), place.config("attic", recording, api_key="another-key-9876")
    with (
        command(good.parent, "run", "-c", str(good)) as daemon,
        command(refused.parent, "run", "-c", str(refused)) as parked,
    ):
        await asyncio.to_thread(daemon.wait, ENDS_WITHIN_S)
        await asyncio.to_thread(parked.wait, ENDS_WITHIN_S)


async def trial(installed: Path, directory: Path) -> int:
    """The exit code."""
    with Broker(directory / "broker") as broker, emulator(directory / "service") as service:
        async with subscriber(broker.port) as seen, node_red(installed, directory, broker.port) as red:
            await hear(red, seen, Place(directory, broker, service))
            with contextlib.suppress(TimeoutError):
                await red.until("topic: 'attic',\n  payload: 'The satellite is gone.'", 10.0)
    print(red.log)
    found = faults(red)
    print("\n".join(["It does not work:", *found]) if found else f"{len(LABELS)} sentences became notifications")
    return 1 if found else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--node-red", metavar="DIR", type=Path, required=True, help="where npm installed it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        return asyncio.run(trial(options.node_red, Path(directory)))


if __name__ == "__main__":
    sys.exit(main())
