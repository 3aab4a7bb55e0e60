"""The whole daemon with Palabra: every sentence on MQTT, speech on the loudspeaker, nothing against the rules."""

import asyncio
import difflib
import json
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.broker import Broker, Subscriber, subscriber
from tests.fakes.daemon import API_KEY, DATA, Daemon, Emulator, command, emulator, words, write_config
from tests.fakes.livekit import livekit
from tests.fakes.rawdeepl import demo_pcm
from tests.fakes.sound import write_wav
from tests.system.test_main_job import BASE, LABELS, SAID, SIMULTANEOUS, bodies, said

pytestmark = pytest.mark.slow


@contextmanager
def satellite(
    directory: Path, service: Emulator, broker: Broker, recording: Path = DATA / "demo.wav"
) -> Iterator[Daemon]:
    """`run` on a recording, against an emulated Palabra."""
    voice = {"backend": "palabra", "speech_language": "de", "palabra": service.options}
    audio = {**SIMULTANEOUS, "input": {"device": f"file:{recording}"}}
    config = write_config(directory, "http://127.0.0.1:9", broker.port, audio=audio, voice=voice)
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
    assert spoken_ms(seen, directory) > 10_000


def spoken_ms(seen: Subscriber, directory: Path) -> float:
    """How much came out of the loudspeaker, which is what was told."""
    with wave.open(str(directory / "speech.wav")) as wav:
        heard_ms: float = wav.getnframes() * 1000 / wav.getframerate()
    told_ms = sum(body["duration_ms"] for body in bodies(seen, "speech") if body["event"] == "finished")
    assert heard_ms == pytest.approx(told_ms, abs=50)
    return heard_ms


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


@pytest.mark.alone
async def test_and_in_a_room(broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first two sentences; sound that was compressed and stretched on its way is understood nearly as well."""
    recording = tmp_path / "short.wav"
    write_wav(recording, demo_pcm(0, 8500))
    labels = str(DATA / "demo.labels.json")
    with livekit(tmp_path) as server:
        monkeypatch.setenv("LIVEKIT_URL", server.url)
        arguments = ("--backend", "palabra", "--variant", "webrtc", "--recording", str(recording), "--labels", labels)
        with emulator(tmp_path / "service", *arguments) as service:
            async with subscriber(broker.port) as seen:
                with satellite(tmp_path, service, broker, recording) as daemon:
                    await asyncio.to_thread(daemon.wait, 55)
                await seen.until_text(f"{BASE}/availability", "offline")
            report = service.stop()
    assert daemon.exit_code == 0
    assert report["violations"] == []
    spoken = words(" ".join(sentence["text"] for sentence in LABELS[:2]))
    understood = difflib.SequenceMatcher(a=spoken, b=said(seen), autojunk=False)
    assert sum(same.size for same in understood.get_matching_blocks()) >= 0.75 * len(spoken), said(seen)
    assert len(bodies(seen, "utterance")) == 2
    assert all(body["complete"] for body in bodies(seen, "utterance"))
    assert spoken_ms(seen, tmp_path) > 3_000
    assert API_KEY not in daemon.log
    assert "eyJ" not in daemon.log
