"""Playback on a device in a process of its own: how far its sound has come, and the sink above it."""

import asyncio
import logging

from satellite.adapters import devicewire
from satellite.adapters.conversion import PlaybackConversion
from satellite.adapters.devicehandle import DeviceProcess
from satellite.adapters.deviceside import Order
from satellite.adapters.devicewire import Kind, Packet
from satellite.adapters.playhead import Playhead
from satellite.adapters.sound import MAX_QUEUED_S, OPEN_WITHIN_S, STALE_AFTER_S, DeviceFormat, PlaybackSettings
from satellite.core.audio import AudioFormat
from satellite.errors import DeviceError, LocalMisuse, SatelliteError
from satellite.ports import Clock

POLL_S = 0.05
"""How often a waiting `write` or `drain` looks at the device, and how much of a long `write` goes out at once."""
CLEAR_WITHIN_S = 0.5

_log = logging.getLogger(__name__)


class DeviceOutput:
    """An open (or opening) loudspeaker, used once. Frames count from the last `clear` on."""

    def __init__(self, order: Order, clock: Clock) -> None:
        self._clock = clock
        self._label = f"loudspeaker {order.device}"
        self._playhead = Playhead(clock.monotonic)
        self._progress_at = clock.monotonic()
        self._error: SatelliteError | None = None
        self._opened = asyncio.Event()
        self._cleared = asyncio.Event()
        self._format: DeviceFormat | None = None
        self._epoch = self._sent = self._moved = self._heard = 0
        self._process = DeviceProcess(order, clock, self._packets)

    @property
    def epoch(self) -> int:
        """How often it was cleared."""
        return self._epoch

    @property
    def has_failed(self) -> bool:
        """True once the device is lost, which another one may mend; a mistake of ours is raised by the next use."""
        return isinstance(self._error, DeviceError)

    @property
    def queued_s(self) -> float:
        """Seconds between a sample handed over now and its being heard."""
        if self._format is None:
            return 0.0
        return (self._sent - self._moved) / self._format.rate_hz + self._playhead.remaining_s()

    @property
    def is_heard(self) -> bool:
        """True when nothing is queued, in the device, or on its way between both."""
        return self._sent == self._heard and not self._playhead.remaining_s()

    async def wait_opened(self) -> DeviceFormat:
        """The device's format, once it is open. Raises what prevented it."""
        try:
            async with asyncio.timeout(OPEN_WITHIN_S):
                await self._opened.wait()
        except TimeoutError as error:
            raise DeviceError(f"{self._label} does not open within {OPEN_WITHIN_S:.0f} s: its driver hangs") from error
        self.check()
        if self._format is None:
            raise LocalMisuse("the loudspeaker is not open")
        return self._format

    async def play(self, pcm: bytes) -> None:
        """Hand over device PCM; waits while more than MAX_QUEUED_S is queued. Raises DeviceError."""
        if self._format is None:
            raise LocalMisuse("the loudspeaker is not open")
        epoch, frame_bytes = self._epoch, self._format.frame_bytes
        step_bytes = int(self._format.rate_hz * POLL_S) * frame_bytes
        for at in range(0, len(pcm), step_bytes):
            part = pcm[at : at + step_bytes]
            self.check()
            if self._sent == self._moved:
                self._progress_at = self._clock.monotonic()
            if self._process.send(Kind.PLAY, part):
                self._sent += len(part) // frame_bytes
            else:
                await asyncio.sleep(POLL_S)  # lost at the pace it would have been heard; meanwhile the device tells why
            while (excess_s := self.queued_s - MAX_QUEUED_S) > 0:
                await asyncio.sleep(min(excess_s, POLL_S))
                self.check()
            if self._epoch != epoch:
                return

    async def drain(self) -> None:
        """Return when all was heard. Raises DeviceError when the device stalls."""
        self._process.send(Kind.DRAIN)
        deadline = self._clock.monotonic() + self.queued_s + STALE_AFTER_S
        while not self.is_heard:
            if self._clock.monotonic() > deadline:
                raise DeviceError(f"{self._label} does not play to the end: taken for lost")
            await asyncio.sleep(min(max(self.queued_s, 0.005), POLL_S))
            self.check()

    async def clear(self) -> None:
        """Throw away what was not heard; a stalled device does it when it answers again."""
        self._epoch += 1
        self._sent = self._moved = self._heard = 0
        self._playhead.cut()
        self._cleared.clear()
        self._process.send(Kind.CLEAR, devicewire.pack_progress(self._epoch))
        try:
            async with asyncio.timeout(CLEAR_WITHIN_S):
                await self._cleared.wait()
        except TimeoutError:
            _log.debug("%s: does not fall silent at once", self._label)

    async def close(self) -> None:
        """Release the device."""
        await self._process.close()

    def check(self) -> None:
        """Raise the device's error; DeviceError too when it took no sound for too long."""
        if self._error is not None:
            raise self._error
        stale_s = self._clock.monotonic() - self._progress_at
        if self._sent != self._moved and stale_s > STALE_AFTER_S + self._playhead.remaining_s():
            raise DeviceError(f"{self._label} has taken no sound for {stale_s:.1f} s: taken for lost")

    def _packets(self, packets: list[Packet]) -> None:
        for kind, body in packets:
            if (failure := devicewire.failure_of(kind, body)) is not None:
                self._error = self._error or failure
                self._opened.set()
                self._cleared.set()
            elif kind is Kind.OPENED:
                self._format = devicewire.unpack_format(body)
                self._progress_at = self._clock.monotonic()
                self._opened.set()
            else:
                self._progress(kind, *devicewire.unpack_progress(body))

    def _progress(self, kind: Kind, epoch: int, frames: int, delay_s: float) -> None:
        if epoch != self._epoch or self._format is None:
            return  # about sound from before a `clear`
        self._progress_at = self._clock.monotonic()
        if kind is Kind.MOVED:
            self._playhead.moved((frames - self._moved) / self._format.rate_hz, delay_s)
            self._moved = frames
        elif kind is Kind.HEARD:
            self._heard = frames
        elif kind is Kind.CLEARED:
            self._cleared.set()


class DevicePlayback:
    """ports.PlaybackSink on a loudspeaker of one of the drivers. May be opened again after `close`."""

    def __init__(self, settings: PlaybackSettings, driver: str, clock: Clock) -> None:
        self._settings = settings
        self._driver = driver
        self._clock = clock
        self._output: DeviceOutput | None = None
        self._conversion: PlaybackConversion | None = None

    async def open(self, audio_format: AudioFormat) -> None:
        """Open for PCM of this format; an open device stays open and only the conversion changes. Raises DeviceError.

        One that was lost since it was used last is opened anew.
        """
        if audio_format.channels != 1:
            raise LocalMisuse("speech is mono")
        if self._output is not None and self._output.has_failed:
            await self.close()
        if self._output is None:
            self._output = DeviceOutput(self._order(audio_format), self._clock)
        try:
            self._conversion = PlaybackConversion(audio_format.rate_hz, await self._output.wait_opened())
        except BaseException:
            await self.close()
            raise

    async def write(self, pcm: bytes) -> None:
        """Hand over PCM; waits while more than MAX_QUEUED_S is queued. Raises DeviceError."""
        if self._output is None or self._conversion is None:
            raise LocalMisuse("the loudspeaker is not open")
        self._output.check()
        await self._output.play(self._conversion.convert(pcm))

    @property
    def queued_s(self) -> float:
        """Seconds between a sample handed over now and its being heard."""
        return self._output.queued_s if self._output is not None else 0.0

    async def drain(self) -> None:
        """Return when the last sample handed over has been heard. Raises DeviceError when the device stalls."""
        if self._output is None or self._conversion is None:
            return
        await self._output.play(self._conversion.flush())
        await self._output.drain()

    async def clear(self) -> None:
        """Throw away what was handed over and not heard yet; a stalled device does it when it answers again."""
        if self._output is None or self._conversion is None:
            return
        self._conversion.flush()
        await self._output.clear()

    async def close(self) -> None:
        """Release the device. Idempotent."""
        output, self._output, self._conversion = self._output, None, None
        if output is not None:
            await output.close()

    def _order(self, audio_format: AudioFormat) -> Order:
        settings = self._settings
        rate_hz, channels = settings.rate_hz or audio_format.rate_hz, settings.channels or audio_format.channels
        return Order("playback", self._driver, settings.device, rate_hz, channels)
