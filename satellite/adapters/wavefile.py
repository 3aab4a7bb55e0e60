"""Devices that are none: WAV files and nothing at all, both keeping real time as a device does."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from satellite.adapters.capture import BLOCK_BYTES, BlockMaker
from satellite.adapters.playhead import Playhead
from satellite.adapters.resampler import Resampler
from satellite.adapters.riff import WavHeader, WavWriter, read_header
from satellite.adapters.sound import MAX_QUEUED_S, STALE_AFTER_S, CaptureSettings
from satellite.core.audio import BLOCK_SAMPLES, RATE_HZ, SAMPLE_BYTES, AudioFormat, CaptureBlock
from satellite.errors import DeviceError, LocalMisuse, SatelliteError
from satellite.ports import Clock

BLOCK_S = BLOCK_SAMPLES / RATE_HZ
LATEST_S = STALE_AFTER_S
"""Further behind than this, a paced source goes on from now instead of catching up in a burst."""


class PacedCapture:
    """ports.CaptureSource that yields a block when a microphone would: by deadlines, without drift."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._on_block: Callable[[CaptureBlock], None] | None = None
        self._on_end: Callable[[Exception | None], None] | None = None
        self._timer: asyncio.Handle | None = None
        self._due_at = 0.0

    @property
    def overruns(self) -> int:
        """Always 0: nothing is lost here, only late."""
        return 0

    def start(self, on_block: Callable[[CaptureBlock], None], on_end: Callable[[Exception | None], None]) -> None:
        """Begin; see the port. The first block comes when its last sample would have been spoken."""
        if self._on_end is not None:
            raise LocalMisuse("a capture source is started once")
        self._on_block, self._on_end = on_block, on_end
        try:
            self._open()
        except SatelliteError as error:
            self._timer = asyncio.get_running_loop().call_soon(self._finish, error)
            return
        self._due_at = self._clock.monotonic() + BLOCK_S
        self._arm()

    async def stop(self) -> None:
        """No call-back comes afterwards. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._on_block = None
        self._close()

    def _open(self) -> None:
        """Make ready. Raises DeviceError or MediaError."""

    def _close(self) -> None:
        """Release. Idempotent."""

    def _next_block(self, arrived_at: float) -> CaptureBlock | None:
        """The next block, None at the end. Raises SatelliteError."""
        raise NotImplementedError

    def _arm(self) -> None:
        delay_s = max(0.0, self._due_at - self._clock.monotonic())
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._step)

    def _step(self) -> None:
        try:
            block = self._next_block(self._due_at)
        except SatelliteError as error:
            self._finish(error)
            return
        if block is None:
            self._finish(None)
            return
        self._due_at += BLOCK_S
        now = self._clock.monotonic()
        if now - self._due_at > LATEST_S:
            self._due_at = now
        self._arm()
        if self._on_block is not None:
            self._on_block(block)

    def _finish(self, error: Exception | None) -> None:
        self._timer = None
        self._close()
        if self._on_end is not None:
            self._on_end(error)


class NullCapture(PacedCapture):
    """Device "null": silence in real time."""

    def _next_block(self, arrived_at: float) -> CaptureBlock:
        return CaptureBlock(bytes(BLOCK_BYTES), arrived_at - BLOCK_S)


class FileCapture(PacedCapture):
    """Device "file:PATH": a WAV file of any integer PCM, spoken in real time; ends with the file."""

    def __init__(self, path: str, settings: CaptureSettings, clock: Clock) -> None:
        super().__init__(clock)
        self._path = path
        self._settings = settings
        self._file: BinaryIO | None = None
        self._header: WavHeader | None = None
        self._maker: BlockMaker | None = None
        self._left_bytes = 0
        self._blocks: list[CaptureBlock] = []

    def _open(self) -> None:
        try:
            self._file = Path(self._path).open("rb")  # noqa: SIM115 - open as long as the capture is
        except OSError as error:
            raise DeviceError(f"the audio file {self._path} cannot be read: {error.strerror}") from error
        self._header = read_header(self._file, self._path)
        self._left_bytes = self._header.data_bytes
        self._maker = BlockMaker(self._header.format, self._settings)

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _next_block(self, arrived_at: float) -> CaptureBlock | None:
        while not self._blocks and self._maker is not None and self._header is not None:
            pcm = self._read(self._header.format.rate_hz * BLOCK_SAMPLES // RATE_HZ * self._header.format.frame_bytes)
            if pcm:
                self._blocks = self._maker.push(pcm, arrived_at)
            else:
                self._blocks, self._maker = self._maker.flush(arrived_at), None
        return self._blocks.pop(0) if self._blocks else None

    def _read(self, wanted_bytes: int) -> bytes:
        """Whole frames from the file; b"" at its end, wherever the header says that is."""
        if self._file is None or self._header is None:
            return b""
        try:
            pcm = self._file.read(min(wanted_bytes, self._left_bytes))
        except OSError as error:
            raise DeviceError(f"the audio file {self._path} cannot be read: {error.strerror}") from error
        self._left_bytes -= len(pcm)
        return pcm[: len(pcm) - len(pcm) % self._header.format.frame_bytes]


class NullPlayback:
    """Device "null": a loudspeaker that nobody hears, in real time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._playhead = Playhead(clock.monotonic)
        self._rate_hz = 0

    async def open(self, audio_format: AudioFormat) -> None:
        """Take PCM of this format."""
        if audio_format.channels != 1:
            raise LocalMisuse("speech is mono")
        self._rate_hz = audio_format.rate_hz

    async def write(self, pcm: bytes) -> None:
        """Hand over PCM; waits while more than MAX_QUEUED_S is queued."""
        if not self._rate_hz:
            raise LocalMisuse("the loudspeaker is not open")
        self._playhead.moved(len(pcm) / SAMPLE_BYTES / self._rate_hz)
        await self._wait_until_queued(MAX_QUEUED_S)

    @property
    def queued_s(self) -> float:
        """Seconds between a sample handed over now and its being heard."""
        return self._playhead.remaining_s()

    async def drain(self) -> None:
        """Return when the last sample handed over would have been heard."""
        await self._wait_until_queued(0.0)

    async def clear(self) -> None:
        """Throw away what was not heard yet."""
        self._playhead.cut()

    async def close(self) -> None:
        """Nothing to release."""
        self._rate_hz = 0
        self._playhead.cut()

    async def _wait_until_queued(self, limit_s: float) -> None:
        while (excess_s := self.queued_s - limit_s) > 0:  # noqa: ASYNC110 - `clear` shortens the wait
            await asyncio.sleep(min(excess_s, 0.05))


class FilePlayback(NullPlayback):
    """Device "file:PATH": a WAV of all speech heard, one after the other; what was cut is not in it.

    The file is begun anew at the first `open`; later ones continue it at its first rate.
    """

    def __init__(self, path: str, clock: Clock) -> None:
        super().__init__(clock)
        self._path = path
        self._file_rate_hz = 0
        self._kept_bytes = 0
        self._writer: WavWriter | None = None
        self._resampler: Resampler | None = None

    async def open(self, audio_format: AudioFormat) -> None:
        """Take PCM of this format. Raises DeviceError when the file cannot be written."""
        await super().open(audio_format)
        if self._writer is None:
            try:
                self._file_rate_hz = self._file_rate_hz or audio_format.rate_hz
                self._writer = WavWriter(Path(self._path), AudioFormat(self._file_rate_hz), self._kept_bytes)
            except OSError as error:
                raise self._refused(error) from error
        self._resampler = Resampler(audio_format.rate_hz, self._file_rate_hz)

    async def write(self, pcm: bytes) -> None:
        """Hand over PCM; waits while more than MAX_QUEUED_S is queued. Raises DeviceError."""
        if self._resampler is not None:
            self._append(self._resampler.process(pcm))
        await super().write(pcm)

    async def drain(self) -> None:
        """Return when the last sample handed over would have been heard."""
        if self._resampler is not None:
            self._append(self._resampler.flush())
        await super().drain()

    async def clear(self) -> None:
        """Throw away what was not heard yet, in the file too."""
        if self._writer is not None and self._resampler is not None:
            self._resampler.flush()
            self._writer.cut(int(self.queued_s * self._file_rate_hz) * SAMPLE_BYTES)
        await super().clear()

    async def close(self) -> None:
        """What was not heard yet is cut. Idempotent."""
        await self.clear()
        await super().close()
        if self._writer is not None:
            self._kept_bytes = self._writer.data_bytes
            self._writer.close()
        self._writer = self._resampler = None

    def _append(self, pcm: bytes) -> None:
        if self._writer is None or not pcm:
            return
        try:
            self._writer.append(pcm)
        except OSError as error:
            raise self._refused(error) from error

    def _refused(self, error: OSError) -> DeviceError:
        return DeviceError(
            f"the audio file {self._path} cannot be written: {error.strerror}; the folder has to be there and writable"
        )
