"""Vurbo's way: a session in the real driver against the emulator, with a microphone that is a recording."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from satellite.adapters.clock import SystemClock
from satellite.adapters.encoder import make_encoder
from satellite.adapters.link import SessionDriver
from satellite.app.parts import cloud_backoff, new_id
from satellite.backends.base import BackendSession, SessionSetup
from satellite.backends.vurbo.backend import upload_format
from satellite.backends.vurbo.options import VurboOptions
from satellite.backends.vurbo.session import VurboSession
from satellite.core.audio import RATE_HZ, AudioChunk
from satellite.core.backlog import Backlog, Dropped
from satellite.core.events import (
    ActionAnswered,
    AudioLost,
    Segment,
    SessionFailed,
    Stream,
    TranscriptUpdated,
    VoiceEvent,
)
from satellite.core.section import Section
from satellite.emulator.vurbo.server import VurboEmulator
from satellite.emulator.vurbo.settings import VurboSettings
from satellite.runtime.uplink import Uplink, UplinkParts
from tests.fakes.rawdeepl import DATA, demo_pcm
from tests.fakes.sections import made
from tests.fakes.virtual_time import running

BLOCK_BYTES = RATE_HZ // 10 * 2
SPOKEN_AT_S = 1_000_000.0
"""Wall clock of the recording's first sample."""
SETTINGS = VurboSettings(recording=DATA / "demo.wav", labels=DATA / "demo.labels.json", speech="tones")
E = TypeVar("E")


@dataclass
class Heard:
    """uplink.UplinkEvents: what the sessions report."""

    events: list[VoiceEvent] = field(default_factory=list)
    parks: list[SessionFailed] = field(default_factory=list)
    over: int = 0

    def session_event(self, session_id: str, event: VoiceEvent) -> None:
        self.events.append(event)

    def audio_dropped(self, dropped: Dropped) -> None:
        raise AssertionError("the backlog has room for all of it")

    def audio_discarded(self, dropped: Dropped) -> None:
        raise AssertionError("nobody muted the microphone")

    def utterance_lost(self, utterance_id: str) -> None:
        raise AssertionError("no utterance is lost whole")

    def session_over(self, session_id: str) -> None:
        self.over += 1

    def limit_reached(self, is_reached: bool) -> None:
        raise AssertionError("there is no limit")

    def parked(self, failure: SessionFailed | None) -> None:
        if failure is not None:
            self.parks.append(failure)

    def all(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    def segments(self, stream: Stream = Stream.SOURCE) -> list[Segment]:
        updates = [event for event in self.all(TranscriptUpdated) if event.stream is stream]
        return [segment for update in updates for segment in update.concluded]

    def text(self, stream: Stream = Stream.SOURCE) -> str:
        return "".join(segment.text for segment in self.segments(stream))

    @property
    def lost_ms(self) -> float:
        return sum(event.samples for event in self.all(AudioLost)) / 16


@dataclass
class Way:
    """One run: say something, ask for something, look at what came of it."""

    emulator: VurboEmulator
    uplink: Uplink
    backlog: Backlog
    heard: Heard
    standing: dict[str, Section]
    spoken_bytes: int = 0
    utterances: int = 0

    def say(self, from_ms: int, to_ms: int) -> None:
        """An utterance of the recording at once, as after an outage."""
        self.utterances += 1
        utterance_id = f"u{self.utterances}"
        pcm = demo_pcm(from_ms, to_ms)
        for at in range(0, len(pcm), BLOCK_BYTES):
            start_s = SPOKEN_AT_S + from_ms / 1000 + at / 2 / RATE_HZ
            self.uplink.audio(AudioChunk(pcm[at : at + BLOCK_BYTES], start_s, utterance_id))
        self.uplink.utterance_ended(utterance_id)

    async def say_live(self, from_ms: int, to_ms: int) -> None:
        """An utterance in real time."""
        self.utterances += 1
        utterance_id = f"u{self.utterances}"
        loop = asyncio.get_running_loop()
        due, pcm = loop.time(), demo_pcm(from_ms, to_ms)
        for at in range(0, len(pcm), BLOCK_BYTES):
            start_s = SPOKEN_AT_S + from_ms / 1000 + at / 2 / RATE_HZ
            self.uplink.audio(AudioChunk(pcm[at : at + BLOCK_BYTES], start_s, utterance_id))
            due += 0.1
            await asyncio.sleep(due - loop.time())
        self.uplink.utterance_ended(utterance_id)

    async def until(self, what: str, holds: Callable[[], object], timeout_s: float = 20.0) -> None:
        """Wait for a condition."""
        try:
            async with asyncio.timeout(timeout_s):
                while not holds():
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"{what}: not within {timeout_s} s; {self.heard.events[-5:]}") from None

    async def hears(self, sentences: int) -> None:
        """So many sentences were translated so far."""
        await self.until(f"{sentences} sentences", lambda: len(self.heard.segments(Stream.TARGET)) >= sentences)

    async def asked(self, action: str, arguments: Section) -> ActionAnswered:
        """Ask for it and wait for the answer."""
        before = len(self.heard.all(ActionAnswered))
        assert self.uplink.run_action(action, arguments), "no session is open"
        await self.until(f"the answer to {action}", lambda: len(self.heard.all(ActionAnswered)) > before)
        return self.heard.all(ActionAnswered)[-1]

    async def ends(self) -> None:
        """Nothing more is said; wait until all is understood."""
        self.uplink.finish()
        await self.until("the end", lambda: self.backlog.is_empty and self.uplink._present is None)

    def received(self) -> bytes:
        """All audio that the service has, without silence of ours."""
        pcm = b"".join(bytes(session.log.pcm_16k) for session in self.emulator.sessions)
        units = (pcm[at : at + 640] for at in range(0, len(pcm), 640))
        return b"".join(unit for unit in units if any(unit))


@asynccontextmanager
async def way(
    settings: VurboSettings = SETTINGS, *, targets: tuple[str, ...] = ("de",), speech: str | None = None, **changes: Any
) -> AsyncIterator[Way]:
    """Everything running; `changes` are options."""
    idle_close_s = changes.pop("idle_close_s", 60.0)
    async with VurboEmulator(settings) as emulator:
        backlog, heard, clock = Backlog(30 * RATE_HZ), Heard(), SystemClock()
        options = made(VurboOptions, {**emulator.options, **changes})
        standing: dict[str, Section] = {}

        def make_session(waiting: Backlog) -> BackendSession:
            encoder = make_encoder(upload_format(options).value)
            setup = SessionSetup(waiting, encoder, "en", targets, speech, None, idle_close_s, dict(standing))
            return VurboSession(options, setup)

        parts = UplinkParts(
            backlog=backlog,
            make_session=make_session,
            make_link=lambda session, on_event, _: SessionDriver(session, on_event, clock),
            backoff=cloud_backoff(),
            clock=clock,
            new_id=new_id,
        )
        uplink = Uplink(parts, heard)
        async with running(uplink.run):
            yield Way(emulator, uplink, backlog, heard, standing)
