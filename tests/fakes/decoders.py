"""Speech decoders for plays: one that keeps back, one that takes its time."""

import asyncio
from collections.abc import Callable, Sequence

from satellite.errors import MediaError
from satellite.ports import SpeechDecoder


class KeepingDecoder:
    """ports.SpeechDecoder: PCM as it is, but for the last unit, which only a flush brings out."""

    def __init__(self, rate_hz: int, on_pcm: Callable[[bytes], None], flush_s: float) -> None:
        self._rate_hz = rate_hz
        self._on_pcm = on_pcm
        self._flush_s = flush_s
        self._kept = b""
        self.fed: list[bytes] = []
        self.flushes = 0
        self.is_closed = False

    @property
    def rate_hz(self) -> int:
        return self._rate_hz

    def feed(self, units: Sequence[bytes]) -> None:
        assert not self.is_closed
        for unit in units:
            self.fed.append(unit)
            if self._kept:
                self._on_pcm(self._kept)
            self._kept = unit

    async def flush(self) -> None:
        self.flushes += 1
        await asyncio.sleep(self._flush_s)
        kept, self._kept = self._kept, b""
        if not self.is_closed:
            self._on_pcm(kept)

    def close(self) -> None:
        self.is_closed = True
        self._kept = b""


class Decoders:
    """ports.DecoderFactory that remembers what it made; `nothing/…` cannot be decoded."""

    def __init__(self, rate_hz: int = 16_000, flush_s: float = 0.01) -> None:
        self.rate_hz = rate_hz
        self.flush_s = flush_s
        self.made: list[KeepingDecoder] = []
        self.headers: list[tuple[bytes, ...]] = []

    def __call__(self, content_type: str, headers: Sequence[bytes], on_pcm: Callable[[bytes], None]) -> SpeechDecoder:
        if content_type.startswith("nothing/"):
            raise MediaError(f"{content_type} cannot be decoded; ask the service for PCM")
        self.made.append(KeepingDecoder(self.rate_hz, on_pcm, self.flush_s))
        self.headers.append(tuple(headers))
        return self.made[-1]
