"""A loudspeaker in virtual time that remembers what was heard when."""

import asyncio
from dataclasses import dataclass

from satellite.core.audio import SAMPLE_BYTES, AudioFormat
from satellite.errors import DeviceError

QUEUE_S = 0.2


@dataclass
class Heard:
    """A stretch of sound without a pause; times are the loop's."""

    start: float
    end: float
    pcm: bytes
    rate_hz: int


class ScriptedSink:
    """ports.PlaybackSink: takes 200 ms ahead, and everything takes the time it takes."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.opened: list[int] = []
        self.closed_at: list[float] = []
        self.open_fails: DeviceError | None = None
        self.write_fails: DeviceError | None = None
        self.open_s = 0.0
        self.drain_s = 0.0
        self.close_s = 0.0
        self._rate_hz: int | None = None
        self._busy_until = 0.0

    async def open(self, audio_format: AudioFormat) -> None:
        assert audio_format.channels == 1
        assert self.queued_s == 0, "the format changes under what is not heard yet"
        await asyncio.sleep(self.open_s)
        if self.open_fails is not None:
            raise self.open_fails
        self._rate_hz = audio_format.rate_hz
        self.opened.append(audio_format.rate_hz)

    async def write(self, pcm: bytes) -> None:
        assert self._rate_hz is not None, "write to a closed loudspeaker"
        if self.write_fails is not None:
            raise self.write_fails
        now = self._now()
        start = max(now, self._busy_until)
        self._busy_until = start + len(pcm) / SAMPLE_BYTES / self._rate_hz
        last = self.heard[-1] if self.heard else None
        if last is not None and abs(last.end - start) < 1e-6 and last.rate_hz == self._rate_hz:
            last.pcm, last.end = last.pcm + pcm, self._busy_until
        else:
            self.heard.append(Heard(start, self._busy_until, pcm, self._rate_hz))
        await asyncio.sleep(max(0.0, self.queued_s - QUEUE_S))

    @property
    def queued_s(self) -> float:
        return max(0.0, self._busy_until - self._now())

    async def drain(self) -> None:
        await asyncio.sleep(self.queued_s + self.drain_s)

    async def clear(self) -> None:
        unheard_s = self.queued_s
        if unheard_s:
            last = self.heard[-1]
            last.end = self._busy_until = self._now()
            last.pcm = last.pcm[: len(last.pcm) - round(unheard_s * last.rate_hz) * SAMPLE_BYTES]

    async def close(self) -> None:
        await asyncio.sleep(self.close_s)
        if self._rate_hz is not None:
            self.closed_at.append(self._now())
        self._rate_hz = None
        self._busy_until = 0.0

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
