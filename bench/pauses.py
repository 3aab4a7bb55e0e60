"""The daemon put to sleep and woken, as by a suspension: it listens again, and makes up nothing for the time between.

    python -m bench.pauses [--seconds 3 20 90]

Each sleep cuts a sentence in two, and another is said after it. Exit code 1 when that does not arrive, when the
microphone is reported more than once, when an utterance reaches over the sleep, or when the stop is not in order.
"""

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fakes.broker import Broker, Subscriber, subscriber
from tests.fakes.daemon import DATA, Daemon, command, emulator, words, write_config
from tests.fakes.vcard import VirtualCard

BASE = "voice-satellite/sat1"
LABELS: list[dict[str, Any]] = json.loads((DATA / "demo.labels.json").read_text())["sentences"]
BRIDGED_S = 5.0
"""A shorter sleep is a gap in an utterance; in a longer one an utterance ends."""
LISTENS_AGAIN_WITHIN_S = 60.0


@dataclass(frozen=True)
class Outcome:
    """What one sleep came to."""

    slept_s: float
    heard_after_s: float | None
    """From waking to the first word of what was said then; None when it never came."""
    microphone_problems: int
    longest_utterance_s: float
    sessions: int
    connections: int

    def faults(self) -> Iterator[str]:
        if self.heard_after_s is None:
            yield "it does not listen again"
        if self.microphone_problems > 1:
            yield f"{self.microphone_problems} times the microphone was reported"
        if self.slept_s > BRIDGED_S and self.longest_utterance_s > self.slept_s:
            yield f"an utterance of {self.longest_utterance_s:.1f} s reaches over the sleep"


def sentence(number: int) -> bytes:
    """One sentence of the demonstration with a little room around it."""
    with wave.open(str(DATA / "demo.wav")) as wav:
        wav.setpos(int((LABELS[number]["start_ms"] - 300) * 16))
        pcm: bytes = wav.readframes(int((LABELS[number]["end_ms"] - LABELS[number]["start_ms"] + 600) * 16))
    return pcm


def bodies(seen: Subscriber, name: str, since: int = 0) -> list[dict[str, Any]]:
    """What was published on a topic from a message on."""
    return [json.loads(one.payload) for one in seen.received[since:] if one.topic == f"{BASE}/{name}"]


async def until(is_there: Callable[[], bool], timeout_s: float) -> bool:
    """Wait for it; False when it does not come."""
    deadline = time.monotonic() + timeout_s
    while not is_there():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.05)
    return True


async def sleep_once(daemon: Daemon, card: VirtualCard, seen: Subscriber, slept_s: float) -> Outcome:
    """Put it to sleep in the middle of a sentence, wake it, and say another."""
    first = len(seen.received)
    await until(lambda: seen.texts(f"{BASE}/state")[-1:] == ["idle"], LISTENS_AGAIN_WITHIN_S)
    card.say(sentence(1))
    await until(lambda: seen.texts(f"{BASE}/state")[-1:] == ["listening"], 10)
    await asyncio.sleep(0.8)
    daemon.signal(signal.SIGSTOP)
    await asyncio.sleep(slept_s)
    daemon.signal(signal.SIGCONT)
    woken = time.monotonic()
    await asyncio.sleep(3.0)
    card.say(sentence(4))
    heard = await until(
        lambda: {"that", "all", "today"} <= set(said(seen, first)) and is_settled(seen, first), LISTENS_AGAIN_WITHIN_S
    )
    utterances = bodies(seen, "utterance", first)
    problems = [body for body in bodies(seen, "problem", first) if body.get("code") == "microphone"]
    return Outcome(
        slept_s,
        time.monotonic() - woken if heard else None,
        len(problems),
        max((body["duration_ms"] / 1000 for body in utterances), default=0.0),
        len([body for body in bodies(seen, "session", first) if body["event"] == "opened"]),
        len([one for one in seen.received[first:] if one.topic == f"{BASE}/availability" and one.text == "online"]),
    )


def said(seen: Subscriber, first: int) -> list[str]:
    return words(" ".join(body["text"] for body in bodies(seen, "transcript", first)))


def is_settled(seen: Subscriber, first: int) -> bool:
    return any("today" in words(body["source"]["text"]) for body in bodies(seen, "utterance", first))


async def run(directory: Path, sleeps_s: list[float]) -> int:
    """One satellite, put to sleep again and again."""
    faults = 0
    with (
        Broker(directory / "broker") as broker,
        VirtualCard(directory / "card") as card,
        emulator(directory / "service") as service,
    ):
        audio = {"driver": "alsa", "input": {"device": "satmic"}, "output": {"device": "null"}}
        config = write_config(directory, service.base_url, broker.port, audio=audio, logging={"level": "info"})
        async with subscriber(broker.port) as seen:
            with command(directory, "run", "-c", str(config), ALSA_CONFIG_PATH=str(card.conf)) as daemon:
                for slept_s in sleeps_s:
                    outcome = await sleep_once(daemon, card, seen, slept_s)
                    print(outcome)
                    for fault in outcome.faults():
                        faults += 1
                        print(f"  BROKEN: {fault}")
                daemon.signal(signal.SIGTERM)
                code = await asyncio.to_thread(daemon.wait, 30)
    print(f"exit code {code}, traces in the log: {daemon.log.count('Traceback')}")
    faults += bool(code) + daemon.log.count("Traceback")
    if faults:
        print(daemon.log)
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, nargs="+", default=[3.0, 20.0, 90.0], help="lengths of the sleeps")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        return min(1, asyncio.run(run(Path(directory), args.seconds)))


if __name__ == "__main__":
    sys.exit(main())
