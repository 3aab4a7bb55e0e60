"""Listener: microphone → frames → detector → gate → utterances in the uplink."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from satellite.core.audio import FRAME_SAMPLES, RATE_HZ, AudioChunk, CaptureBlock
from satellite.core.backoff import Backoff
from satellite.core.framing import Framer
from satellite.core.gate import EndReason, GateEvent, UtteranceAudio, UtteranceEnded, UtteranceStarted, VadGate
from satellite.errors import DeviceError, ErrorCategory
from satellite.ports import CaptureSource, Clock, Detector

log = logging.getLogger(__name__)

FRAME_S = FRAME_SAMPLES / RATE_HZ


class UtteranceSink(Protocol):
    """Who takes the utterances (all calls are quick and never block)."""

    def utterance_started(self, utterance_id: str, start_s: float) -> None:
        """Somebody began to speak at this wall-clock time."""

    def audio(self, chunk: AudioChunk) -> None:
        """The next audio of the open utterance."""

    def utterance_ended(self, utterance_id: str, end_s: float, reason: EndReason) -> None:
        """The utterance's audio is complete; speech ended at this wall-clock time."""


class MicrophoneReport(Protocol):
    """Who is told how the microphone fares."""

    def microphone_failed(self, detail: str) -> None:
        """The capture device is lost or cannot be opened."""

    def microphone_works(self) -> None:
        """Audio flows (again)."""


@dataclass(frozen=True, slots=True)
class ListenerParts:
    """What a listener is made of."""

    open_capture: Callable[[], CaptureSource]
    detector: Detector
    gate: VadGate
    clock: Clock
    backoff: Backoff
    new_id: Callable[[], str]


@dataclass(slots=True)
class ListenerCounters:
    """Running totals for health."""

    captured_samples: int = 0
    overruns: int = 0
    utterances: int = 0
    last_block_at: float | None = None


class Listener:
    """Keeps the capture device open, and turns its blocks into utterances with wall-clock times."""

    def __init__(self, parts: ListenerParts, sink: UtteranceSink, report: MicrophoneReport) -> None:
        self._parts = parts
        self._gate = parts.gate
        self._sink = sink
        self._report = report
        self._framer = Framer(FRAME_SAMPLES)
        self._utterance_id: str | None = None
        self._wall_offset_s = 0.0
        self._position_s = 0.0  # monotonic time of the sample at gate position `_position_samples`
        self._position_samples = 0
        self._release_at: float | None = None
        self._is_muted = False
        self._kick = asyncio.Event()
        self._ended: asyncio.Future[Exception | None] | None = None
        self._is_stopping = False
        self._has_flown = False
        self._chunk_start_s = 0.0
        self.counters = ListenerCounters()

    @property
    def is_open(self) -> bool:
        """True while somebody is heard speaking."""
        return self._utterance_id is not None

    async def run(self) -> None:
        """Capture until the input ends (a file) or `stop` was called; a lost device is reopened for ever."""
        while not self._is_stopping:
            if self._is_muted:
                self._kick.clear()
                await self._kick.wait()
                continue
            failure = await self._capture_once()
            if failure is not None:
                await self._wait_for_device(failure)
            elif not self._is_muted:
                return

    def suppress(self) -> None:
        """Hold the gate closed: the loudspeaker plays."""
        self._release_at = None
        self._handle(self._gate.suppress(), [])

    def release(self, at: float) -> None:
        """Let the gate hear again audio captured from monotonic time `at` on."""
        self._release_at = at

    def hold(self, is_held: bool) -> None:
        """Push-to-talk: hold the gate open, or let go."""
        audio: list[bytes] = []
        self._handle(self._gate.hold() if is_held else self._gate.unhold(), audio)
        self._send(audio)

    def mute(self, is_muted: bool) -> None:
        """Close the capture device and forget what is being said, or open it again."""
        self._is_muted = is_muted
        if is_muted:
            self._end(EndReason.MUTED)
            self._finish_capture(None)
        self._kick.set()

    def stop(self) -> None:
        """Close the device and end what is being said; `run` returns."""
        self._is_stopping = True
        self._end(EndReason.STOPPED)
        self._finish_capture(None)
        self._kick.set()

    async def _capture_once(self) -> Exception | None:
        """One life of a capture device: its failure, or None when it ended in order."""
        self._ended = asyncio.get_running_loop().create_future()
        self._framer.reset()
        self._has_flown = False
        try:
            source = self._parts.open_capture()
            source.start(self._on_block, self._finish_capture)
        except DeviceError as error:
            return error
        failure: Exception | None = None
        try:
            failure = await self._ended
        finally:
            self._ended = None
            await source.stop()
            self.counters.overruns += source.overruns
            self._end(EndReason.STOPPED if failure is None else EndReason.DEVICE_LOST)
        return failure

    def _finish_capture(self, failure: Exception | None) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(failure)

    async def _wait_for_device(self, failure: Exception) -> None:
        """Tell, then wait before the next try; not at all when the run is over."""
        if self._is_stopping:
            return
        now = self._parts.clock.monotonic()
        wait = self._parts.backoff.lost(ErrorCategory.CONNECTIVITY, now)
        log.warning("microphone: %s; next try in %.1f s", failure, wait.delay_s or 0.0)
        self._report.microphone_failed(str(failure))
        self._kick.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._kick.wait(), wait.delay_s)

    def _on_block(self, block: CaptureBlock) -> None:
        counters = self.counters
        if not self._has_flown:
            self._has_flown = True
            self._parts.backoff.connected(block.captured_at)
        counters.last_block_at = self._parts.clock.monotonic()
        counters.captured_samples += len(block.data) // 2
        self._report.microphone_works()
        at = block.captured_at
        audio: list[bytes] = []
        for frame in self._framer.push(block.data):
            if self._release_at is not None and at >= self._release_at:
                self._release_at = None
                self._gate.release()
            self._position_s = at
            self._position_samples = self._gate.position
            self._handle(self._gate.push(frame, self._parts.detector.probability(frame)), audio)
            at += FRAME_S
        self._send(audio)

    def _handle(self, events: list[GateEvent], audio: list[bytes]) -> None:
        """Act on gate events; plain audio gathers in `audio` so that one block makes one chunk."""
        for event in events:
            if isinstance(event, UtteranceAudio):
                audio.append(event.data)
            elif isinstance(event, UtteranceStarted):
                self._begin(event, audio)
            else:
                self._send(audio)
                self._finish_utterance(event)

    def _begin(self, event: UtteranceStarted, audio: list[bytes]) -> None:
        clock = self._parts.clock
        self._wall_offset_s = clock.wall() - clock.monotonic()
        self._utterance_id = self._parts.new_id()
        self.counters.utterances += 1
        self._chunk_start_s = self._wall_of(event.start_sample)
        self._sink.utterance_started(self._utterance_id, self._wall_of(event.onset_sample))
        audio.append(event.audio)

    def _send(self, audio: list[bytes]) -> None:
        if not audio or self._utterance_id is None:
            return
        data = audio[0] if len(audio) == 1 else b"".join(audio)
        audio.clear()
        self._sink.audio(AudioChunk(data, self._chunk_start_s, self._utterance_id))
        self._chunk_start_s += len(data) / 2 / RATE_HZ

    def _finish_utterance(self, event: UtteranceEnded) -> None:
        utterance_id, self._utterance_id = self._utterance_id, None
        if utterance_id is not None:
            self._sink.utterance_ended(utterance_id, self._wall_of(event.speech_end_sample), event.reason)

    def _end(self, reason: EndReason) -> None:
        self._handle(self._gate.end(reason), [])

    def _wall_of(self, sample: int) -> float:
        """Wall clock of a gate position, by the offset read when the utterance began."""
        return self._wall_offset_s + self._position_s + (sample - self._position_samples) / RATE_HZ
