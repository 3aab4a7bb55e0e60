"""From a device's thread to the event loop: blocks cut and stamped on one side, delivered and watched on the other."""

import asyncio
import logging
import math
import threading
from collections import deque
from collections.abc import Callable

from satellite.adapters.conversion import CaptureConversion, DeviceFormat
from satellite.adapters.sound import CLOSE_WITHIN_S, OPEN_WITHIN_S, STALE_AFTER_S, CaptureSettings
from satellite.core.audio import BLOCK_SAMPLES, RATE_HZ, SAMPLE_BYTES, CaptureBlock
from satellite.core.framing import BlockStamper
from satellite.errors import DeviceError, LocalMisuse
from satellite.ports import Clock

BLOCK_BYTES = BLOCK_SAMPLES * SAMPLE_BYTES
MAX_PENDING_BLOCKS = 10
"""One second of blocks may wait for a late event loop; then the oldest goes."""
MAX_AHEAD_S = 3.0
FASTEST = 1.1
"""A device this many times faster than real time is none: what some ALSA plug-ins give when their source has ended."""
LATE_LOOP_S = 0.25
"""A stale-check that comes this late says that the loop or the machine slept, not that the device is silent."""

_log = logging.getLogger(__name__)


class BlockMaker:
    """Turns a device's PCM into stamped blocks of BLOCK_SAMPLES; lives in the device's thread."""

    def __init__(self, device: DeviceFormat, settings: CaptureSettings) -> None:
        self._conversion = CaptureConversion(device, settings.channel, settings.gain_db)
        self._stamper = BlockStamper(RATE_HZ)
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

    @property
    def missing_s(self) -> float:
        """Seconds of audio until the next block is complete."""
        return (BLOCK_BYTES - len(self._waiting)) / SAMPLE_BYTES / RATE_HZ

    def _check_pace(self, pcm: bytes, arrived_at: float) -> None:
        elapsed_s = 0.0 if self._arrived_at is None else arrived_at - self._arrived_at
        self._arrived_at = arrived_at
        spoken_s = len(pcm) / self._device.frame_bytes / self._device.rate_hz
        self._ahead_s = max(0.0, self._ahead_s + spoken_s / FASTEST - elapsed_s)
        if self._ahead_s > MAX_AHEAD_S:
            raise DeviceError("the microphone delivers faster than one can speak: its source has ended, taken for lost")

    def _block(self, data: bytes, arrived_at: float) -> CaptureBlock:
        return CaptureBlock(data, self._stamper.stamp(len(data) // SAMPLE_BYTES, arrived_at))


class BlockRelay:
    """Brings blocks to the loop with one hand-over each, reports the end once, and notices a device fallen silent."""

    def __init__(
        self,
        label: str,
        clock: Clock,
        on_block: Callable[[CaptureBlock], None],
        on_end: Callable[[Exception | None], None],
    ) -> None:
        self.dropped = 0
        self._label = label
        self._clock = clock
        self._on_block = on_block
        self._on_end = on_end
        self._pending: deque[CaptureBlock] = deque(maxlen=MAX_PENDING_BLOCKS)
        self._loop = asyncio.get_running_loop()
        self._is_closed = False
        self._may_be_silent_s = OPEN_WITHIN_S
        self._alive_at = clock.monotonic()
        self._check_due_at = self._alive_at + OPEN_WITHIN_S
        self._check = self._loop.call_later(OPEN_WITHIN_S, self._check_alive)

    def opened(self) -> None:
        """The device is open and has STALE_AFTER_S for its first block; from the device's thread."""
        self.post(self._begin)

    def offer(self, block: CaptureBlock) -> None:
        """Hand a block over; from the device's thread. The oldest waiting one is dropped when the loop is late."""
        self.dropped += len(self._pending) == MAX_PENDING_BLOCKS
        self._pending.append(block)
        self.post(self._deliver)

    def finish(self, error: Exception | None) -> None:
        """Report the end, after the blocks handed over before; from the device's thread."""
        self.post(self._end, error)

    def post(self, callback: Callable[..., None], *args: object) -> None:
        """Run on the loop; from the device's thread."""
        try:
            self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            # the loop is closed: a thread that was left behind in a stalled device has nobody to report to
            _log.debug("capture %s: outlived the event loop", self._label)

    def close(self) -> None:
        """No call-back comes afterwards; on the loop."""
        self._is_closed = True
        self._check.cancel()
        self._pending.clear()

    def _begin(self) -> None:
        if not self._is_closed:
            self._alive_at = self._clock.monotonic()
            self._may_be_silent_s = STALE_AFTER_S
            self._watch(STALE_AFTER_S)

    def _deliver(self) -> None:
        if self._is_closed or not self._pending:
            return
        self._alive_at = self._clock.monotonic()
        self._on_block(self._pending.popleft())

    def _end(self, error: Exception | None) -> None:
        if not self._is_closed:
            self.close()
            self._on_end(error)

    def _check_alive(self) -> None:
        now = self._clock.monotonic()
        silent_s = now - self._alive_at
        if now - self._check_due_at > LATE_LOOP_S:
            silent_s = 0.0
        if silent_s >= self._may_be_silent_s:
            self._end(
                DeviceError(f"microphone {self._label} has delivered nothing for {silent_s:.1f} s: taken for lost")
            )
        else:
            self._watch(self._may_be_silent_s - silent_s)

    def _watch(self, delay_s: float) -> None:
        self._check.cancel()
        self._check_due_at = self._clock.monotonic() + delay_s
        self._check = self._loop.call_later(delay_s, self._check_alive)


class DeviceThread:
    """One thread for one device: runs `body`, reports its error, and is waited for with a bound."""

    def __init__(self, name: str, body: Callable[[], None], on_exit: Callable[[Exception | None], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._body = body
        self._on_exit = on_exit
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def wait_ended(self, timeout_s: float = CLOSE_WITHIN_S) -> bool:
        """True when the thread ended in time; a stalled device keeps its thread, and is left behind with it."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._ended.wait()
        except TimeoutError:
            _log.warning("%s: the device does not answer; its thread is left behind", self._thread.name)
            return False
        return True

    def _run(self) -> None:
        error: Exception | None = None
        try:
            self._body()
        except Exception as caught:  # noqa: BLE001 - a thread's border: whatever it was has to reach the loop
            error = caught
        self._on_exit(error)
        try:
            self._loop.call_soon_threadsafe(self._ended.set)
        except RuntimeError:
            _log.debug("%s: outlived the event loop", self._thread.name)


class ThreadCapture:
    """ports.CaptureSource over a device that is read in its own thread; subclasses read it."""

    def __init__(self, settings: CaptureSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._stopping = threading.Event()
        self._relay: BlockRelay | None = None
        self._thread: DeviceThread | None = None
        self._device_overruns = 0

    @property
    def overruns(self) -> int:
        """Blocks lost in the device and before a late event loop."""
        return self._device_overruns + (self._relay.dropped if self._relay else 0)

    def start(self, on_block: Callable[[CaptureBlock], None], on_end: Callable[[Exception | None], None]) -> None:
        """Begin capturing; see the port."""
        if self._relay is not None:
            raise LocalMisuse("a capture source is started once")
        self._relay = relay = BlockRelay(self._settings.device, self._clock, on_block, on_end)
        self._thread = DeviceThread(f"capture {self._settings.device}", lambda: self._capture(relay), relay.finish)

    async def stop(self) -> None:
        """Close the device; no call-back comes afterwards. Idempotent, returns within two seconds."""
        self._stopping.set()
        if self._relay is not None:
            self._relay.close()
        if self._thread is not None:
            thread, self._thread = self._thread, None
            await thread.wait_ended()

    def _capture(self, relay: BlockRelay) -> None:
        """Open, read until `_stopping` is set, close; runs in the device's thread."""
        raise NotImplementedError
