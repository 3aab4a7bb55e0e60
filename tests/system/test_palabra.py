"""The whole daemon with Palabra: every sentence on MQTT, speech on the loudspeaker, nothing against the rules."""

import asyncio
import json
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.broker import Broker, Subscriber, subscriber
from tests.fakes.daemon import API_KEY, Daemon, Emulator, command, emulator, words, write_config
from tests.fakes.livekit import livekit
from tests.system.test_main_job import BASE, LABELS, SAID, SIMULTANEOUS, bodies, said

pytestmark = pytest.mark.slow


@contextmanager
def satellite(directory: Path, service: Emulator, broker: Broker, **palabra: Any) -> Iterator[Daemon]:
    """`run` on the recording, against an emulated Palabra."""
    options = {**service.options, **palabra}
    voice = {"backend": "palabra", "speech_language": "de", "palabra": options}
    config = write_config(directory, "http://127.0.0.1:9", broker.port, audio=SIMULTANEOUS, voice=voice)
    with command(directory, "run", "-c", str(config)) as daemon:
        yield daemon


def assert_all_of_it(seen: Subscriber, report: dict[str, Any], directory: Path) -> None:
    assert report["violations"] == []
    assert said(seen) == SAID
    assert len(bodies(seen, "utterance")) == len(LABELS)
    assert all(body["complete"] for body in bodies(seen, "utterance"))
    assert "".join(body["text"] for body in bodies(seen, "translation/de")).count("[de]") == len(LABELS)
    starts = [body["start"] for body in bodies(seen, "transcript")]
    assert starts == sorted(starts)
    with wave.open(str(directory / "speech.wav")) as wav:
        heard_ms = wav.getnframes() * 1000 / wav.getframerate()
    told_ms = sum(body["duration_ms"] for body in bodies(seen, "speech") if body["event"] == "finished")
    assert heard_ms == pytest.approx(told_ms, abs=50)
    assert heard_ms > 10_000


async def test_every_sentence_arrives(broker: Broker, tmp_path: Path) -> None:
    with emulator(tmp_path / "service", "--backend", "palabra", "--variant", "application") as service:
        async with subscriber(broker.port) as seen:
            with satellite(tmp_path, service, broker) as daemon:
                await seen.until(lambda s: any(body["event"] == "opened" for body in bodies(s, "session")), 20)
                await seen.client.publish(f"{BASE}/set/backend/tts_task", json.dumps({"text": "Achtung."}), qos=1)
                await asyncio.to_thread(daemon.wait, 70)
            await seen.until_text(f"{BASE}/availability", "offline")
        report = service.stop()
    assert daemon.exit_code == 0
    assert_all_of_it(seen, report, tmp_path)
    assert all(session["deleted"] for session in report["sessions"])
    for secret in (API_KEY, "emulated-client-secret", "token=", "eyJ"):
        assert secret not in daemon.log
    (answer,) = bodies(seen, "backend/tts_task/result")
    assert answer["ok"] is True
    assert "Achtung." in [item["text"] for item in report["spoken"]]


async def test_and_in_a_room(broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with livekit(tmp_path) as server:
        monkeypatch.setenv("LIVEKIT_URL", server.url)
        with emulator(tmp_path / "service", "--backend", "palabra", "--variant", "webrtc") as service:
            async with subscriber(broker.port) as seen:
                with satellite(tmp_path, service, broker) as daemon:
                    await asyncio.to_thread(daemon.wait, 80)
                await seen.until_text(f"{BASE}/availability", "offline")
            report = service.stop()
    assert daemon.exit_code == 0
    assert_all_of_it(seen, report, tmp_path)
    assert API_KEY not in daemon.log
    assert "eyJ" not in daemon.log


def test_the_demo(tmp_path: Path) -> None:
    with command(tmp_path, "demo", "--backend", "palabra", "--keep", str(tmp_path)) as demo:
        assert demo.wait(58) == 0, demo.log
    assert words("the kitchen light is on")[0] in demo.log
    assert "It works: 5 utterances" in demo.log
