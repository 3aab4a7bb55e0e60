"""Two sentences of the bundled recording, spoken in real time through uplink, session and driver to any service."""

import asyncio
import itertools
import json
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from satellite.adapters.clock import SystemClock
from satellite.adapters.encoder import make_encoder
from satellite.adapters.link import SessionDriver
from satellite.app.parts import new_id
from satellite.backends.base import Backend, BackendSession, SessionSetup
from satellite.backends.registry import load as load_backend
from satellite.core.audio import RATE_HZ, SAMPLE_BYTES, AudioChunk
from satellite.core.backlog import Backlog
from satellite.core.backoff import Backoff, SlowPace
from satellite.core.events import (
    Segment,
    SessionFailed,
    SpeechChunk,
    Stream,
    TranscriptUpdated,
    UtteranceSent,
    UtteranceSettled,
)
from satellite.emulator.base import Emulator
from satellite.emulator.faults import Fault
from satellite.emulator.registry import load as load_double
from satellite.emulator.registry import names as emulated
from satellite.ports import Clock
from satellite.runtime.uplink import Uplink, UplinkParts
from tests.fakes.rawdeepl import DATA, demo_pcm
from tests.fakes.sections import made
from tests.fakes.virtual_time import running
from tests.fakes.voice_link import SPOKEN_AT_S, Heard

BLOCK_MS = 100
PRE_ROLL_MS, HANG_OVER_MS = 300, 900
JITTER_MS = 60.0
"""Granted to arrival times: many conversations go on at the same time."""
PATIENCE_S = 45.0
"""From the last sound to the end of everything."""
SECRETS = ("api_key", "client_secret")


def sentences(count: int) -> list[dict[str, Any]]:
    """The first sentences with their words and times in ms."""
    labels: list[dict[str, Any]] = json.loads((DATA / "demo.labels.json").read_text())["sentences"]
    return labels[:count]


def spans(count: int) -> list[tuple[int, int]]:
    """What a gate makes of the first sentences: one utterance each, with pre-roll and hang-over, in ms."""
    said = [(each["words"][0]["start_ms"], each["words"][-1]["end_ms"]) for each in sentences(count)]
    return [(max(0, round(start) - PRE_ROLL_MS), round(end) + HANG_OVER_MS) for start, end in said]


@dataclass
class Talk:
    """One conversation and what came of it."""

    backend: Backend[Any]
    emulator: Emulator | None
    heard: Heard = field(default_factory=Heard)
    sessions: list[BackendSession] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """Ids of the utterances, in order."""
    spoken_ms: list[tuple[int, int]] = field(default_factory=list)
    is_over: bool = False

    def text(self, stream: Stream) -> list[Segment]:
        """Concluded text of the source, or of the target."""
        updates = [event for event in self.heard.all(TranscriptUpdated) if event.stream is stream]
        return [segment for update in updates for segment in update.concluded]

    def words(self, stream: Stream) -> list[str]:
        """The same as bare words, without the mark of a pseudo-translation."""
        joined = " ".join(segment.text for segment in self.text(stream))
        return [word for word in (_bare(word) for word in joined.split() if not word.startswith("[")) if word]

    def expected_words(self) -> list[str]:
        """What was said."""
        words = itertools.chain(*(each["words"] for each in sentences(len(self.said))))
        return [bare for bare in (_bare(word["text"]) for word in words) if bare]

    def ids(self, kind: type[UtteranceSent] | type[UtteranceSettled]) -> list[str]:
        """The utterances that such an event came for."""
        return [event.utterance_id for event in self.heard.all(kind)]

    def spoke_s(self) -> float:
        """Length of the synthesised speech, as announced."""
        return float(sum(chunk.duration_ms for chunk in self.heard.all(SpeechChunk))) / 1000

    def failures(self) -> list[SessionFailed]:
        """How sessions failed."""
        return list(self.heard.all(SessionFailed))

    def broken_rules(self) -> list[str]:
        """Rules of the service that we broke."""
        return [] if self.emulator is None else [f"{each.rule}: {each.detail}" for each in self.emulator.violations]

    def connections(self) -> int:
        """How often the service was dialled successfully."""
        return sum(session.counters.connections for session in self.sessions)


def _bare(word: str) -> str:
    return word.strip(",;:.!?…\"'()").lower()


async def talk(
    name: str, faults: Sequence[Fault] = (), *, right_key: bool = True, patience_s: float = PATIENCE_S
) -> Talk:
    """Say the first two sentences to a service that has these faults, and wait (bounded) until all is over."""
    async with conversation(name, faults, SystemClock(), right_key=right_key) as (result, uplink, tasks):
        await speak(uplink, result, spans(2))
        uplink.finish()
        await asyncio.wait(tasks, timeout=patience_s)
        result.is_over = all(task.done() for task in tasks)
    return result


@asynccontextmanager
async def conversation(
    name: str, faults: Sequence[Fault], clock: Clock, *, right_key: bool = True
) -> AsyncIterator[tuple[Talk, Uplink, list[asyncio.Task[None]]]]:
    """An emulated service and a satellite's way to it, running."""
    async with AsyncExitStack() as stack:
        emulator = await stack.enter_async_context(_emulator(name, faults)) if name in emulated() else None
        result = Talk(load_backend(name), emulator)
        uplink = _uplink(result, _options(emulator, right_key=right_key), clock)
        async with running(uplink.run) as tasks:
            yield result, uplink, tasks


def _emulator(name: str, faults: Sequence[Fault]) -> Emulator:
    double = load_double(name)
    settings = double.settings(
        recording=DATA / "demo.wav",
        labels=DATA / "demo.labels.json",
        speech="tones",
        faults=tuple(faults),
        limits=replace(double.limits(), jitter_ms=JITTER_MS),
    )
    return double.make(settings)


def _options(emulator: Emulator | None, *, right_key: bool) -> dict[str, object]:
    options = {} if emulator is None else dict(emulator.options)
    for key in SECRETS:
        if not right_key and key in options:
            options[key] = f"{str(options[key])[:-5]}wrong"
    return options


def _uplink(result: Talk, options: dict[str, object], clock: Clock) -> Uplink:
    backend, can = result.backend, result.backend.capabilities
    section = made(backend.options, options)

    def make_session(backlog: Backlog) -> BackendSession:
        setup = SessionSetup(
            backlog=backlog,
            encoder=make_encoder(backend.upload_format(section).value),
            source_language="en",
            target_languages=("de",) if can.translates else (),
            speech_language="de" if can.speaks else None,
            speech_voice=None,
            idle_close_s=60.0,
            unique_id=uuid.uuid4().hex,
        )
        result.sessions.append(backend.create(section, setup))
        return result.sessions[-1]

    parts = UplinkParts(
        backlog=Backlog(60 * RATE_HZ),
        make_session=make_session,
        make_link=lambda session, on_event, _: SessionDriver(session, on_event, clock),
        backoff=Backoff(lambda: 1.0, slow_pace=SlowPace()),
        clock=clock,
        new_id=new_id,
    )
    return Uplink(parts, result.heard)


async def speak(uplink: Uplink, result: Talk, utterances: Iterable[tuple[int, int]]) -> None:
    """Each utterance in blocks, as far apart as they are in the recording."""
    loop = asyncio.get_running_loop()
    began_at = loop.time() - result.spoken_ms[-1][1] / 1000 if result.spoken_ms else loop.time()
    for start_ms, end_ms in utterances:
        utterance_id = f"u{len(result.said) + 1}"
        for at_ms in range(start_ms, end_ms, BLOCK_MS):
            await asyncio.sleep(began_at + (at_ms + BLOCK_MS) / 1000 - loop.time())
            block = demo_pcm(at_ms, min(at_ms + BLOCK_MS, end_ms))
            assert len(block) % SAMPLE_BYTES == 0
            uplink.audio(AudioChunk(block, SPOKEN_AT_S + at_ms / 1000, utterance_id))
        uplink.utterance_ended(utterance_id)
        result.said.append(utterance_id)
        result.spoken_ms.append((start_ms, end_ms))
