"""The composed satellite in this process: the loopback backend answers, a publisher collects."""

import asyncio
import json
import signal
import wave
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from satellite.adapters.systemd import make_notifier
from satellite.app import App, Surroundings, ending
from satellite.config.model import Config
from satellite.homeassistant.messages import Message
from satellite.runtime.supervisor import StopCause
from tests.fakes.daemon import DATA
from tests.fakes.sections import made


class Collector:
    """Takes the broker's place."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.is_closed = False
        self._closed = asyncio.Event()

    def publish(self, message: Message) -> None:
        self.messages.append(message)

    async def flush(self, timeout_s: float) -> bool:
        return True

    async def run(self) -> None:
        await self._closed.wait()

    async def close(self, *, timeout_s: float = 5.0) -> bool:
        self.is_closed = True
        self._closed.set()
        return True

    def bodies(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(message.payload) for message in self.messages if message.topic.endswith(f"/{name}")]

    def states(self) -> list[str]:
        return [message.payload.decode() for message in self.messages if message.topic.endswith("/state")]


def config(device: str, tmp_path: Path) -> Config:
    audio = {"input": {"device": device}, "output": {"device": f"file:{tmp_path / 'speech.wav'}"}}
    return made(Config, {"satellite": {"id": "s"}, "audio": audio, "voice": {"backend": "loopback"}})


@pytest.fixture
def short_recording(tmp_path: Path) -> Path:
    path = tmp_path / "short.wav"
    with wave.open(str(DATA / "demo.wav")) as source, wave.open(str(path), "wb") as target:
        target.setparams(source.getparams())
        target.writeframes(source.readframes(3 * 16_000))
    return path


async def test_a_recording_is_heard_to_its_end_and_its_answer_too(tmp_path: Path, short_recording: Path) -> None:
    collector = Collector()
    around = Surroundings(make_notifier({}), tmp_path / "state", collector)
    cause = await App(config(f"file:{short_recording}", tmp_path), around).run()
    assert cause is StopCause.INPUT_ENDED
    assert len(collector.bodies("transcript")) == 1
    assert [body["event"] for body in collector.bodies("speech")] == ["started", "finished"]
    assert collector.states() == ["idle", "listening", "idle", "speaking", "idle"]
    assert collector.is_closed
    with wave.open(str(tmp_path / "speech.wav")) as wav:
        spoken_ms = wav.getnframes() * 1000 / wav.getframerate()
    assert spoken_ms == pytest.approx(collector.bodies("utterance")[0]["speech"]["duration_ms"], abs=30)


async def test_a_signal_does_not_wait_for_the_rest_of_the_speech(tmp_path: Path, short_recording: Path) -> None:
    collector = Collector()
    app = App(config(f"file:{short_recording}", tmp_path), Surroundings(make_notifier({}), publisher=collector))
    loop = asyncio.get_running_loop()
    loop.call_later(4.0, signal.raise_signal, signal.SIGTERM)  # a second into the answer
    began = loop.time()
    assert await app.run() is StopCause.SIGNAL
    assert loop.time() - began < 4.0 + ending.STOP_WITHIN_S
    assert collector.bodies("speech")[-1]["event"] == "cut"


async def test_a_callback_that_raises_ends_the_run(tmp_path: Path) -> None:
    app = App(config("null", tmp_path), Surroundings(make_notifier({}), publisher=Collector()))

    def bug() -> None:
        raise ZeroDivisionError("a bug of ours")

    asyncio.get_running_loop().call_later(0.3, bug)
    with pytest.raises(BaseExceptionGroup) as caught:
        await app.run()
    assert caught.group_contains(ZeroDivisionError)


async def test_what_was_streamed_counts_for_the_day_after_a_fault_too(tmp_path: Path, short_recording: Path) -> None:
    limited = config(f"file:{short_recording}", tmp_path)
    limited = replace(limited, voice=replace(limited.voice, daily_limit_min=1.0))
    app = App(limited, Surroundings(make_notifier({}), tmp_path / "state", Collector()))
    asyncio.get_running_loop().call_later(2.0, [].pop)
    with pytest.raises(BaseExceptionGroup):
        await app.run()
    (used_s,) = json.loads((tmp_path / "state" / "usage.json").read_text()).values()
    assert used_s > 0.3


async def test_a_reload_that_is_wanted_ends_the_run_and_says_goodbye(tmp_path: Path) -> None:
    collector = Collector()
    answers = iter([False, True])
    around = Surroundings(make_notifier({}), publisher=collector, on_reload=lambda: next(answers))
    loop = asyncio.get_running_loop()
    for at_s in (0.3, 0.6):
        loop.call_later(at_s, signal.raise_signal, signal.SIGHUP)
    assert await App(config("null", tmp_path), around).run() is StopCause.RELOAD
    assert collector.is_closed
