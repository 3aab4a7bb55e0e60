"""Playback on a device with a thread of its own: the shared state between thread and loop, and the sink above it."""

import asyncio
import logging
import threading
from collections import deque
from typing import Protocol

from satellite.adapters.conversion import DeviceFormat, PlaybackConversion
from satellite.adapters.sound import MAX_QUEUED_S, OPEN_WITHIN_S, STALE_AFTER_S, PlaybackSettings
from satellite.core.audio import AudioFormat
from satellite.errors import DeviceError, LocalMisuse
from satellite.ports import Clock

POLL_S = 0.05
"""How often a waiting `write` or `drain` looks at the device."""
CLEAR_WITHIN_S = 0.5

_log = logging.getLogger(__name__)


class PcmQueue:
    """Bytes between two threads, first in first out."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._chunks: deque[bytes] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return self._bytes

    def put(self, pcm: bytes) -> None:
        """Add at the end."""
        if pcm:
            with self._lock:
                self._chunks.append(pcm)
                self._bytes += len(pcm)

    def take(self, max_bytes: int) -> bytes:
        """Remove from the front; b"" when empty. A full take may join several chunks."""
        taken: list[bytes] = []
        with self._lock:
            wanted = min(max_bytes, self._bytes)
            self._bytes -= wanted
            while wanted:
                chunk = self._chunks.popleft()
                if len(chunk) > wanted:
                    self._chunks.appendleft(chunk[wanted:])
                    chunk = chunk[:wanted]
                taken.append(chunk)
                wanted -= len(chunk)
        return taken[0] if len(taken) == 1 else b"".join(taken)

    def clear(self) -> None:
        """Throw everything away."""
        with self._lock:
            self._chunks.clear()
            self._bytes = 0


class Playhead:
    """Until when a loudspeaker is heard: what it took plays on at its rate, without a break while there is some."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heard_until = clock.monotonic()

    def moved(self, seconds: float, device_delay_s: float = 0.0) -> None:
        """The device took `seconds` of sound and has at least `device_delay_s` left to play."""
        now = self._clock.monotonic()
        self._heard_until = max(max(self._heard_until, now) + seconds, now + device_delay_s)

    def remaining_s(self) -> float:
        """Seconds until all is heard; 0 when it is."""
        return max(0.0, self._heard_until - self._clock.monotonic())

    def cut(self) -> None:
        """What was not heard yet never will be."""
        self._heard_until = self._clock.monotonic()


class OutputState:
    """What a device's thread and the loop share; single attributes are set by one side only, the queue is locked."""

    def __init__(self, label: str, clock: Clock) -> None:
        self.queue = PcmQueue()
        self.wake = threading.Event()
        self.clear_asked = threading.Event()
        self.drain_asked = threading.Event()
        self.device: DeviceFormat | None = None
        self.has_sound_to_finish = False
        self._error: Exception | None = None
        self._label = label
        self._clock = clock
        self.playhead = Playhead(clock)
        self._progress_at = clock.monotonic()
        self._lock = threading.Lock()
        self._loop = asyncio.get_running_loop()
        self._opened = asyncio.Event()

    # the device's thread

    def opened(self, device: DeviceFormat) -> None:
        """The device is open and takes this format."""
        self.device = device
        _tell(self._loop, self._opened)

    def moved(self, frames: int, device_delay_s: float = 0.0) -> None:
        """The device took that many frames."""
        self.alive()
        self.playhead.moved(frames / self._format.rate_hz, device_delay_s)

    def alive(self) -> None:
        """The device does something."""
        self._progress_at = self._clock.monotonic()

    def cleared(self) -> None:
        """The device dropped its sound."""
        self.finished()
        self.playhead.cut()
        self.clear_asked.clear()

    def finished(self) -> None:
        """Everything was heard, unless more came meanwhile."""
        with self._lock:
            self.has_sound_to_finish = len(self.queue) > 0

    def wait_for_work(self, timeout_s: float | None) -> None:
        """Sleep until the loop has something, at most that long."""
        self.wake.wait(timeout_s)
        self.wake.clear()

    def exited(self, error: Exception | None) -> None:
        """The thread is over."""
        self._error = error or DeviceError(f"loudspeaker {self._label} is closed")
        _tell(self._loop, self._opened)

    # the loop

    async def wait_opened(self) -> DeviceFormat:
        """The device's format, once it is open. Raises what prevented it."""
        try:
            async with asyncio.timeout(OPEN_WITHIN_S):
                await self._opened.wait()
        except TimeoutError as error:
            raise DeviceError(f"loudspeaker {self._label} does not open within {OPEN_WITHIN_S:.0f} s") from error
        self.check()
        return self._format

    def push(self, pcm: bytes) -> None:
        """Queue device PCM; wakes the thread."""
        if not len(self.queue):
            self.alive()
        with self._lock:
            self.queue.put(pcm)
            self.has_sound_to_finish |= bool(pcm)
        self.wake.set()

    @property
    def queued_s(self) -> float:
        """Seconds between a sample pushed now and its being heard."""
        if self.device is None:
            return 0.0
        return len(self.queue) / self.device.frame_bytes / self.device.rate_hz + self.playhead.remaining_s()

    @property
    def is_heard(self) -> bool:
        """True when nothing is queued, in the device, or on its way between both."""
        return not len(self.queue) and not self.has_sound_to_finish and not self.playhead.remaining_s()

    def check(self) -> None:
        """Raise the device's error; DeviceError too when it took no sound for too long."""
        if self._error is not None:
            raise self._error
        stale_s = self._clock.monotonic() - self._progress_at
        if len(self.queue) and stale_s > STALE_AFTER_S + self.playhead.remaining_s():
            raise DeviceError(f"loudspeaker {self._label} has taken no sound for {stale_s:.1f} s: taken for lost")

    def forget_queue(self) -> None:
        """Drop what the thread has not taken, and ask it to drop the rest."""
        self.queue.clear()
        self.drain_asked.clear()
        self.clear_asked.set()
        self.wake.set()

    @property
    def _format(self) -> DeviceFormat:
        if self.device is None:
            raise LocalMisuse("the loudspeaker is not open")
        return self.device


def _tell(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    try:
        loop.call_soon_threadsafe(event.set)
    except RuntimeError:
        _log.debug("playback: a device's thread outlived the event loop")


class Output(Protocol):
    """A device with its thread."""

    state: OutputState

    async def close(self) -> None:
        """Release the device; returns within two seconds."""


class DevicePlayback:
    """ports.PlaybackSink above an output; subclasses make the output. May be opened again after `close`."""

    def __init__(self, settings: PlaybackSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._output: Output | None = None
        self._conversion: PlaybackConversion | None = None

    async def open(self, audio_format: AudioFormat) -> None:
        """Open for PCM of this format; an open device stays open and only the conversion changes."""
        if audio_format.channels != 1:
            raise LocalMisuse("speech is mono")
        if self._output is None:
            self._output = self._make_output(audio_format)
        try:
            self._conversion = PlaybackConversion(audio_format.rate_hz, await self._output.state.wait_opened())
        except BaseException:
            await self.close()
            raise

    async def write(self, pcm: bytes) -> None:
        """Hand over PCM; waits while more than MAX_QUEUED_S is queued. Raises DeviceError."""
        if self._output is None or self._conversion is None:
            raise LocalMisuse("the loudspeaker is not open")
        state = self._output.state
        state.check()
        state.push(self._conversion.convert(pcm))
        while (excess_s := state.queued_s - MAX_QUEUED_S) > 0:
            await asyncio.sleep(min(excess_s, POLL_S))
            state.check()

    @property
    def queued_s(self) -> float:
        """Seconds between a sample handed over now and its being heard."""
        return self._output.state.queued_s if self._output is not None else 0.0

    async def drain(self) -> None:
        """Return when the last sample handed over has been heard. Raises DeviceError when the device stalls."""
        if self._output is None or self._conversion is None:
            return
        state = self._output.state
        state.push(self._conversion.flush())
        state.drain_asked.set()
        state.wake.set()
        deadline = self._clock.monotonic() + state.queued_s + STALE_AFTER_S
        try:
            while not state.is_heard:
                if self._clock.monotonic() > deadline:
                    raise DeviceError(f"loudspeaker {self._settings.device} does not play to the end: taken for lost")
                await asyncio.sleep(min(max(state.queued_s, 0.005), POLL_S))
                state.check()
        finally:
            state.drain_asked.clear()

    async def clear(self) -> None:
        """Throw away what was handed over and not heard yet; a stalled device does it when it answers again."""
        if self._output is None or self._conversion is None:
            return
        state = self._output.state
        self._conversion.flush()
        state.forget_queue()
        deadline = self._clock.monotonic() + CLEAR_WITHIN_S
        while state.clear_asked.is_set() and self._clock.monotonic() < deadline:  # noqa: ASYNC110 - set by a thread
            await asyncio.sleep(0.005)

    async def close(self) -> None:
        """Release the device. Idempotent."""
        output, self._output, self._conversion = self._output, None, None
        if output is not None:
            await output.close()

    def _make_output(self, audio_format: AudioFormat) -> Output:
        """Start opening the device for speech of this format."""
        raise NotImplementedError
