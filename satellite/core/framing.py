"""Framer: any-length audio → frames of one length. BlockStamper: when the first sample of a block was captured."""

from satellite.core.audio import FRAME_SAMPLES, RATE_HZ, SAMPLE_BYTES

GAP_S = 0.5
"""A block that arrives this much later than predicted means that audio is missing before it."""
DRIFT_LIMIT = 200e-6
"""Fastest rise of the anchor, in seconds per second: two quartzes of ±100 ppm, the device's and the clock's."""


class Framer:
    """Cuts audio into frames of `frame_samples`; what is left over, odd bytes too, waits for the next push."""

    def __init__(self, frame_samples: int = FRAME_SAMPLES) -> None:
        self._frame_bytes = frame_samples * SAMPLE_BYTES
        self._carry = b""

    def push(self, data: bytes) -> list[bytes]:
        """The whole frames that are complete now, in order."""
        waiting = self._carry + data if self._carry else data
        whole_bytes = len(waiting) - len(waiting) % self._frame_bytes
        self._carry = waiting[whole_bytes:]
        return [waiting[at : at + self._frame_bytes] for at in range(0, whole_bytes, self._frame_bytes)]

    def reset(self) -> None:
        """Forget what was left over."""
        self._carry = b""


class BlockStamper:
    """Gives blocks of one device the monotonic time of their first sample.

    A block can only arrive late, never early: the stamps follow the sample count from the arrival with the
    least latency seen, so the jitter of arrivals does not show in them. A device slower than its nominal rate
    is followed by at most DRIFT_LIMIT; a faster one shows as earlier arrivals.
    """

    def __init__(self, rate_hz: int = RATE_HZ) -> None:
        self._rate_hz = rate_hz
        self._anchor_s: float | None = None
        self._samples = 0

    def stamp(self, samples: int, arrived_at: float) -> float:
        """Time of the first of `samples`, the last of which arrived at `arrived_at` (monotonic seconds)."""
        arrival_anchor_s = arrived_at - (self._samples + samples) / self._rate_hz
        anchor_s = self._anchored(arrival_anchor_s, samples)
        self._anchor_s = anchor_s
        start_s = anchor_s + self._samples / self._rate_hz
        self._samples += samples
        return start_s

    def gap(self, samples: int) -> None:
        """Count samples that the device captured and that never arrived."""
        self._samples += samples

    def _anchored(self, arrival_anchor_s: float, samples: int) -> float:
        """The time of sample zero, by what was known and by this arrival."""
        if self._anchor_s is None:
            return arrival_anchor_s
        late_s = arrival_anchor_s - self._anchor_s
        if late_s > GAP_S:
            return arrival_anchor_s
        return self._anchor_s + min(late_s, samples / self._rate_hz * DRIFT_LIMIT)
