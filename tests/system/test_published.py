"""Everything that is published was promised, and everything that is promised is published."""

import asyncio
import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.broker import Broker, Subscriber, subscriber
from tests.fakes.daemon import DATA, ROOT, command, emulator, write_config
from tests.fakes.promised import SCHEMAS, Promises, index

pytestmark = pytest.mark.slow

KITCHEN = "voice-satellite/kitchen"
PAGE = (ROOT / "docs" / "mqtt.md").read_text(encoding="utf-8")
ACTION = ("config", '{"terminology":{"en":[{"term":"Zigbee"}]}}')


def bodies(seen: Subscriber, topic: str) -> list[dict[str, Any]]:
    return [json.loads(text) for text in seen.texts(topic)]


@contextmanager
def kitchen(directory: Path, broker: Broker, device: str) -> Iterator[Path]:
    """The configuration of a satellite with all that can be published, and its emulated service."""
    with emulator(directory / "service", "--backend", "vurbo") as service:
        yield write_config(
            directory,
            "http://127.0.0.1:9",
            broker.port,
            satellite={"id": "kitchen"},
            audio={
                "input": {"device": device},
                "output": {"play_from": ["/usr/share/sounds"]},
                "duplex": "simultaneous",
            },
            voice={"backend": "vurbo", "deepl": None, "vurbo": service.options, "speech_language": "de"},
        )


@asynccontextmanager
async def a_satellite_that_is_refused(directory: Path, broker: Broker) -> AsyncIterator[None]:
    """The attic hears the recording as well and has a wrong key: a session that fails, and a problem."""
    directory.mkdir()
    with emulator(directory / "service") as service:
        config = write_config(
            directory,
            service.base_url,
            broker.port,
            satellite={"id": "attic"},
            voice={"deepl": {"api_key": "another-key-9876"}},
        )
        with command(directory, "run", "-c", str(config)) as daemon:
            yield
            assert await asyncio.to_thread(daemon.wait, 60) == 0


async def test_every_schema_is_met_by_real_messages(broker: Broker, tmp_path: Path, promises: Promises) -> None:
    """That each message fits is judged by the fixture; here, that nothing is promised and never comes."""
    with kitchen(tmp_path, broker, f"file:{DATA / 'demo.wav'}") as config:
        async with subscriber(broker.port) as seen, a_satellite_that_is_refused(tmp_path / "attic", broker):
            with command(tmp_path, "run", "-c", str(config)) as daemon:
                await seen.until(lambda s: bool(s.on(f"{KITCHEN}/settings")), 30)
                await seen.send(f"{KITCHEN}/set/volume", "loud")
                await seen.send(f"{KITCHEN}/set/backend/{ACTION[0]}", ACTION[1])
                assert await asyncio.to_thread(daemon.wait, 60) == 0
            await seen.until_text(f"{KITCHEN}/availability", "offline")
            await seen.until_text("voice-satellite/attic/availability", "offline", 60)
    assert promises.used == {path.name for path in SCHEMAS.glob("*.schema.json")}
    assert {body["active"] for body in bodies(seen, "voice-satellite/attic/problem")} == {True, False}
    assert {"opened", "closed"} <= {body["event"] for body in bodies(seen, f"{KITCHEN}/session")}
    assert {"started", "finished"} <= {body["event"] for body in bodies(seen, f"{KITCHEN}/speech")}
    assert {body["event"] for body in bodies(seen, "voice-satellite/attic/session")} == {"failed"}
    _assert_delivery_is_as_told(seen)
    async with subscriber(broker.port, f"{KITCHEN}/#") as late:
        await late.until(lambda s: len(s.received) == len(_told("always")))
    assert {message.topic.removeprefix(f"{KITCHEN}/") for message in late.received} == _told("always")


def _told(retained: str) -> set[str]:
    return {entry["topic"] for entry in index() if entry["retained"] == retained}


def _assert_delivery_is_as_told(seen: Subscriber) -> None:
    for message in seen.received:
        name = message.topic.split("/", 2)[2]
        for entry in index():
            if entry["pattern"].fullmatch(name):
                assert message.qos == entry["qos"], message.topic


# --- lines of docs/mqtt.md --------------------------------------------------------------------------------------


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def lines(title: str) -> list[str]:
    """The lines of shell below a heading."""
    found = re.findall(r"^```sh\n(.*?)^```", section(title), re.MULTILINE | re.DOTALL)
    return "".join(found).splitlines()


def here(line: str, broker: Broker) -> str:
    """The line for the broker of this test."""
    return re.sub(r"\b(mosquitto_(?:sub|pub|rr))", rf"\1 -p {broker.port}", line)


async def test_commands_that_are_shown_are_obeyed(broker: Broker, tmp_path: Path) -> None:
    """One after the other, as they stand on the page; the last restarts the program."""
    shown = lines("Commands")
    *orders, restart = shown
    assert restart.split()[2] == "voice-satellite/all/set/restart"
    with kitchen(tmp_path, broker, "null") as config:
        async with subscriber(broker.port) as seen:
            with command(tmp_path, "run", "-c", str(config)) as daemon:
                await seen.until(lambda s: bool(s.on(f"{KITCHEN}/health")), 30)
                for line in orders:
                    await asyncio.to_thread(subprocess.run, shlex.split(here(line, broker)), check=True)
                    await asyncio.sleep(0.3)  # what changes twice is to be seen twice
                await seen.until(lambda s: bodies(s, f"{KITCHEN}/settings")[-1]["volume"] == 40)
                await asyncio.to_thread(subprocess.run, shlex.split(here(restart, broker)), check=True)
                await seen.until(lambda s: s.texts(f"{KITCHEN}/availability")[-2:] == ["offline", "online"], 30)
                daemon.signal(signal.SIGTERM)
                assert await asyncio.to_thread(daemon.wait, 20) == 0
    assert seen.texts(f"{KITCHEN}/command_error") == []
    confirmed = bodies(seen, f"{KITCHEN}/settings")
    assert [body["ok"] for body in bodies(seen, f"{KITCHEN}/backend/config/result")] == [True]
    assert {body["volume"] for body in confirmed} == {80, 35, 40}
    assert {tuple(body["target_languages"]) for body in confirmed} == {("de",), ("de", "fr")}
    assert {body["speech_language"] for body in confirmed} == {"de", None}
    assert {"muted", "listening", "speaking", "idle"} <= set(seen.texts(f"{KITCHEN}/state"))


PROBLEM = '{"active":true,"code":"microphone","message":"it is gone","hint":null,"since":"2026-11-21T14:03:07.120Z"}'


async def test_lines_that_listen_hear_something(broker: Broker, tmp_path: Path) -> None:
    """Each line of the page is started as it stands, beside a satellite that hears the recording."""
    shown = lines("From the command line")
    assert len(shown) >= 7
    with kitchen(tmp_path, broker, f"file:{DATA / 'demo.wav'}") as config:
        async with subscriber(broker.port) as seen:
            with command(tmp_path, "run", "-c", str(config)) as daemon:
                await seen.until(lambda s: bool(s.on(f"{KITCHEN}/settings")), 30)
                # a problem that is still there when the lines look for one
                await seen.send("voice-satellite/attic/problem", PROBLEM, retain=True)
                running = [await _started(here(line, broker)) for line in shown]
                assert await asyncio.to_thread(daemon.wait, 60) == 0
            heard = {line: await _ended(process) for line, process in zip(shown, running, strict=True)}
    assert [line for line, text in heard.items() if not text] == []
    said = " ".join(heard.values())
    assert "Good morning, the kitchen light is on." in heard[shown[0]]
    assert re.search(r"^2\d{3}-.*Z kitchen: Good morning", heard[shown[1]], re.MULTILINE)
    assert "voice-satellite/kitchen/availability online" in said
    assert '"code":"microphone"' in said
    assert "80" in said.split()
    assert '"action":"config","ok":true' in said


async def _started(line: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_shell(
        line, stdout=asyncio.subprocess.PIPE, executable="/bin/bash", start_new_session=True
    )


async def _ended(process: asyncio.subprocess.Process) -> str:
    """What a line wrote; those that listen on and on are stopped, as by Ctrl-C."""
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGINT)
    output, _ = await asyncio.wait_for(process.communicate(), 10)
    return output.decode()
