"""The command beside a satellite that runs: nobody is disturbed; and what scripts and people at terminals get of it."""

import asyncio
import json
import signal
import subprocess
import sys
import time
import wave
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fakes.broker import Broker, Subscriber, subscriber
from tests.fakes.daemon import API_KEY, DATA, ROOT, Daemon, command, emulator, words, write_config
from tests.fakes.losses import device_config
from tests.fakes.tty import tty
from tests.fakes.vcard import VirtualCard

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

BASE = "voice-satellite/sat1"
LABELS: list[dict[str, Any]] = json.loads((DATA / "demo.labels.json").read_text())["sentences"][:2]
SAID = [word for sentence in LABELS for word in words(sentence["text"])]
DRIVERS = Path(__file__).parents[1] / "fakes" / "drivers"
DOCTORED = ("command_error", "backend/doctor/result")
"""What the doctor may be heard on while somebody speaks."""


async def doctor(directory: Path, config: Path, *arguments: str, **environment: str) -> tuple[int, Daemon]:
    """Its exit code, and what it wrote."""
    with command(directory, "doctor", "-c", str(config), *arguments, **environment) as process:
        return await asyncio.to_thread(process.wait), process


def verdicts(report: dict[str, Any]) -> dict[str, str]:
    return {check["id"]: check["verdict"] for check in report["checks"]}


def heard(seen: Subscriber) -> list[str]:
    return words("".join(json.loads(text)["text"] for text in seen.texts(f"{BASE}/transcript")))


def recorded() -> bytes:
    """The sentences, and what follows them for a moment."""
    with wave.open(str(DATA / "demo.wav")) as wav:
        return bytes(wav.readframes(int((LABELS[-1]["end_ms"] + 300) * 16)))


async def test_a_running_satellite_is_told_of_and_not_disturbed(broker: Broker, tmp_path: Path) -> None:
    """It is asked three times while somebody speaks: every word of it arrives, over one connection of each kind."""
    with VirtualCard(tmp_path / "card") as card, emulator(tmp_path / "service") as service:
        config = write_config(
            tmp_path,
            service.base_url,
            broker.port,
            audio={"driver": "alsa", "input": {"device": "vmic"}, "output": {"device": "vspk"}},
        )
        around = {"ALSA_CONFIG_PATH": str(card.conf)}
        async with subscriber(broker.port) as seen:
            with command(tmp_path, "run", "-c", str(config), **around) as daemon:
                await seen.until_text(f"{BASE}/state", "idle")
                card.say(recorded())
                await seen.until_text(f"{BASE}/state", "listening")
                for _ in range(3):
                    code, process = await doctor(tmp_path, config, "--json", **around)
                    report = json.loads(process.log)
                    assert (code, report["satellite"]) == (0, "sat1"), process.log
                    found = verdicts(report)
                    assert (found["microphone"], found["loudspeaker"]) == ("skip", "skip")
                    assert (found["broker"], found["access"], found["voice"]) == ("pass", "pass", "pass")
                    assert found["satellite"] in ("pass", "warn")  # a busy machine may lose audio, and says so
                    assert "online" in process.log
                    assert f"pid {daemon.process.pid}" in process.log
                    assert API_KEY not in process.log
                await seen.until(lambda s: len(heard(s)) >= len(SAID), 40)
                await seen.until_text(f"{BASE}/state", "idle")
                daemon.signal(signal.SIGTERM)
                assert await asyncio.to_thread(daemon.wait) == 0
            assert daemon.log.count("connected to the MQTT broker") == 1
            assert card.played == b""
            code, process = await doctor(tmp_path, config, "--no-tone", **around)
        report = service.stop()
    assert report["violations"] == []
    assert [len(session["connections"]) for session in report["sessions"] if session["connections"]] == [1]
    assert heard(seen) == SAID
    assert seen.texts(f"{BASE}/availability") == ["online", "offline"]
    strange = [one.topic for one in seen.received if "doctor" in one.text or "trial" in one.text]
    assert {topic.removeprefix(f"{BASE}/") for topic in strange if "tentative" not in topic} <= set(DOCTORED)
    assert code == 0
    assert "warn  running satellite" in process.log
    assert "digital silence" in process.log


async def test_a_fault_is_an_exit_code_and_a_mend(tmp_path: Path) -> None:
    config = write_config(tmp_path, "http://127.0.0.1:9", 9, audio={"input": {"device": "null"}})
    code, process = await doctor(tmp_path, config)
    assert code == 1
    lines = process.log.splitlines()
    assert max(map(len, lines)) <= 79
    assert any(line.startswith("fail  voice service") for line in lines)
    assert any(line.startswith("fail  broker") for line in lines)
    assert any("→ check mqtt.host" in line for line in lines)
    assert "\x1b" not in process.log
    assert API_KEY not in process.log
    code, process = await doctor(tmp_path, tmp_path / "none.yaml", "--json")
    assert code == 1
    assert verdicts(json.loads(process.log))["config"] == "fail"


def test_ctrl_c_ends_it_with_a_line(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(device_config("sat1", 9, "alsa", "default", "null")))
    hanging = {"PYTHONPATH": f"{DRIVERS}:{ROOT}", "SCRIPTED_ALSA": json.dumps({"hang": ["open"]})}
    with tty() as terminal:
        process = terminal.start("doctor", "-c", str(path), STATE_DIRECTORY=str(tmp_path), **hanging)
        terminal.wait_for("trying: ")
        time.sleep(1.0)  # the microphone hangs for seven; the others may take as long on a busy machine
        terminal.press("\x03")
        assert terminal.wait_for_end(process) == 130, terminal.seen()
        shown = [line for line in terminal.seen() if line]
        assert shown[-1].endswith("voice-satellite: interrupted before everything was tried")


def test_what_is_asked_of_it_is_plain(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "satellite", "doctor", "--help"], capture_output=True, text=True, check=True, timeout=30
    )
    for option in ("--config", "--json", "--no-tone"):
        assert option in result.stdout
