"""Clocks that are set while the daemon runs. bench/pauses.py has it sleep."""

import asyncio
import json
import time
import wave
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.broker import Broker, BrokerOptions, Subscriber, make_certificates, subscriber
from tests.fakes.daemon import DATA, command, emulator, unix_s, words, write_config
from tests.fakes.wall_clock import WallClock

pytestmark = pytest.mark.slow

BASE = "voice-satellite/sat1"
LABELS: list[dict[str, Any]] = json.loads((DATA / "demo.labels.json").read_text())["sentences"]
SENTENCES = 3
DAY_S = 86_400
MID_SENTENCE_S = 0.5
YEARS_S = -56 * 365 * DAY_S
"""A board without a battery, before it has asked for the time."""
SET_TO_S = (0, -3 * 3600, 40 * DAY_S)
"""What the clock is set to, in the middle of one sentence after the other."""


def recording(directory: Path) -> Path:
    """The first sentences of the demonstration."""
    path = directory / "said.wav"
    with wave.open(str(DATA / "demo.wav")) as source, wave.open(str(path), "wb") as target:
        target.setparams(source.getparams())
        target.writeframes(source.readframes(int((LABELS[SENTENCES - 1]["end_ms"] + 1200) * 16)))
    return path


def bodies(seen: Subscriber, name: str) -> list[dict[str, Any]]:
    return [json.loads(text) for text in seen.texts(f"{BASE}/{name}")]


def ahead_s(body: dict[str, Any], key: str, true_start_s: float) -> float:
    """How far a time is ahead of the true one, as far as that can be known: the recording is short."""
    return unix_s(body[key]) - true_start_s


async def set_in_mid_sentence(clock: WallClock, seen: Subscriber) -> None:
    """Set the clock after each sentence has begun."""
    left = list(SET_TO_S)

    def has_begun(_: Subscriber) -> bool:
        return seen.texts(f"{BASE}/state").count("listening") > len(SET_TO_S) - len(left)

    while left:
        await seen.until(has_begun, 40)
        await asyncio.sleep(MID_SENTENCE_S)
        clock.set(left.pop(0))


async def test_a_clock_that_is_set_breaks_nothing_and_shows_once(broker: Broker, tmp_path: Path) -> None:
    clock = WallClock(tmp_path)
    clock.set(YEARS_S)
    with emulator(tmp_path / "service") as service:
        microphone = {"input": {"device": f"file:{recording(tmp_path)}"}}
        config = write_config(tmp_path, service.base_url, broker.port, audio=microphone)
        async with subscriber(broker.port) as seen:
            with command(tmp_path, "run", "-c", str(config), **clock.environment) as daemon:
                await seen.until_text(f"{BASE}/state", "idle", 30)
                began_s = time.time()
                await set_in_mid_sentence(clock, seen)
                assert await asyncio.to_thread(daemon.wait, 60) == 0
            await seen.until_text(f"{BASE}/availability", "offline")
        report = service.stop()
    assert report["violations"] == []
    segments, utterances = bodies(seen, "transcript"), bodies(seen, "utterance")
    said = words(" ".join(body["text"] for body in segments))
    assert said == words(" ".join(sentence["text"] for sentence in LABELS[:SENTENCES]))
    assert all(body["complete"] and not body["lost_ms"] for body in utterances)
    for body in (*segments, *utterances):
        assert 0 <= unix_s(body["end"]) - unix_s(body["start"]) < 10
    eras = (YEARS_S, *SET_TO_S)
    told = [min(eras, key=lambda era: abs(ahead_s(body, "start", began_s) - era)) for body in segments]
    for body, era in zip(segments, told, strict=True):
        assert abs(ahead_s(body, "start", began_s) - era) < 60, "one of the clocks there were"
    changes = [after for before, after in pairwise(told) if before != after]
    assert tuple(changes) == SET_TO_S[:-1], "each is seen once, in turn, by the sentence after it"


def test_a_certificate_that_is_not_valid_yet_is_waited_for(tmp_path: Path) -> None:
    clock = WallClock(tmp_path)
    clock.set(YEARS_S)
    make_certificates(tmp_path / "broker")
    with Broker(tmp_path / "broker", BrokerOptions(tls=True)) as broker:
        tls = {"ca_file": str(tmp_path / "broker" / "ca.crt")}
        config = {
            "satellite": {"id": "sat1"},
            "audio": {"input": {"device": "null"}, "output": {"device": "null"}},
            "voice": {"backend": "loopback"},
            "mqtt": {"host": "localhost", "port": broker.port, "tls": tls},
        }
        (tmp_path / "config.yaml").write_text(json.dumps(config))
        with command(tmp_path, "run", "-c", "config.yaml", **clock.environment) as daemon:
            daemon.wait_for("check this machine's clock (timedatectl), which says 19")
            clock.set(0)
            daemon.wait_for("connected to the MQTT broker")
            assert "Traceback" not in daemon.log
