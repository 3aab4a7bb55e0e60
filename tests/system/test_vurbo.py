"""The whole daemon with the Vurbo backend: a recording in, MQTT messages out, commands in, answers out."""

import asyncio
import json
import signal
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from satellite.backends.registry import load
from tests.fakes.broker import Broker, Subscriber, subscriber
from tests.fakes.daemon import DATA, Daemon, Emulator, command, emulator, words, write_config

pytestmark = pytest.mark.slow

BASE = "voice-satellite/sat1"
LABELS: list[dict[str, Any]] = json.loads((DATA / "demo.labels.json").read_text())["sentences"]
SAID = words(" ".join(sentence["text"] for sentence in LABELS))
ANY_TIME_S = 40


def bodies(seen: Subscriber, name: str) -> list[dict[str, Any]]:
    return [json.loads(text) for text in seen.texts(f"{BASE}/{name}")]


@contextmanager
def service(directory: Path, *arguments: str) -> Iterator[Emulator]:
    with emulator(directory / "service", "--backend", "vurbo", *arguments) as running:
        yield running


def config(directory: Path, running: Emulator, broker: Broker, **voice: Any) -> Path:
    options = {**running.options, **voice.pop("vurbo", {})}
    section = {"backend": "vurbo", "deepl": None, "vurbo": options, **voice}
    return write_config(directory, "http://127.0.0.1:9", broker.port, audio={"duplex": "simultaneous"}, voice=section)


async def test_the_main_job_and_its_demonstration(broker: Broker, tmp_path: Path) -> None:
    """Both at the same time: each takes as long as the recording."""
    kept = str(tmp_path / "kept")
    with command(tmp_path, "demo", "--backend", "vurbo", "--keep", kept) as demo:
        await every_sentence_arrives_and_is_spoken(broker, tmp_path)
        assert await asyncio.to_thread(demo.wait, 58) == 0, demo.log
    assert "It works" in demo.log


async def every_sentence_arrives_and_is_spoken(broker: Broker, tmp_path: Path) -> None:
    with service(tmp_path) as running:
        path = config(tmp_path, running, broker, speech_language="de", vurbo={"recognition_mode": "multi_speaker"})
        async with subscriber(broker.port) as seen:
            with command(tmp_path, "run", "-c", str(path)) as daemon:
                await asyncio.to_thread(daemon.wait, 60)
            await seen.until_text(f"{BASE}/availability", "offline")
        report = running.stop()
    assert daemon.exit_code == 0
    assert report["violations"] == []
    assert words(" ".join(body["text"] for body in bodies(seen, "transcript"))) == SAID
    assert {body["speaker"] for body in bodies(seen, "transcript")} == {"Guest-1", "Guest-2"}
    assert [body["language"] for body in bodies(seen, "translation/de")] == ["de"] * len(LABELS)
    utterances = bodies(seen, "utterance")
    assert [body["complete"] for body in utterances] == [True] * len(LABELS)
    assert all(body["speech"]["language"] == "de" for body in utterances)
    assert len(report["sessions"]) == 1
    assert report["sessions"][0]["complete"]
    with wave.open(str(tmp_path / "speech.wav")) as wav:
        heard_ms = wav.getnframes() * 1000 / wav.getframerate()
    told_ms = sum(body["duration_ms"] for body in bodies(seen, "speech") if body["event"] == "finished")
    assert heard_ms == pytest.approx(told_ms, abs=50)
    _assert_no_secrets(daemon, running)


def _assert_no_secrets(daemon: Daemon, running: Emulator) -> None:
    """Neither key nor ticket nor what was said is in a log at debug level."""
    assert running.options["api_key"] not in daemon.log
    assert "ticket." not in daemon.log
    assert not {word for word in SAID if len(word) > 5 and word in daemon.log.lower().split()}


class Asking:
    """Asks a running satellite for actions, one by one."""

    def __init__(self, seen: Subscriber) -> None:
        self._seen = seen

    async def answer(self, action: str, **arguments: Any) -> dict[str, Any]:
        """Ask, and wait for the answer."""
        topic = f"{BASE}/backend/{action}/result"
        before = len(self._seen.texts(topic))
        await self._seen.client.publish(f"{BASE}/set/backend/{action}", json.dumps(arguments), qos=1)
        await self._seen.until(lambda s: len(s.texts(topic)) > before, ANY_TIME_S)
        found: dict[str, Any] = json.loads(self._seen.texts(topic)[-1])
        return found


ONE_WAY: list[tuple[str, dict[str, Any]]] = [
    ("config", {"terminology": {"en": [{"term": "Zigbee", "boost": 2}]}}),
    ("set_name", {"name": "Kitchen"}),
    ("tts_mode", {"tts_mode": "async"}),
    ("tts_play", {"sid": 1}),
    ("tts_stop", {}),
    ("retranslate", {"sid": 1, "translation_languages": ["de"], "text": "Good night."}),
    ("rename_speaker", {"speaker_id": "Guest-1", "new_label": "Ann"}),
    ("reassign_speaker", {"sid": 1, "target_speaker_id": "Guest-1"}),
    ("merge_speakers", {"source_speaker_id": "Guest-2", "target_speaker_id": "Guest-1"}),
    ("switch_language", {"translation_languages": ["fr"]}),
    ("pause", {}),
    ("resume", {}),
]
CONVERSING: list[tuple[str, dict[str, Any]]] = [
    ("switch_language", {}),
    ("set_tts", {"tts_enabled": False}),
    ("set_speaker_language", {"speaker": 2, "language": "it"}),
    ("switch_conversation_mode", {"conversation_mode": "manual"}),
]
BROADCASTING: list[tuple[str, dict[str, Any]]] = [
    ("set_standby_message", {"message": "Soon."}),
    ("broadcast_announcement", {"message": "Welcome."}),
    ("broadcast_go_live", {}),
]


BROADCAST = {"recording_type": "broadcast", "broadcast_token": "k7q2", "broadcast_phase": "standby"}
COURSES: dict[str, tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]] = {
    "one way": ({"speech_language": "de", "vurbo": {"recognition_mode": "multi_speaker"}}, ONE_WAY),
    "conversation": ({"speech_language": "de", "vurbo": {"recording_type": "conversation"}}, CONVERSING),
    "broadcast": ({"target_languages": [], "vurbo": BROADCAST}, BROADCASTING),
}


def test_every_action_is_asked_for() -> None:
    asked = {action for _, asked in COURSES.values() for action, _ in asked}
    assert asked | {"start_speaking", "stop_speaking"} == set(load("vurbo").actions)


async def test_actions_and_push_to_talk(tmp_path: Path) -> None:
    """One satellite for each kind of session, all at the same time."""
    async with asyncio.TaskGroup() as group:
        for name, (voice, asked) in COURSES.items():
            group.create_task(actions_are_answered(tmp_path / name, voice, asked))
        group.create_task(push_to_talk_opens_and_closes_turns(tmp_path / "turns"))


async def actions_are_answered(directory: Path, voice: dict[str, Any], asked: list[tuple[str, dict[str, Any]]]) -> None:
    directory.mkdir()
    with Broker(directory / "broker") as broker, service(directory) as running:
        path = config(directory, running, broker, **voice)
        async with subscriber(broker.port) as seen:
            with command(directory, "run", "-c", str(path)) as daemon:
                await seen.until(lambda s: len(s.texts(f"{BASE}/transcript")) >= 2, ANY_TIME_S)
                asking = Asking(seen)
                for action, arguments in asked:
                    answer = await asking.answer(action, **arguments)
                    assert (answer["ok"], answer["reason"]) == (True, None), (action, answer)
                refused = await asking.answer("tts_play", sid=0)
                assert refused["reason"] == "sid: must be 1 or more, not 0"
                daemon.signal(signal.SIGTERM)
                assert await asyncio.to_thread(daemon.wait, 20) == 0
        report = running.stop()
    assert report["violations"] == []
    assert set(report["commands"]) >= {action for action, _ in asked}


async def push_to_talk_opens_and_closes_turns(tmp_path: Path) -> None:
    tmp_path.mkdir()
    with Broker(tmp_path / "broker") as broker, service(tmp_path) as running:
        chosen = {"recording_type": "conversation", "conversation_mode": "manual"}
        path = config(tmp_path, running, broker, speech_language=None, vurbo=chosen)
        async with subscriber(broker.port) as seen:
            with command(tmp_path, "run", "-c", str(path)) as daemon:
                await seen.until_text(f"{BASE}/state", "listening", 20)
                await seen.client.publish(f"{BASE}/set/listen", "ON", qos=1)
                await seen.until(lambda s: "window" in "".join(s.texts(f"{BASE}/transcript/tentative")), ANY_TIME_S)
                await seen.client.publish(f"{BASE}/set/listen", "OFF", qos=1)
                await seen.until(lambda s: bool(s.texts(f"{BASE}/transcript")), ANY_TIME_S)
                assert (await Asking(seen).answer("start_speaking", speaker=2))["ok"]
                await seen.until(
                    lambda s: any(body["speaker"] == "Speaker-2" for body in bodies(s, "transcript")), ANY_TIME_S
                )
                assert (await Asking(seen).answer("stop_speaking"))["ok"]
                daemon.signal(signal.SIGTERM)
                assert await asyncio.to_thread(daemon.wait, 20) == 0
        report = running.stop()
    first = bodies(seen, "transcript")[0]
    assert (first["speaker"], words(first["text"])[:2]) == ("Speaker-1", ["good", "morning"])
    assert report["violations"] == []
    assert report["commands"]["start_speaking"] >= 2
