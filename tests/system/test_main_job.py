"""The whole daemon as its users run it: a recording in, MQTT messages out, and an end in order."""

import asyncio
import json
import re
import signal
import time
import wave
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.broker import Broker, Subscriber, subscriber
from tests.fakes.daemon import API_KEY, DATA, Emulator, command, emulator, unix_s, words, write_config

pytestmark = pytest.mark.slow

BASE = "voice-satellite/sat1"
LABELS: list[dict[str, Any]] = json.loads((DATA / "demo.labels.json").read_text())["sentences"]
SAID = words(" ".join(sentence["text"] for sentence in LABELS))
SIMULTANEOUS = {"duplex": "simultaneous"}


def bodies(seen: Subscriber, name: str) -> list[dict[str, Any]]:
    return [json.loads(text) for text in seen.texts(f"{BASE}/{name}")]


def said(seen: Subscriber, name: str = "transcript") -> list[str]:
    return words(" ".join(body["text"] for body in bodies(seen, name)))


def assert_no_secrets(log: str, service: Emulator) -> None:
    """Neither keys, tokens, URLs with a token nor what was said are in a log at debug level."""
    assert API_KEY not in log
    assert "token=" not in log
    assert service.report["sessions"], "nothing was tested"
    for word in {word for word in SAID if len(word) > 4}:
        assert not re.search(rf"\b{word}\b", log, re.IGNORECASE), word


@pytest.mark.parametrize("media", [("msgpack", "pcm"), ("json", "pcm"), ("msgpack", "opus"), ("json", "opus")])
async def test_every_sentence_arrives_at_its_time(broker: Broker, tmp_path: Path, media: tuple[str, str]) -> None:
    options = {"message_format": media[0], "source_media": media[1]}
    with emulator(tmp_path / "service") as service:
        config = write_config(
            tmp_path,
            service.base_url,
            broker.port,
            audio=SIMULTANEOUS,
            voice={"deepl": options, "speech_language": "de"},
        )
        async with subscriber(broker.port) as seen:
            with command(tmp_path, "run", "-c", str(config)) as daemon:
                await asyncio.to_thread(daemon.wait, 60)
            await seen.until_text(f"{BASE}/availability", "offline")
        report = service.stop()
    assert daemon.exit_code == 0
    assert report["violations"] == []
    assert said(seen) == SAID
    assert len(bodies(seen, "utterance")) == len(LABELS)
    assert all(body["complete"] for body in bodies(seen, "utterance"))
    assert len({body["id"] for body in bodies(seen, "transcript")}) == len(bodies(seen, "transcript"))
    assert "".join(body["text"] for body in bodies(seen, "translation/de")).count("[de]") == len(LABELS)
    assert_no_secrets(daemon.log, service)
    _assert_times(seen)
    with wave.open(str(tmp_path / "speech.wav")) as wav:
        heard_ms = wav.getnframes() * 1000 / wav.getframerate()
    told_ms = sum(body["duration_ms"] for body in bodies(seen, "speech") if body["event"] == "finished")
    assert heard_ms == pytest.approx(told_ms, abs=50)


def _assert_times(seen: Subscriber) -> None:
    """Segments lie on the wall clock as the labels lie in the recording, within 150 ms."""
    first = unix_s(bodies(seen, "transcript")[0]["start"]) - LABELS[0]["start_ms"] / 1000
    starts = {tuple(words(body["text"]))[:2]: unix_s(body["start"]) - first for body in bodies(seen, "transcript")}
    for sentence in LABELS[1:]:
        start_s = starts[tuple(words(sentence["text"]))[:2]]
        assert start_s * 1000 == pytest.approx(sentence["start_ms"], abs=150)


async def test_sigterm_in_mid_sentence_concludes_what_was_said(broker: Broker, tmp_path: Path) -> None:
    with emulator(tmp_path / "service") as service:
        config = write_config(tmp_path, service.base_url, broker.port)
        async with subscriber(broker.port) as seen:
            with command(tmp_path, "run", "-c", str(config)) as daemon:
                await seen.until(lambda s: "window" in str(s.texts(f"{BASE}/transcript/tentative")[-1:]), 30)
                began = time.monotonic()
                daemon.signal(signal.SIGTERM)
                assert await asyncio.to_thread(daemon.wait, 15) == 0
                assert time.monotonic() - began < 10
            await seen.until_text(f"{BASE}/availability", "offline")
        report = service.stop()
    assert said(seen)[:11] == words("Good morning, the kitchen light is on. Please close the window")
    last = bodies(seen, "utterance")[-1]
    assert last["reason"] == "stopped"
    assert words(last["source"]["text"])[:4] == ["please", "close", "the", "window"]
    assert report["violations"] == []
    assert_no_secrets(daemon.log, service)


async def test_a_second_sigterm_ends_it_at_once(broker: Broker, tmp_path: Path) -> None:
    with emulator(tmp_path / "service", "--fault", "stall:after_chunks=10") as service:
        config = write_config(tmp_path, service.base_url, broker.port)
        async with subscriber(broker.port) as seen:
            with command(tmp_path, "run", "-c", str(config)) as daemon:
                await seen.until_text(f"{BASE}/state", "listening", 20)
                await asyncio.sleep(2.0)  # the service has fallen silent by now
                daemon.signal(signal.SIGTERM)
                await asyncio.sleep(1.0)
                assert daemon.process.poll() is None, "it should still be waiting for the service's last words"
                began = time.monotonic()
                daemon.signal(signal.SIGTERM)
                assert await asyncio.to_thread(daemon.wait, 5) == -signal.SIGTERM
                assert time.monotonic() - began < 1
            await seen.until_text(f"{BASE}/availability", "offline")


async def test_without_network_it_listens_and_says_what_is_wrong(broker: Broker, tmp_path: Path) -> None:
    config = write_config(tmp_path, "http://127.0.0.1:9", broker.port)
    async with subscriber(broker.port) as seen:
        with command(tmp_path, "run", "-c", str(config)) as daemon:
            await seen.until(lambda s: any(body["active"] for body in bodies(s, "problem")), 20)
            assert bodies(seen, "problem")[-1]["code"] == "unreachable"
            daemon.signal(signal.SIGTERM)
            assert await asyncio.to_thread(daemon.wait, 15) == 0


async def test_a_bad_key_parks_it(broker: Broker, tmp_path: Path) -> None:
    with emulator(tmp_path / "service") as service:
        config = write_config(tmp_path, service.base_url, broker.port, voice={"deepl": {"api_key": "another-key-9876"}})
        async with subscriber(broker.port) as seen:
            with command(tmp_path, "run", "-c", str(config)) as daemon:
                await seen.until_text(f"{BASE}/state", "parked", 20)
                problem = bodies(seen, "problem")[-1]
                daemon.signal(signal.SIGTERM)
                assert await asyncio.to_thread(daemon.wait, 15) == 0
        report = service.stop()
    assert (problem["active"], problem["code"]) == (True, "auth")
    assert "another-key-9876" not in daemon.log
    assert [violation for violation in report["violations"] if violation["rule"].startswith("retry")] == []


async def test_the_daily_limit_stops_streaming_and_outlasts_a_restart(broker: Broker, tmp_path: Path) -> None:
    """0.05 minutes are 3 s: the first sentence goes through, the rest is not streamed, nor by the next process."""
    with emulator(tmp_path / "service") as service:
        config = write_config(
            tmp_path, service.base_url, broker.port, audio=SIMULTANEOUS, voice={"daily_limit_min": 0.05}
        )
        async with subscriber(broker.port) as seen:
            for _ in range(2):
                with command(tmp_path, "run", "-c", str(config)) as daemon:
                    await asyncio.to_thread(daemon.wait, 60)
                assert daemon.exit_code == 0
        report = service.stop()
    assert any(body.get("code") == "daily_limit" for body in bodies(seen, "problem"))
    assert said(seen)[:7] == words(LABELS[0]["text"])
    assert len(said(seen)) < len(SAID) / 2
    assert len(report["sessions"]) == 1
    assert report["violations"] == []
