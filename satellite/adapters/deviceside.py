"""The device's side of the wire, in the process that holds it: what was asked for, captured audio, queued sound."""

import select
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from satellite.adapters import devicewire
from satellite.adapters.clock import SystemClock
from satellite.adapters.devicewire import Kind, Wire
from satellite.adapters.playhead import Playhead
from satellite.adapters.sound import DeviceFormat, Direction

BLOCK_S = 0.1
"""Audio goes to the satellite in packets of this length: one wake-up each."""
CLOCK = SystemClock()


@dataclass(frozen=True, slots=True)
class Order:
    """What a device's process is for."""

    direction: Direction
    driver: str
    device: str
    rate_hz: int
    channels: int

    def arguments(self) -> list[str]:
        """As words of a command line."""
        return [self.direction, self.driver, self.device, str(self.rate_hz), str(self.channels)]

    @classmethod
    def parsed(cls, arguments: Sequence[str]) -> Self:
        """From the words of a command line."""
        direction, driver, device, rate_hz, channels = arguments
        return cls("capture" if direction == "capture" else "playback", driver, device, int(rate_hz), int(channels))

    @property
    def wanted(self) -> DeviceFormat:
        """What the device is asked for."""
        return DeviceFormat(self.rate_hz, self.channels)


def wait(wire: Wire, timeout_s: float | None) -> bool:
    """Sleep until the satellite has something to say or is gone, at most that long; True when it has."""
    return bool(select.select([wire], [], [], timeout_s)[0])


class Recorder:
    """Captured audio on its way to the satellite; what it cannot take is a gap before what it takes next."""

    def __init__(self, wire: Wire, device: DeviceFormat) -> None:
        self._wire = wire
        self._device = device
        self._block_bytes = int(device.rate_hz * BLOCK_S) * device.frame_bytes
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._lost_s = 0.0

    @property
    def missing_s(self) -> float:
        """Seconds until the next packet is complete."""
        return self._seconds(self._block_bytes - self._waiting_bytes)

    def audio(self, pcm: bytes, arrived_at: float) -> None:
        """Whole frames, the last of which arrived at that monotonic time."""
        self._waiting.append(pcm)
        self._waiting_bytes += len(pcm)
        if self._waiting_bytes < self._block_bytes:
            return
        data = b"".join(self._waiting)
        whole_bytes = len(data) - len(data) % self._block_bytes
        for at in range(0, whole_bytes, self._block_bytes):
            end = at + self._block_bytes
            self._send(data[at:end], arrived_at - self._seconds(len(data) - end))
        self._keep(data[whole_bytes:])

    def gap(self, lost_s: float) -> None:
        """So much was lost behind what came, and what does not fill a packet goes with it."""
        self._lost_s += lost_s + self._seconds(self._waiting_bytes)
        self._keep(b"")
        self._tell_gap()

    def _send(self, pcm: bytes, arrived_at: float) -> None:
        if self._lost_s:
            self._tell_gap()
        if self._lost_s or not self._wire.send(Kind.AUDIO, devicewire.pack_audio(pcm, arrived_at)):
            self._lost_s += self._seconds(len(pcm))

    def _tell_gap(self) -> None:
        if self._wire.send(Kind.GAP, devicewire.pack_seconds(self._lost_s)):
            self._lost_s = 0.0

    def _keep(self, rest: bytes) -> None:
        self._waiting = [rest] if rest else []
        self._waiting_bytes = len(rest)

    def _seconds(self, pcm_bytes: int) -> float:
        return pcm_bytes / self._device.frame_bytes / self._device.rate_hz


class Queue:
    """Sound from the satellite on its way into the device, and how far that has come; safe from two threads."""

    def __init__(self, wire: Wire, device: DeviceFormat) -> None:
        self._wire = wire
        self._device = device
        self._lock = threading.Lock()
        self._chunks: deque[bytes] = deque()
        self._epoch = 0
        self._received = 0
        self._moved = 0
        self._heard = 0
        self.playhead = Playhead(CLOCK.monotonic)
        self.clear_asked = False
        self.drain_asked = False

    @property
    def has_sound_to_finish(self) -> bool:
        """True from the first frame until all is heard."""
        return self._heard != self._received

    def obey(self) -> None:
        """Do what the satellite has said meanwhile."""
        for kind, body in self._wire.receive():
            with self._lock:
                if kind is Kind.PLAY:
                    self._chunks.append(body)
                    self._received += len(body) // self._device.frame_bytes
                    self.drain_asked = False
                elif kind is Kind.DRAIN:
                    self.drain_asked = True
                elif kind is Kind.CLEAR:
                    self._clear(devicewire.unpack_progress(body)[0])

    def take(self, max_bytes: int) -> bytes:
        """The oldest sound, b"" when none waits; a full take may join several chunks."""
        taken: list[bytes] = []
        with self._lock:
            while max_bytes and self._chunks:
                chunk = self._chunks.popleft()
                if len(chunk) > max_bytes:
                    self._chunks.appendleft(chunk[max_bytes:])
                    chunk = chunk[:max_bytes]
                taken.append(chunk)
                max_bytes -= len(chunk)
        return b"".join(taken)

    def moved(self, frames: int, delay_s: float = 0.0) -> None:
        """The device took that many frames and has at least that much left to play."""
        with self._lock:
            self._moved = min(self._moved + frames, self._received)
            self.playhead.moved(frames / self._device.rate_hz, delay_s)
            self._wire.send(Kind.MOVED, devicewire.pack_progress(self._epoch, self._moved, delay_s))

    def finished(self) -> None:
        """The device has played all that came; told once."""
        with self._lock:
            if self._heard != self._received == self._moved:
                self._heard = self._received
                self.drain_asked = False
                self._wire.send(Kind.HEARD, devicewire.pack_progress(self._epoch, self._heard))

    def cleared(self) -> None:
        """The device threw away what it had."""
        with self._lock:
            self.clear_asked = False
            self.playhead.cut()
            self._wire.send(Kind.CLEARED, devicewire.pack_progress(self._epoch))

    def _clear(self, epoch: int) -> None:
        self._chunks.clear()
        self._epoch = epoch
        self._received = self._moved = self._heard = 0
        self.drain_asked = False
        self.clear_asked = True
