"""Capture from a device in a process of its own: its packets to stamped blocks, delivered and watched on the loop."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import replace

from satellite.adapters import devicewire
from satellite.adapters.conversion import CaptureConversion
from satellite.adapters.devicehandle import DeviceProcess
from satellite.adapters.deviceside import Order
from satellite.adapters.devicewire import Kind, Packet
from satellite.adapters.sound import OPEN_WITHIN_S, STALE_AFTER_S, CaptureSettings, DeviceFormat
from satellite.core.audio import BLOCK_SAMPLES, RATE_HZ, SAMPLE_BYTES, CaptureBlock
from satellite.core.framing import BlockStamper
from satellite.errors import DeviceError, LocalMisuse, SatelliteError
from satellite.ports import Clock

BLOCK_BYTES = BLOCK_SAMPLES * SAMPLE_BYTES
MAX_PENDING_BLOCKS = 10
"""One second of blocks may wait for a late event loop; then the oldest goes."""
MAX_AHEAD_S = 3.0
FASTEST = 1.1
"""A device this many times faster than real time is none: what some ALSA plug-ins give when their source has ended."""
SHORTEST_GAP_S = 0.01
"""Stamps of blocks that follow each other differ from their length by less."""
LATE_LOOP_S = 0.25
"""A stale-check that comes this late says that the loop or the machine slept, not that the device is silent."""


class BlockMaker:
    """Turns a device's PCM into stamped blocks of BLOCK_SAMPLES."""

    def __init__(self, device: DeviceFormat, settings: CaptureSettings) -> None:
        self._conversion = CaptureConversion(device, settings.channel, settings.gain_db)
        self._stamper = BlockStamper(RATE_HZ)
        self._name = settings.device
        self._waiting = b""
        self._device = device
        self._ahead_s = 0.0
        self._arrived_at: float | None = None

    def push(self, pcm: bytes, arrived_at: float) -> list[CaptureBlock]:
        """The blocks that are complete with this PCM, whose last sample arrived at `arrived_at`. Raises DeviceError."""
        self._check_pace(pcm, arrived_at)
        mono = self._conversion.convert(pcm)
        if not self._waiting and len(mono) == BLOCK_BYTES:
            return [self._block(mono, arrived_at)]
        mono = self._waiting + mono
        whole = len(mono) - len(mono) % BLOCK_BYTES
        self._waiting = mono[whole:]
        blocks = []
        for at in range(0, whole, BLOCK_BYTES):
            behind_s = (len(mono) - at - BLOCK_BYTES) / SAMPLE_BYTES / RATE_HZ
            blocks.append(self._block(mono[at : at + BLOCK_BYTES], arrived_at - behind_s))
        return blocks

    def flush(self, arrived_at: float) -> list[CaptureBlock]:
        """Whole blocks and a last shorter one from what is held back."""
        rest = self._waiting + self._conversion.flush()
        self._waiting = b""
        return [self._block(rest[at : at + BLOCK_BYTES], arrived_at) for at in range(0, len(rest), BLOCK_BYTES)]

    def gap(self, lost_s: float) -> int:
        """The device lost this much; an incomplete block goes with it. Returns the lost blocks, at least one."""
        samples = int(lost_s * RATE_HZ) + len(self._waiting) // SAMPLE_BYTES
        self._waiting = b""
        self._stamper.gap(samples)
        return max(1, math.ceil(samples / BLOCK_SAMPLES))

    def _check_pace(self, pcm: bytes, arrived_at: float) -> None:
        elapsed_s = 0.0 if self._arrived_at is None else arrived_at - self._arrived_at
        self._arrived_at = arrived_at
        spoken_s = len(pcm) / self._device.frame_bytes / self._device.rate_hz
        self._ahead_s = max(0.0, self._ahead_s + spoken_s / FASTEST - elapsed_s)
        if self._ahead_s > MAX_AHEAD_S:
            raise DeviceError(
                f"microphone {self._name} delivers faster than one can speak: its source has ended, taken for lost"
            )

    def _block(self, data: bytes, arrived_at: float) -> CaptureBlock:
        return CaptureBlock(data, self._stamper.stamp(len(data) // SAMPLE_BYTES, arrived_at))


class SilenceWatch:
    """Notices a device that has fallen silent; a loop or a machine that slept is not taken for that."""

    def __init__(self, clock: Clock, on_silent: Callable[[float], None]) -> None:
        self._clock = clock
        self._on_silent = on_silent
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._may_be_silent_s = 0.0
        self._alive_at = self._due_at = clock.monotonic()

    def begin(self, may_be_silent_s: float) -> None:
        """From now on it may be silent for so long at once."""
        self.stop()
        self._may_be_silent_s = may_be_silent_s
        self.alive()
        self._arm(may_be_silent_s)

    def alive(self) -> None:
        """Something came."""
        self._alive_at = self._clock.monotonic()

    def stop(self) -> None:
        """Notice nothing any longer."""
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self, delay_s: float) -> None:
        self._due_at = self._clock.monotonic() + delay_s
        self._timer = self._loop.call_later(delay_s, self._check)

    def _check(self) -> None:
        now = self._clock.monotonic()
        silent_s = now - self._alive_at if now - self._due_at <= LATE_LOOP_S else 0.0
        if silent_s >= self._may_be_silent_s:
            self._on_silent(silent_s)
        else:
            self._arm(self._may_be_silent_s - silent_s)


class DeviceCapture:
    """ports.CaptureSource on a microphone of one of the drivers."""

    def __init__(self, settings: CaptureSettings, driver: str, clock: Clock) -> None:
        self._settings = settings
        self._driver = driver
        self._clock = clock
        self._on_block: Callable[[CaptureBlock], None] = _ignore
        self._on_end: Callable[[Exception | None], None] = _ignore
        self._process: DeviceProcess | None = None
        self._watch: SilenceWatch | None = None
        self._maker: BlockMaker | None = None
        self._is_over = False
        self._next_at: float | None = None
        self._overruns = 0

    @property
    def overruns(self) -> int:
        """Blocks lost in the device, on their way, and before a late event loop."""
        return self._overruns

    def start(self, on_block: Callable[[CaptureBlock], None], on_end: Callable[[Exception | None], None]) -> None:
        """Begin capturing; see the port. Raises DeviceError when not even a process can be started."""
        if self._watch is not None:
            raise LocalMisuse("a capture source is started once")
        settings = self._settings
        order = Order("capture", self._driver, settings.device, settings.rate_hz, settings.channels)
        self._on_block, self._on_end = on_block, on_end
        self._watch = SilenceWatch(self._clock, self._silent)
        self._process = DeviceProcess(order, self._clock, self._packets)
        self._watch.begin(OPEN_WITHIN_S)

    async def stop(self) -> None:
        """Close the device; no call-back comes afterwards. Idempotent, returns within two seconds."""
        self._is_over = True
        if self._watch is not None:
            self._watch.stop()
        if self._process is not None:
            await self._process.close()

    def _packets(self, packets: list[Packet]) -> None:
        blocks: list[CaptureBlock] = []
        failure: SatelliteError | None = None
        try:
            for kind, body in packets:
                self._packet(kind, body, blocks)
        except SatelliteError as error:
            failure = error
        self._overruns += max(0, len(blocks) - MAX_PENDING_BLOCKS)
        for block in blocks[-MAX_PENDING_BLOCKS:]:
            if not self._is_over:
                self._on_block(self._after_gap(block))
        if failure is not None:
            self._end(failure)

    def _packet(self, kind: Kind, body: bytes, blocks: list[CaptureBlock]) -> None:
        """Take one packet; the blocks that are complete with it go behind the others. Raises SatelliteError."""
        if (failure := devicewire.failure_of(kind, body)) is not None:
            raise failure
        if kind is Kind.OPENED:
            self._maker = BlockMaker(devicewire.unpack_format(body), self._settings)
            if self._watch is not None and not self._is_over:
                self._watch.begin(STALE_AFTER_S)
        elif self._maker is not None and kind is Kind.AUDIO:
            blocks += self._maker.push(*devicewire.unpack_audio(body))
            if self._watch is not None:
                self._watch.alive()
        elif self._maker is not None and kind is Kind.GAP:
            self._overruns += self._maker.gap(devicewire.unpack_seconds(body))

    def _after_gap(self, block: CaptureBlock) -> CaptureBlock:
        """The block with what is missing before it, whoever lost it: the time stamps tell."""
        gap_s = 0.0 if self._next_at is None else block.captured_at - self._next_at
        self._next_at = block.captured_at + len(block.data) / SAMPLE_BYTES / RATE_HZ
        return block if gap_s < SHORTEST_GAP_S else replace(block, lost_s=gap_s)

    def _silent(self, silent_s: float) -> None:
        name = self._settings.device
        if self._maker is None:
            self._end(DeviceError(f"microphone {name} does not open within {silent_s:.0f} s: its driver hangs"))
        else:
            self._end(DeviceError(f"microphone {name} has delivered nothing for {silent_s:.1f} s: taken for lost"))

    def _end(self, failure: Exception) -> None:
        if not self._is_over:
            self._is_over = True
            if self._watch is not None:
                self._watch.stop()
            self._on_end(failure)


def _ignore(_: object) -> None:
    """Not started yet."""
