"""Volume: percent to amplitude, applied to PCM."""

import audioop

from satellite.core.audio import SAMPLE_BYTES


def amplitude(percent: int) -> float:
    """Factor for a volume of 0..100 percent; quadratic, so that equal steps sound about equal."""
    return (percent / 100) ** 2


def scale(pcm: bytes, percent: int) -> bytes:
    """The PCM at that volume; untouched at 100."""
    return pcm if percent >= 100 else audioop.mul(pcm, SAMPLE_BYTES, amplitude(percent))
