"""Doubles: satellites that only talk. The daemon's own code makes what they publish, over connections of their own."""

import asyncio
import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import aiomqtt

from satellite import __version__
from satellite.core.events import Stream
from satellite.core.transcript import SegmentConcluded, TentativeChanged, UtteranceRecord
from satellite.homeassistant import payloads
from satellite.homeassistant.discovery import Identity, plan
from satellite.homeassistant.entities import Offer
from satellite.homeassistant.messages import Message
from satellite.homeassistant.payloads import HealthFigures
from satellite.homeassistant.topics import Topics

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
OFFER = Offer(("auto", "en", "de", "fr"), ("de", "fr"), ("de",), translates=True, speaks=True)
HEALTH = HealthFigures(__version__, 61.0, 60.0, 12.0, 12.0, 3, 2, 1, 1, 0.0, 0, 87.4, 1.2, 42_000_000, 98.0, 240.0)
HEALTH_EVERY_S = 30.0


@dataclass(frozen=True, slots=True)
class Use:
    """What a process has used so far."""

    cpu_s: float
    rss_mb: float


def use_of(pid: int) -> Use:
    """Processor time and resident memory of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return Use((int(fields[11]) + int(fields[12])) / TICKS_PER_S, pages * os.sysconf("SC_PAGE_SIZE") / 1e6)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a double speaks, and whether tentative text goes with it."""

    utterance_every_s: float
    with_tentative: bool = False


class Double:
    """One satellite's voice at the broker."""

    def __init__(self, satellite_id: str, name: str) -> None:
        self.topics = Topics("voice-satellite", satellite_id)
        self.name = name
        self.sent_messages = 0
        self.sent_bytes = 0
        self._started_at = time.monotonic()
        self._utterances = 0

    def beginning(self) -> list[Message]:
        """What a satellite says when it comes."""
        identity = Identity(self.topics, self.name, None, __version__, "homeassistant", "device")
        (announced,) = plan(identity, OFFER, None).steps
        topics = self.topics
        return [
            payloads.availability(topics, is_online=True),
            *announced,
            payloads.state(topics, "idle"),
            payloads.cloud(topics, "idle"),
            payloads.problem(topics, None),
            payloads.settings(
                topics, mute=False, volume=80, source_language="en", target_languages=("de",), speech_language="de"
            ),
            *self.health(),
        ]

    def health(self) -> list[Message]:
        """What it says every HEALTH_EVERY_S."""
        uptime_s = time.monotonic() - self._started_at
        figures = replace(HEALTH, uptime_s=uptime_s, captured_s=uptime_s, utterances=self._utterances)
        day = time.strftime("%Y-%m-%d")
        return [payloads.health(self.topics, figures), payloads.usage(self.topics, day, 12.0, 12.0)]

    def utterance(self) -> list[Message]:
        """An utterance of one sentence with all that is said of it."""
        self._utterances += 1
        topics, text, now_s, name = self.topics, f"This is sentence {self._utterances}.", time.time(), self._named()
        segments = [
            SegmentConcluded(f"{name}-{stream.value}", name, stream, language, text, now_s - 3, now_s, None)
            for stream, language in ((Stream.SOURCE, "en"), (Stream.TARGET, "de"))
        ]
        record = UtteranceRecord(name, now_s - 3, now_s, "en", text, (("de", text),), "de", 2000, 0.0, True, "silence")
        return [
            payloads.state(topics, "listening"),
            *(payloads.segment(topics, segment, "s1", retain=False) for segment in segments),
            payloads.utterance(topics, record, retain=False),
            payloads.speech(topics, "started", name, "de", text, 2000),
            payloads.speech(topics, "finished", name, "de", text, 2000),
            payloads.state(topics, "idle"),
        ]

    def tentative(self) -> list[Message]:
        """What is understood of the next one while it is spoken: two words more each time, then nothing."""
        words = ("this", "is", "a", "sentence", "of", "ten", "words", "for", "you", "all")
        now_s, name = time.time(), self._named()
        return [
            payloads.tentative(
                self.topics, TentativeChanged(name, stream, language, " ".join(words[:count]), now_s - 1, now_s)
            )
            for count in (2, 4, 6, 8, 10, 0)
            for stream, language in ((Stream.SOURCE, "en"), (Stream.TARGET, "de"))
        ]

    async def talk(self, client: aiomqtt.Client, pace: Pace, chance: random.Random) -> None:
        """Health and speech, for ever."""
        health_in_s, utterance_in_s = chance.uniform(0, HEALTH_EVERY_S), chance.uniform(0, pace.utterance_every_s)
        while True:
            pause_s = min(health_in_s, utterance_in_s)
            await asyncio.sleep(pause_s)
            health_in_s, utterance_in_s = health_in_s - pause_s, utterance_in_s - pause_s
            if health_in_s <= 0:
                health_in_s = HEALTH_EVERY_S
                await self.say(client, self.health())
            if utterance_in_s <= 0:
                utterance_in_s = chance.expovariate(1 / pace.utterance_every_s)
                await self.say(client, self.tentative() if pace.with_tentative else [])
                await self.say(client, self.utterance())

    async def say(self, client: aiomqtt.Client, messages: Sequence[Message]) -> None:
        """Publish, and wait for each acknowledgement as a satellite does."""
        for message in messages:
            await client.publish(message.topic, message.payload, qos=message.qos, retain=message.retain)
            self.sent_messages += 1
            self.sent_bytes += len(message.topic) + len(message.payload)

    def _named(self) -> str:
        return f"{self.topics.satellite_id}-u{self._utterances}"
