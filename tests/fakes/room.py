"""A room in virtual time: who speaks when, and the microphone that stands in it."""

import asyncio
from collections import deque
from collections.abc import Callable

from satellite.core.audio import BLOCK_SAMPLES, RATE_HZ, SAMPLE_BYTES, CaptureBlock
from satellite.errors import DeviceError

BLOCK_S = BLOCK_SAMPLES / RATE_HZ
LOUD = (1000).to_bytes(2, "little")
SILENT = bytes(2)


class LoudDetector:
    """ports.Detector: a frame that has mostly sound in it is speech."""

    def probability(self, frame: bytes) -> float:
        return 1.0 if frame.count(LOUD) * SAMPLE_BYTES > len(frame) // 2 else 0.0


class Room:
    """Holds what is said, in seconds of the loop's time, and every capture that was opened."""

    def __init__(self) -> None:
        self.captures: list[ScriptedCapture] = []
        self.refusals: deque[DeviceError] = deque()
        """What the next attempts to open the device come to."""
        self.ends_at: float | None = None
        """When the file that stands for the microphone is at its end."""
        self.overruns = 0
        self.stop_s = 0.0
        self._spoken: list[tuple[float, float]] = []

    def speak(self, seconds: float, in_s: float = 0.0) -> None:
        """Somebody speaks, from that many seconds from now on."""
        start = asyncio.get_running_loop().time() + in_s
        self._spoken.append((start, start + seconds))

    def open_capture(self) -> "ScriptedCapture":
        """A microphone; DeviceError comes from `start`, as with a real device."""
        self.captures.append(ScriptedCapture(self))
        return self.captures[-1]

    @property
    def capture(self) -> "ScriptedCapture":
        """The capture opened last."""
        return self.captures[-1]

    def sound(self, start: float, samples: int) -> bytes:
        """What is heard in the room from a moment on."""
        step = RATE_HZ // 1000  # a millisecond is fine enough
        loud = [any(a <= start + at / RATE_HZ < b for a, b in self._spoken) for at in range(0, samples, step)]
        return b"".join((LOUD if is_loud else SILENT) * step for is_loud in loud)


class ScriptedCapture:
    """ports.CaptureSource that delivers what is heard in the room, a block each 100 ms."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._on_block: Callable[[CaptureBlock], None] | None = None
        self._on_end: Callable[[Exception | None], None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._start = 0.0
        self.opened_at = 0.0
        self.stopped_at: float | None = None

    @property
    def overruns(self) -> int:
        return self._room.overruns

    def start(self, on_block: Callable[[CaptureBlock], None], on_end: Callable[[Exception | None], None]) -> None:
        if self._room.refusals:
            raise self._room.refusals.popleft()
        self._on_block, self._on_end = on_block, on_end
        self.opened_at = self._start = asyncio.get_running_loop().time()
        self._arm()

    async def stop(self) -> None:
        self._disarm()
        self._on_block = self._on_end = None
        await asyncio.sleep(self._room.stop_s)
        self.stopped_at = asyncio.get_running_loop().time()

    def fail(self, failure: Exception | None = None) -> None:
        """The device is lost, or the program behind it failed."""
        self._disarm()
        assert self._on_end is not None
        self._on_end(failure or DeviceError("pulled out"))

    def block(self, captured_at: float, samples: int = BLOCK_SAMPLES) -> None:
        """A block comes out of turn."""
        assert self._on_block is not None
        self._on_block(CaptureBlock(self._room.sound(captured_at, samples), captured_at))

    def skip(self, seconds: float) -> None:
        """The device loses this much audio."""
        self._start += seconds
        self._disarm()
        self._arm()

    def _arm(self) -> None:
        self._timer = asyncio.get_running_loop().call_at(self._start + BLOCK_S, self._deliver)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _deliver(self) -> None:
        ends_at = self._room.ends_at
        if ends_at is not None and self._start >= ends_at:
            assert self._on_end is not None
            self._on_end(None)
            return
        start, self._start = self._start, self._start + BLOCK_S
        self._arm()
        self.block(start)
