"""Level: how loud PCM is, and what a second of it tells of a microphone."""

import math
import struct
from dataclasses import dataclass

from satellite.core.audio import SAMPLE_BYTES

FULL_SCALE = 32_768
RIM = 32_766
"""Samples beyond it are taken for cut off: some converters stop one step before the end of the scale."""
QUIETEST_DBFS = -96.0
"""What 16 bits can tell from nothing."""


@dataclass(frozen=True, slots=True)
class Level:
    """Of signed 16-bit PCM. `rms_dbfs` is without the constant part, which `offset` is (as a share of full scale)."""

    rms_dbfs: float
    peak_dbfs: float
    offset: float
    clipped_share: float
    span: int
    """From the lowest to the highest sample, in steps of the scale."""


def measure(pcm: bytes) -> Level:
    """The level of mono PCM; that of nothing is the quietest."""
    count = len(pcm) // SAMPLE_BYTES
    if not count:
        return Level(QUIETEST_DBFS, QUIETEST_DBFS, 0.0, 0.0, 0)
    samples = struct.unpack(f"<{count}h", pcm[: count * SAMPLE_BYTES])
    mean = sum(samples) / count
    power = sum((sample - mean) ** 2 for sample in samples) / count
    return Level(
        rms_dbfs=dbfs(math.sqrt(power)),
        peak_dbfs=dbfs(max(abs(sample) for sample in samples)),
        offset=mean / FULL_SCALE,
        clipped_share=sum(abs(sample) >= RIM for sample in samples) / count,
        span=max(samples) - min(samples),
    )


def dbfs(amplitude: float) -> float:
    """Decibels below full scale of an amplitude in steps of the scale, no less than the quietest."""
    return max(QUIETEST_DBFS, 20 * math.log10(amplitude / FULL_SCALE)) if amplitude > 0 else QUIETEST_DBFS


def tone(frequency_hz: float, seconds: float, level_dbfs: float, rate_hz: int) -> bytes:
    """A sine of that peak level as mono PCM, faded in and out so that it does not click."""
    count = round(seconds * rate_hz)
    fade = max(1, round(count * 0.1))
    peak = (FULL_SCALE - 1) * 10 ** (level_dbfs / 20)
    samples = (
        peak * min(1.0, at / fade, (count - at) / fade) * math.sin(2 * math.pi * frequency_hz * at / rate_hz)
        for at in range(count)
    )
    return struct.pack(f"<{count}h", *map(round, samples))
