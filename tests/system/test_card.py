"""The main job on a sound card: speech goes in at the microphone, its translation comes out of the loudspeaker."""

import asyncio
import json
import signal
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes.broker import Broker, Subscriber, subscriber
from tests.fakes.daemon import DATA, Daemon, command, emulator, unix_s, words, write_config
from tests.fakes.vcard import AUDIO, CardFormat, VirtualCard

pytestmark = pytest.mark.slow

TAIL_S = 0.3
LEAD_MS = 300
LABELS: list[dict[str, Any]] = json.loads((DATA / "demo.labels.json").read_text())["sentences"]


def recorded(start_ms: float, end_ms: float) -> bytes:
    """A stretch of the demo recording."""
    with wave.open(str(DATA / "demo.wav")) as wav:
        wav.setpos(int(start_ms * 16))
        pcm: bytes = wav.readframes(int((end_ms - start_ms) * 16))
    return pcm


def sentence(number: int) -> bytes:
    """One sentence of the demo recording with a little room around it."""
    return recorded(LABELS[number]["start_ms"] - LEAD_MS, LABELS[number]["end_ms"] + LEAD_MS)


def transcript(seen: Subscriber) -> list[dict[str, Any]]:
    return [json.loads(text) for text in seen.texts("voice-satellite/sat1/transcript")]


def speech_events(seen: Subscriber, event: str) -> list[dict[str, Any]]:
    return [body for text in seen.texts("voice-satellite/sat1/speech") if (body := json.loads(text))["event"] == event]


def _stop(daemon: Daemon) -> None:
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0


def first_heard_s(said: bytes, received: bytes) -> float:
    """Where in what was said the received audio begins, to 20 ms."""
    frame = 640
    return next(at for at in range(0, len(said) - frame, frame) if said[at : at + frame] in received) / 2 / 16_000


def received_audio(directory: Path) -> bytes:
    """All audio the service got."""
    return b"".join(path.read_bytes()[44:] for path in sorted((directory / "audio").glob("*.wav")))


async def test_speech_is_heard_and_not_heard_back(broker: Broker, tmp_path: Path) -> None:
    """A sentence is translated and spoken; what is said meanwhile is not heard, what follows the tail is."""
    talk = b"".join(recorded(LABELS[number]["start_ms"], LABELS[number]["end_ms"]) for number in (3, 2, 1))
    with (
        VirtualCard(tmp_path / "card", CardFormat(spk_rate=24_000)) as card,
        emulator(tmp_path / "service") as service,
    ):
        config = write_config(
            tmp_path,
            service.base_url,
            broker.port,
            audio=AUDIO,
            voice={"speech_language": "de"},
        )
        async with subscriber(broker.port) as seen:
            with command(tmp_path, "run", "-c", str(config), ALSA_CONFIG_PATH=str(card.conf)) as daemon:
                await seen.until_text("voice-satellite/sat1/state", "idle")
                first = card.wait_for("saying", name=card.say(sentence(0)))
                await seen.until(lambda s: len(speech_events(s, "started")) == 1)
                second = card.wait_for("saying", name=card.say(talk))
                await seen.until(lambda s: len(speech_events(s, "finished")) == 1)
                heard = card.played
                silent_at = card.heard_at(len(heard) - 2)
                await seen.until(lambda s: "rain" in str(transcript(s)), 30)
                await asyncio.to_thread(_stop, daemon)
        report = service.stop()
    assert report["violations"] == []
    texts = transcript(seen)
    assert words(texts[0]["text"] + texts[1]["text"]) == words(LABELS[0]["text"])
    for body, word in zip(texts[:2], (0, 2), strict=True):  # "Good morning," and "the kitchen light is on."
        spoken_ms = LABELS[0]["words"][word]["start_ms"] - LABELS[0]["start_ms"] + LEAD_MS
        assert unix_s(body["start"]) == pytest.approx(first["wall"] + spoken_ms / 1000, abs=0.15)
    deaf_until = second["monotonic"] + first_heard_s(talk, received_audio(tmp_path / "service"))
    assert deaf_until == pytest.approx(silent_at + TAIL_S, abs=0.15)
    assert words(texts[-1]["text"])[-3:] == ["starts", "to", "rain"]
    played = np.frombuffer(heard, np.int16)
    announced = speech_events(seen, "finished")[0]["duration_ms"]
    assert np.abs(played).max() > 1000
    assert len(played) / 24 == pytest.approx(announced, abs=100)


async def test_every_sentence_of_a_recording_is_heard_at_its_time_and_spoken(broker: Broker, tmp_path: Path) -> None:
    """The card hears the whole demo: each segment has its words' times, each translation comes out of the speaker."""
    with (
        VirtualCard(tmp_path / "card", CardFormat(spk_rate=24_000)) as card,
        emulator(tmp_path / "service") as service,
    ):
        config = write_config(
            tmp_path,
            service.base_url,
            broker.port,
            audio=AUDIO | {"duplex": "simultaneous"},
            voice={"speech_language": "de"},
        )
        async with subscriber(broker.port) as seen:
            with command(tmp_path, "run", "-c", str(config), ALSA_CONFIG_PATH=str(card.conf)) as daemon:
                await seen.until_text("voice-satellite/sat1/state", "idle")
                began_s = card.wait_for("saying", name=card.say_wav(DATA / "demo.wav"))["wall"]
                await seen.until(lambda s: len(s.texts("voice-satellite/sat1/utterance")) == len(LABELS), 40)
                await seen.until_text("voice-satellite/sat1/state", "idle", 30)
                await asyncio.to_thread(_stop, daemon)
        report = service.stop()
    assert report["violations"] == []
    assert_heard_as_labelled(transcript(seen), began_s)
    heard_ms = len(card.played) / 2 / 24
    assert heard_ms == pytest.approx(sum(one["duration_ms"] for one in speech_events(seen, "finished")), abs=100)
    assert np.abs(np.frombuffer(card.played, np.int16)).max() > 1000


def assert_heard_as_labelled(segments: list[dict[str, Any]], began_s: float) -> None:
    """The segments are all words of the labels, in order, from the first's start to the last's end within 150 ms."""
    labelled = [word for label in LABELS for word in label["words"]]
    for segment in segments:
        count = len(words(segment["text"]))
        own, labelled = labelled[:count], labelled[count:]
        assert words(segment["text"]) == words(" ".join(word["text"] for word in own))
        assert unix_s(segment["start"]) == pytest.approx(began_s + own[0]["start_ms"] / 1000, abs=0.15)
        assert unix_s(segment["end"]) == pytest.approx(began_s + own[-1]["end_ms"] / 1000, abs=0.15)
    assert not labelled
