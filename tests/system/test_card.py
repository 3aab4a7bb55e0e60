"""The main job on a sound card: speech goes in at the microphone, its translation comes out of the loudspeaker."""

import json
import wave
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.broker import Broker, Subscriber, subscriber
from tests.fakes.daemon import DATA, command, emulator, unix_s, words, write_config
from tests.fakes.vcard import CardFormat, VirtualCard

pytestmark = pytest.mark.slow

TAIL_S = 0.3
LABELS: list[dict[str, Any]] = json.loads((DATA / "demo.labels.json").read_text())["sentences"]


def recorded(start_ms: float, end_ms: float) -> bytes:
    """A stretch of the demo recording."""
    with wave.open(str(DATA / "demo.wav")) as wav:
        wav.setpos(int(start_ms * 16))
        return wav.readframes(int((end_ms - start_ms) * 16))


def sentence(number: int) -> bytes:
    """One sentence of the demo recording with a little room around it."""
    return recorded(LABELS[number]["start_ms"] - 300, LABELS[number]["end_ms"] + 300)


def transcript(seen: Subscriber) -> list[dict[str, Any]]:
    return [json.loads(text) for text in seen.texts("voice-satellite/sat1/transcript")]


def speech_events(seen: Subscriber, event: str) -> list[dict[str, Any]]:
    return [body for text in seen.texts("voice-satellite/sat1/speech") if (body := json.loads(text))["event"] == event]


async def test_speech_is_heard_and_not_heard_back(broker: Broker, tmp_path: Path) -> None:
    """One sentence is translated and spoken; what is said meanwhile is not heard, what follows is from its first word."""
    with (
        VirtualCard(tmp_path / "card", CardFormat(spk_rate=24_000)) as card,
        emulator(tmp_path / "service", "--speech", "espeak") as service,
    ):
        config = write_config(
            tmp_path,
            service.base_url,
            broker.port,
            audio={"driver": "alsa", "input": {"device": "satmic"}, "output": {"device": "satspk", "volume": 100}},
            voice={"speech_language": "de"},
        )
        environment = {"ALSA_CONFIG_PATH": str(tmp_path / "card" / "asound.conf")}
        async with subscriber(broker.port) as seen:
            with command(tmp_path, "run", "-c", str(config), **environment) as daemon:
                await seen.until_text("voice-satellite/sat1/state", "idle")
                first = card.wait_for("saying", name=card.say(sentence(0)))
                await seen.until(lambda s: len(speech_events(s, "started")) == 1)
                second = card.wait_for("saying", name=card.say(recorded(LABELS[1]["start_ms"], LABELS[4]["end_ms"])))
                await seen.until(lambda s: len(speech_events(s, "finished")) == 1)
                heard_until = card.heard_at(len(card.played) - 2)
                print([(r.topic[22:], r.text[:150]) for r in seen.received], daemon.log); await seen.until(lambda s: words(transcript(s)[-1]["text"])[-1:] == ["today"], 30)
                daemon.signal(15)  # type: ignore[arg-type]  # SIGTERM
                assert daemon.wait() == 0
        report = service.stop()
    assert report["violations"] == []
    said = words(" ".join(body["text"] for body in transcript(seen)))
    assert said[:7] == words(LABELS[0]["text"])
    print(first, second, heard_until, said)
