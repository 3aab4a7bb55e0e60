"""The way to the voice service as in the daemon: uplink, session, driver, a bad relay, and the emulated service.

Audio comes in real time from the bundled recording.
"""

import abc
import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from satellite.adapters.clock import SystemClock
from satellite.adapters.encoder import PcmEncoder
from satellite.adapters.link import SessionDriver
from satellite.app.parts import cloud_backoff, new_id
from satellite.backends.base import BackendSession, SessionSetup
from satellite.backends.deepl.options import DeepLOptions
from satellite.backends.deepl.session import DeepLSession
from satellite.core.audio import RATE_HZ, AudioChunk
from satellite.core.backlog import Backlog, Dropped
from satellite.core.events import AudioLost, Segment, SessionFailed, Stream, TranscriptUpdated, VoiceEvent
from satellite.emulator.deepl.server import DeepLEmulator
from satellite.emulator.deepl.settings import DeepLLimits, DeepLSettings
from satellite.runtime.uplink import Uplink, UplinkParts
from tests.fakes.rawdeepl import DATA, demo_pcm
from tests.fakes.relay import Relay, relay
from tests.fakes.sections import made
from tests.fakes.virtual_time import running

BLOCK_BYTES = RATE_HZ // 10 * 2
SPOKEN_AT_S = 1_000_000.0
"""Wall clock of the recording's first sample."""
UNIT_MS = 20
"""Smallest piece by which what was received is compared with what was said."""


@dataclass
class Heard:
    """uplink.UplinkEvents: what the sessions report."""

    events: list[VoiceEvent] = field(default_factory=list)
    lost_ms: float = 0.0
    dropped_ms: float = 0.0
    parks: list[SessionFailed] = field(default_factory=list)

    def session_event(self, session_id: str, event: VoiceEvent) -> None:
        self.events.append(event)
        if isinstance(event, AudioLost):
            self.lost_ms += event.samples / 16

    def audio_dropped(self, dropped: Dropped) -> None:
        self.dropped_ms += dropped.samples / 16

    def audio_discarded(self, dropped: Dropped) -> None:
        raise AssertionError("nobody muted the microphone")

    def utterance_lost(self, utterance_id: str) -> None:
        pass

    def session_over(self, session_id: str) -> None:
        pass

    def limit_reached(self, is_reached: bool) -> None:
        raise AssertionError("there is no limit")

    def parked(self, failure: SessionFailed | None) -> None:
        if failure is not None:
            self.parks.append(failure)

    def all(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def text(self) -> list[Segment]:
        """Concluded source text."""
        updates = [event for event in self.all(TranscriptUpdated) if event.stream is Stream.SOURCE]
        return [segment for update in updates for segment in update.concluded]


def missing_ms(said: bytes, got: bytes) -> float:
    """How much of what was said is not in what came; fails when anything came twice or out of order."""
    at = missing = 0
    for begin in range(0, len(got) - UNIT_MS * 32 + 1, UNIT_MS * 32):
        unit = got[begin : begin + UNIT_MS * 32]
        if not any(unit):
            continue  # silence of our own
        found = said.find(unit, at)
        assert found >= 0, f"{begin / 32:.0f} ms of what came is not what was said next"
        missing += found - at
        at = found + UNIT_MS * 32
    return (missing + len(said) - at) / 32


class Speaking(abc.ABC):
    """Says the recording to an uplink, and compares it with what the service received."""

    uplink: Uplink
    heard: Heard
    utterance_id = "u1"
    _spoken_bytes = 0

    @abc.abstractmethod
    def received(self) -> bytes:
        """All audio that the service has, in the order in which it came."""

    @property
    def spoken_s(self) -> float:
        """How far into the recording we are."""
        return self._spoken_bytes / 2 / RATE_HZ

    async def speak(self, seconds: float) -> None:
        """The next part of the recording, in real time; pieces that are late are given at once."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        pcm = demo_pcm()
        for _ in range(round(seconds * 10)):
            block = pcm[self._spoken_bytes : self._spoken_bytes + BLOCK_BYTES]
            if block:
                self.uplink.audio(AudioChunk(block, SPOKEN_AT_S + self.spoken_s, self.utterance_id))
            self._spoken_bytes += len(block)
            due += 0.1
            await asyncio.sleep(due - loop.time())

    async def end(self) -> None:
        """The utterance is over; wait for its last text."""
        self.uplink.utterance_ended(self.utterance_id)
        self.uplink.finish()

    def missing_ms(self) -> float:
        """What was said and never received; fails when anything came twice or out of order."""
        return missing_ms(demo_pcm()[: self._spoken_bytes], self.received())

    def worst_time_off_ms(self, after_s: float) -> float:
        """How far the times of concluded text lie from those of the labels, from that moment of the recording on."""
        labels = json.loads((DATA / "demo.labels.json").read_text())["sentences"]
        words = [word for sentence in labels for word in sentence["words"]]
        off: list[float] = []
        for segment in self.heard.text():
            start_ms = (segment.start_s - SPOKEN_AT_S) * 1000
            first = segment.text.split()[0]
            if start_ms > after_s * 1000:
                off.append(min(abs(word["start_ms"] - start_ms) for word in words if word["text"] == first))
        assert off, "no text came after the gap"
        return max(off)


class Way(Speaking):
    """One run: say something, hurt the relay, look at what came of it."""

    def __init__(self, emulator: DeepLEmulator, between: Relay, uplink: Uplink, heard: Heard) -> None:
        self.emulator = emulator
        self.relay = between
        self.uplink = uplink
        self.heard = heard
        self.backlog: Backlog = uplink._backlog

    def received(self) -> bytes:
        """All audio that the service has, in the order in which it came."""
        connections = [log for session in self.emulator.sessions for log in session.connections]
        return b"".join(bytes(log.pcm_16k) for log in sorted(connections, key=lambda log: log.opened_s))


@asynccontextmanager
async def way(certificates: Path | None = None, outage_s: float = 30.0) -> AsyncIterator[Way]:
    """Everything running; the relay lies between the driver and the service's WebSocket."""
    tls = None if certificates is None else ssl.create_default_context(cafile=certificates / "ca.crt")
    async with relay(0) as between:
        settings = DeepLSettings(
            advertised=f"127.0.0.1:{between.port}",
            recording=DATA / "demo.wav",
            labels=DATA / "demo.labels.json",
            speech="tones",
            limits=DeepLLimits(jitter_ms=40.0),
            tls_cert=None if certificates is None else certificates / "server.crt",
            tls_key=None if certificates is None else certificates / "server.key",
        )
        async with DeepLEmulator(settings) as emulator:
            between.target_port = emulator.doors.socket_port
            async with _driven(emulator, between, tls, outage_s) as run:
                yield run


@asynccontextmanager
async def _driven(
    emulator: DeepLEmulator, between: Relay, tls: ssl.SSLContext | None, outage_s: float
) -> AsyncIterator[Way]:
    """The satellite's side."""
    backlog = Backlog(round(outage_s * RATE_HZ))
    heard = Heard()
    options = made(DeepLOptions, {"api_key": emulator.api_key, "base_url": emulator.base_url})

    def make_session(waiting: Backlog) -> BackendSession:
        setup = SessionSetup(waiting, PcmEncoder(), "en", ("de",), None, None, 60.0)
        return DeepLSession(options, setup)

    clock = SystemClock()
    parts = UplinkParts(
        backlog=backlog,
        make_session=make_session,
        make_link=lambda session, on_event, _: SessionDriver(session, on_event, clock, tls),
        backoff=cloud_backoff(),
        clock=clock,
        new_id=new_id,
    )
    uplink = Uplink(parts, heard)
    async with running(uplink.run):
        yield Way(emulator, between, uplink, heard)
