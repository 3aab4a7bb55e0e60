"""Listener: keeps the capture device open, whatever happens to it, and has its blocks heard."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from satellite.core.audio import SAMPLE_BYTES, CaptureBlock
from satellite.core.backoff import Backoff
from satellite.core.gate import EndReason, VadGate
from satellite.core.liveness import Vital
from satellite.errors import DeviceError, ErrorCategory, MediaError
from satellite.ports import CaptureSource, Clock, Detector
from satellite.runtime.hearing import Hearing, UtteranceSink

log = logging.getLogger(__name__)

CAPTURE_PATIENCE_S = 6.0
"""More than a device may take to open, and much more than it may be silent before it is taken for lost."""
CLOSING_PATIENCE_S = 15.0
"""More than a device may take to close and to be opened again."""


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
    """Running totals and the latest times (monotonic seconds), for health."""

    captured_samples: int = 0
    overruns: int = 0
    opened_at: float | None = None
    last_block_at: float | None = None


class Listener:
    """Keeps the capture device open while not muted; a lost one is opened again for ever."""

    def __init__(self, parts: ListenerParts, sink: UtteranceSink, report: MicrophoneReport) -> None:
        self._parts = parts
        self._report = report
        self._hearing = Hearing(parts.gate, parts.detector, parts.clock, parts.new_id, sink)
        self._is_muted = False
        self._is_over = False
        self._is_waiting_for_device = False
        """Between two tries to open a device that is gone; that it is gone was told."""
        self._has_flown = False
        self._last_failure: str | None = None
        self._kick = asyncio.Event()
        self._ended: asyncio.Future[Exception | None] | None = None
        self.counters = ListenerCounters()

    @property
    def is_open(self) -> bool:
        """True while somebody is heard speaking."""
        return self._hearing.is_open

    @property
    def vital(self) -> Vital:
        """Frames go through the gate, unless the device is closed on purpose or known to be gone."""
        is_capturing = self._ended is not None and not self._ended.done()
        done = (self.counters.opened_at, is_capturing, self._hearing.heard_samples)
        is_due = not (self._is_muted or self._is_over or self._is_waiting_for_device)
        return Vital(done, is_due, CAPTURE_PATIENCE_S if is_capturing else CLOSING_PATIENCE_S)

    @property
    def utterances(self) -> int:
        """How many began so far."""
        return self._hearing.utterances

    async def run(self) -> None:
        """Capture until the input ends (a file) or `stop` was called. Raises what is no failure of a device."""
        while not self._is_over:
            self._kick.clear()
            if self._is_muted:
                await self._kick.wait()
                continue
            failure = await self._capture_once()
            if failure is not None and not isinstance(failure, DeviceError | MediaError):
                raise failure
            if failure is not None and not self._is_over:
                await self._wait_for_device()

    def suppress(self) -> None:
        """Hold the gate closed: the loudspeaker plays."""
        self._hearing.suppress()

    def release(self, at: float) -> None:
        """Let the gate hear again audio captured from monotonic time `at` on."""
        self._hearing.release(at)

    def hold(self, is_held: bool) -> None:
        """Push-to-talk: hold the gate open, or let go."""
        self._hearing.hold(is_held)

    def mute(self, is_muted: bool) -> None:
        """Close the capture device and end what is being said, or open it again."""
        self._is_muted = is_muted
        if is_muted:
            self._hearing.end(EndReason.MUTED)
            self._finish_capture(None)
        self._kick.set()

    def stop(self) -> None:
        """Close the device and end what is being said; `run` returns."""
        self._is_over = True
        self._hearing.end(EndReason.STOPPED)
        self._finish_capture(None)
        self._kick.set()

    async def _capture_once(self) -> Exception | None:
        """One life of a capture device; its failure, None when it was closed or its file is at its end."""
        ended = self._ended = asyncio.get_running_loop().create_future()
        self._has_flown = False
        self.counters.opened_at = self._parts.clock.monotonic()
        try:
            source = self._parts.open_capture()
            source.start(self._on_block, self._on_end)
        except DeviceError as error:
            self._tell(error)
            return error
        failure: Exception | None = None
        try:
            failure = await ended
            self._tell(failure)  # before the device is closed: one that hangs takes its time
        finally:
            self._hearing.end(EndReason.STOPPED if failure is None else EndReason.DEVICE_LOST)
            await source.stop()
            self._count_overruns(source.overruns)
        return failure

    def _on_end(self, failure: Exception | None) -> None:
        """The source ended by itself: its device failed, or its file is at its end, and so is all there is to hear."""
        if failure is None:
            self._is_over = True
        self._finish_capture(failure)

    def _finish_capture(self, failure: Exception | None) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(failure)

    def _on_block(self, block: CaptureBlock) -> None:
        if self._ended is None or self._ended.done():
            return  # closed already: what is still on its way was not meant to be heard
        if not self._has_flown:
            self._has_flown = True
            self._parts.backoff.connected(self._parts.clock.monotonic())
            if self._last_failure is not None:
                log.info("microphone: works again")
            self._last_failure = None
            self._report.microphone_works()
        self.counters.last_block_at = self._parts.clock.monotonic()
        self.counters.captured_samples += len(block.data) // SAMPLE_BYTES
        self._hearing.block(block)

    def _tell(self, failure: Exception | None) -> None:
        """Tell a failure of the device; nothing else is one."""
        if self._is_over or not isinstance(failure, DeviceError | MediaError):
            return
        level = logging.DEBUG if str(failure) == self._last_failure else logging.WARNING
        log.log(level, "microphone: %s; trying again until it works", failure)
        self._last_failure = str(failure)
        self._report.microphone_failed(str(failure))

    async def _wait_for_device(self) -> None:
        """Wait before the next try."""
        wait = self._parts.backoff.lost(ErrorCategory.CONNECTIVITY, self._parts.clock.monotonic())
        self._kick.clear()
        self._is_waiting_for_device = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait.delay_s):
                await self._kick.wait()
        self._is_waiting_for_device = False

    def _count_overruns(self, overruns: int) -> None:
        if overruns:
            log.warning("microphone: %d blocks were lost", overruns)
            self.counters.overruns += overruns
