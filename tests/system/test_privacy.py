"""What the running daemon tells of what it knows: nothing said and no secret gets to where it does not belong."""

import asyncio
import base64
import functools
import json
import re
import signal
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.broker import Broker, BrokerOptions, Subscriber, subscriber
from tests.fakes.daemon import API_KEY, DATA, Daemon, command, emulator, program, write_config
from tests.fakes.parrot import TOKEN, Parrot

pytestmark = pytest.mark.slow

BASE = "voice-satellite/sat1"
PASSWORD = "password-of-the-broker-89"
LABELS: list[dict[str, Any]] = json.loads((DATA / "demo.labels.json").read_text())["sentences"]
SAID = {word["text"].strip(".,?!").lower() for sentence in LABELS for word in sentence["words"]}
CODE = {"close", "please"}
"""Words of the recording that a trace may well have of its own."""
CANARIES = {word for word in SAID if len(word) >= 5} - CODE
SECRETS = (API_KEY, PASSWORD, TOKEN)
SPOKEN_TOPICS = ("transcript", "translation", "utterance", "speech")
"""Where what was said belongs."""


def indiscretions(text: str) -> list[str]:
    """Secrets, in any usual spelling, and words of the recording."""
    found = [secret for secret in SECRETS for spelling in spellings(secret) if spelling in text]
    return found + sorted(word for word in CANARIES if re.search(rf"\b{word}\b", text, re.IGNORECASE))


def spellings(secret: str) -> tuple[str, ...]:
    return secret, base64.b64encode(secret.encode()).decode().rstrip("="), secret.encode().hex(), secret[::-1]


def told_aside(seen: Subscriber) -> str:
    """All that was published, but for what was said."""
    below = [one for one in seen.received if one.topic.startswith(f"{BASE}/")]
    aside = [one for one in below if not one.topic.removeprefix(f"{BASE}/").startswith(SPOKEN_TOPICS)]
    assert {one.topic.rpartition("/")[2] for one in aside} >= {"health", "state", "problem", "session", "settings"}
    return "\n".join(f"{one.topic} {one.text}" for one in aside)


def in_view(daemon: Daemon) -> str:
    """What `ps` shows of the daemon, to whom it may."""
    process = Path(f"/proc/{daemon.process.pid}")
    return (process / "cmdline").read_text() + (process / "environ").read_text()


def recording(directory: Path, seconds: int) -> dict[str, Any]:
    """The demo recording, over and over, as the microphone."""
    with wave.open(str(DATA / "demo.wav")) as wav:
        parameters, frames = wav.getparams(), wav.readframes(wav.getnframes())
    path = directory / "recording.wav"
    with wave.open(str(path), "wb") as wav:
        wav.setparams(parameters)
        wav.writeframes((frames * 10)[: seconds * 32_000])
    return {"input": {"device": f"file:{path}"}}


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Broker]:
    """A broker that wants a password."""
    with Broker(tmp_path / "guarded", BrokerOptions(users={"sat1": PASSWORD, "watcher": "w"})) as running:
        yield running


def login() -> dict[str, str]:
    return {"username": "sat1", "password": PASSWORD}


async def test_a_service_that_repeats_secrets_is_not_quoted(guarded: Broker, tmp_path: Path) -> None:
    """It echoes key and token in bodies, headers, addresses, error messages and endings, and cuts in mid-answer."""
    parrot = Parrot()
    async with parrot.serving() as address, subscriber(guarded.port, username="watcher", password="w") as seen:
        config = write_config(
            tmp_path,
            address,
            guarded.port,
            audio=recording(tmp_path, 60),
            voice={"deepl": {"message_format": "json"}},
            mqtt=login(),
        )
        with program(tmp_path, "tests.fakes.indiscreet", "run", "-c", str(config)) as daemon:
            await seen.until_text(f"{BASE}/availability", "online")
            await seen.send(f"{BASE}/set/play", f"/etc/{'x' * 3000}")
            for asked in range(1, len(parrot.answers)):
                await seen.until(functools.partial(has_failed, asked), 30)
                await seen.send(f"{BASE}/set/restart_session", "")  # else it would wait for longer and longer
            await seen.until_text(f"{BASE}/state", "parked", 30)
            visible = in_view(daemon)
            daemon.signal(signal.SIGTERM)
            assert await asyncio.to_thread(daemon.wait, 20) == 0
        await seen.until_text(f"{BASE}/availability", "offline")
    assert parrot.streams >= 3
    assert "a word from" in daemon.log, "the libraries had nothing to say"
    assert indiscretions(daemon.log) == []
    assert indiscretions(told_aside(seen)) == []
    assert indiscretions(visible) == []


def has_failed(times: int, seen: Subscriber) -> bool:
    return sum('"event":"failed"' in text for text in seen.texts(f"{BASE}/session")) >= times


async def test_faults_of_every_kind_tell_nothing_of_what_was_said(guarded: Broker, tmp_path: Path) -> None:
    """The link is cut, answers are garbage, the service ends sessions; speech goes on."""
    faults = (
        *("http:status=503,on=POST", "cut:after_chunks=20,how=rst"),
        *("error:status=500,after_chunks=50,skip=1", "garbage:what=not_json,after_chunks=30,skip=3"),
    )
    options = [part for fault in faults for part in ("--fault", fault)]
    with emulator(tmp_path / "service", *options) as service:
        config = write_config(
            tmp_path,
            service.base_url,
            guarded.port,
            audio=recording(tmp_path, 9),
            voice={"speech_language": "de"},
            mqtt=login(),
        )
        async with subscriber(guarded.port, username="watcher", password="w") as seen:
            with program(tmp_path, "tests.fakes.indiscreet", "run", "-c", str(config)) as daemon:
                await asyncio.to_thread(daemon.wait, 90)
            await seen.until_text(f"{BASE}/availability", "offline")
    assert daemon.exit_code == 0
    assert len(seen.texts(f"{BASE}/transcript")) >= 2, "nothing was heard, nothing was tried"
    events = {json.loads(text)["event"] for text in seen.texts(f"{BASE}/session")}
    assert events >= {"opened", "resumed", "lost", "failed"}
    assert indiscretions(daemon.log) == []
    assert indiscretions(told_aside(seen)) == []


async def test_a_crash_tells_where_and_not_what(guarded: Broker, tmp_path: Path) -> None:
    """The bug's exceptions quote the transcript, the environment and more."""
    with emulator(tmp_path / "service") as service:
        config = write_config(
            tmp_path, service.base_url, guarded.port, voice={"deepl": {"api_key": "!env_var VOICE_KEY"}}, mqtt=login()
        )
        config.write_text(config.read_text().replace("'!env_var VOICE_KEY'", "!env_var VOICE_KEY"))
        async with subscriber(guarded.port, username="watcher", password="w") as seen:
            arguments = ("tests.fakes.indiscreet", "--falls", "run", "-c", str(config))
            with program(tmp_path, *arguments, VOICE_KEY=API_KEY) as daemon:
                assert await asyncio.to_thread(daemon.wait, 60) == 1
            await seen.until_text(f"{BASE}/availability", "offline")
    assert "in updated" in daemon.log
    assert "ValueError: (" in daemon.log
    assert "KeyError: (" in daemon.log
    assert indiscretions(daemon.log) == []


@pytest.mark.parametrize("arguments", [("check",), ("config", "show")], ids=" ".join)
def test_commands_show_no_secret(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Neither of a configuration that is right, nor of one with secrets in every wrong place."""
    config = write_config(tmp_path, "https://api.deepl.com", 1883, mqtt=login())
    (tmp_path / "wrong.yaml").write_text(
        f"voice: {{deepl: {API_KEY}, backend: {{api_key: {API_KEY}}}}}\n"
        f"mqtt: {{password: [{PASSWORD}], username: {{{PASSWORD}: 1}}, port: !secret nothing}}\n"
    )
    for path, code in ((config, 0), (tmp_path / "wrong.yaml", 78)):
        with command(tmp_path, *arguments, "-c", str(path)) as ran:
            assert ran.wait() == code, ran.log
        assert indiscretions(ran.log) == []
