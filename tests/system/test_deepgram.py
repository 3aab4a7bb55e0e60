"""The whole daemon with Deepgram Flux: a recording in, MQTT messages out; and the demonstration of it, side by side."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.broker import Broker, Subscriber, subscriber
from tests.fakes.daemon import DATA, command, emulator, unix_s, words, write_config

pytestmark = pytest.mark.slow

BASE = "voice-satellite/sat1"
UNUSED = "http://127.0.0.1:9"
"""Where the service would be that the configuration names beside this one."""
LABELS: list[dict[str, Any]] = json.loads((DATA / "demo.labels.json").read_text())["sentences"]
SAID = words(" ".join(sentence["text"] for sentence in LABELS))


def bodies(seen: Subscriber, name: str) -> list[dict[str, Any]]:
    return [json.loads(text) for text in seen.texts(f"{BASE}/{name}")]


def voice(options: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The section of a configuration that uses the service."""
    return {"backend": "deepgram", "target_languages": [], "speech_language": None, "deepgram": {**options, **more}}


async def ask(seen: Subscriber) -> None:
    """Run-time actions as soon as somebody is heard, and a wish that cannot be granted."""
    await seen.until(lambda s: bool(bodies(s, "session")), 30)
    await seen.send(f"{BASE}/set/backend/configure", '{"keyterms": ["kitchen light"], "eot_timeout_ms": 4000}')
    await seen.send(f"{BASE}/set/backend/configure", '{"keyterms": ["a,b"]}')
    await seen.send(f"{BASE}/set/target_languages", "de")
    await seen.until(lambda s: len(bodies(s, "backend/configure/result")) == 2, 20)


async def test_every_sentence_arrives_at_its_time(broker: Broker, tmp_path: Path) -> None:
    demo_directory = tmp_path / "demo"
    demo_directory.mkdir()
    with emulator(tmp_path / "service", "--backend", "deepgram") as service:
        config = write_config(tmp_path, UNUSED, broker.port, voice=voice(service.options))
        async with subscriber(broker.port) as seen:
            with (
                command(demo_directory, "demo", "--backend", "deepgram", TMPDIR=str(demo_directory)) as demo,
                command(tmp_path, "run", "-c", str(config)) as daemon,
            ):
                await ask(seen)
                await asyncio.to_thread(daemon.wait, 60)
                await asyncio.to_thread(demo.wait, 60)
            await seen.until_text(f"{BASE}/availability", "offline")
        report = service.stop()
    assert (daemon.exit_code, demo.exit_code) == (0, 0), demo.log
    assert "It works: 5 utterances came back as 5 transcript segments." in demo.log
    assert report["violations"] == []
    assert words(" ".join(body["text"] for body in bodies(seen, "transcript"))) == SAID
    assert [body["language"] for body in bodies(seen, "transcript")] == ["en"] * len(LABELS)
    assert all(body["complete"] for body in bodies(seen, "utterance"))
    assert len(bodies(seen, "utterance")) == len(LABELS)
    assert [body for body in bodies(seen, "problem") if body["active"]] == []
    _assert_times(seen)
    _assert_answers(seen, report)
    assert service.options["api_key"] not in daemon.log
    assert not [word for word in SAID if len(word) > 7 and word in daemon.log.lower()]


def _assert_times(seen: Subscriber) -> None:
    """Segments lie on the wall clock as the labels lie in the recording, within 150 ms."""
    starts = [unix_s(body["start"]) for body in bodies(seen, "transcript")]
    first = starts[0] - LABELS[0]["start_ms"] / 1000
    for start_s, sentence in zip(starts, LABELS, strict=True):
        assert (start_s - first) * 1000 == pytest.approx(sentence["start_ms"], abs=150)


def _assert_answers(seen: Subscriber, report: dict[str, Any]) -> None:
    answers = bodies(seen, "backend/configure/result")
    assert sorted(answer["ok"] for answer in answers) == [False, True]
    assert [answer["result"] for answer in answers if answer["ok"]] == [{"applies": "now"}]
    assert any("make a list of terms" in str(answer["reason"]) for answer in answers)
    (session,) = report["sessions"]
    assert [each["keyterms"] for each in session["configured"]] == [["kitchen light"]]
    (refused,) = [body for body in bodies(seen, "command_error") if body["command"] == "target_languages"]
    assert refused["reason"] == "the voice service does not translate"


async def test_a_bad_key_parks_it_and_a_configuration_for_another_backend_is_told_what_to_write(
    broker: Broker, tmp_path: Path
) -> None:
    with emulator(tmp_path / "service", "--backend", "deepgram") as service:
        config = write_config(tmp_path, UNUSED, broker.port, voice=voice(service.options, api_key="another-key-9876"))
        async with subscriber(broker.port) as seen:
            with command(tmp_path, "run", "-c", str(config)) as daemon:
                await seen.until_text(f"{BASE}/state", "parked", 20)
        problem = bodies(seen, "problem")[-1]
        assert (problem["active"], problem["code"]) == (True, "auth")
        assert "voice.deepgram.api_key" in problem["hint"]
        assert "another-key-9876" not in daemon.log
        moved = write_config(tmp_path, UNUSED, broker.port, voice={"backend": "deepgram", "deepgram": service.options})
        with command(tmp_path, "check", "-c", str(moved)) as check:
            assert await asyncio.to_thread(check.wait, 20) == 78
        assert (
            "voice.target_languages: the backend deepgram does not translate (to de): it only transcribes" in check.log
        )
        assert "write `target_languages: []` and `speech_language: null`" in check.log
