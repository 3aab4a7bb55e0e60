"""The published rules of the upstream audio (DeepL Voice reference §9.1), judged from arrival times."""

from dataclasses import dataclass

from satellite.emulator.deepl.settings import DeepLLimits
from satellite.emulator.report import Pacing
from satellite.emulator.stalls import Stalls

MAX_CHUNK_BYTES = 100_000
"""The tightest reading of "100 kilobyte": decimal, and counted as transferred (base64 in JSON)."""
MAX_CHUNK_MS = 1_000.0
MAX_SPEED = 2.0
TIME_SLACK_MS = 0.001
"""Rounding of durations; less than a sample."""


@dataclass(frozen=True, slots=True)
class Breach:
    """A broken rule and the error code the service answers with."""

    rule: str
    detail: str
    code: int


def check_size(wire_bytes: int, audio_bytes: int, frame_bytes: int) -> Breach | None:
    """Size rules of one chunk: not empty, not over 100 kB as transferred, whole samples."""
    if audio_bytes == 0:
        return Breach("empty_chunk", "a chunk without audio", 400)
    if wire_bytes > MAX_CHUNK_BYTES:
        return Breach("chunk_too_large", f"{wire_bytes} bytes in one chunk, at most {MAX_CHUNK_BYTES}", 400)
    if audio_bytes % frame_bytes:
        return Breach("cut_sample", f"{audio_bytes} bytes are no multiple of {frame_bytes}", 400)
    return None


class PaceRule:
    """Judges gaps and overall speed of one connection's chunks; feed every chunk in order of arrival."""

    def __init__(self, limits: DeepLLimits, stalls: Stalls) -> None:
        self._jitter_s = limits.jitter_ms / 1000
        self._stalls = stalls
        self._first_s: float | None = None
        self._last_s = 0.0
        self._last_ms = 0.0
        self._sum_ms = 0.0
        self.pacing = Pacing()

    def chunk(self, duration_ms: float, now: float) -> Breach | None:
        """Judge a chunk that arrived at `now` (seconds) and plays for `duration_ms`."""
        breach = None
        if duration_ms > MAX_CHUNK_MS + TIME_SLACK_MS:
            breach = Breach("chunk_too_long", f"{duration_ms:.0f} ms in one chunk, at most {MAX_CHUNK_MS:.0f}", 400)
        if self._first_s is None:
            self._first_s = now
        else:
            breach = breach or self._gap(now) or self._speed(now, now - self._first_s)
        self._last_s, self._last_ms = now, duration_ms
        self._sum_ms += duration_ms
        return breach

    def _gap(self, now: float) -> Breach | None:
        gap_s, half_s = now - self._last_s, self._last_ms / 2000
        allowance_s = self._jitter_s + self._stalls.between(self._last_s - self._jitter_s, now)
        self.pacing.longest_gap_s = max(self.pacing.longest_gap_s, gap_s)
        if half_s:
            smallest = self.pacing.smallest_gap_ratio
            ratio = gap_s / half_s
            self.pacing.smallest_gap_ratio = ratio if smallest is None else min(smallest, ratio)
        if gap_s >= half_s:
            return None
        self.pacing.largest_allowance_ms = max(self.pacing.largest_allowance_ms, (half_s - gap_s) * 1000)
        if gap_s + allowance_s >= half_s:
            return None
        detail = f"{gap_s * 1000:.0f} ms after a chunk of {self._last_ms:.0f} ms (allowed: {half_s * 1000:.0f} ms"
        return Breach("gap_too_short", f"{detail}, less {allowance_s * 1000:.0f} ms of tolerance)", 429)

    def _speed(self, now: float, elapsed_s: float) -> Breach | None:
        allowance_s = self._jitter_s + self._stalls.between(now - elapsed_s, now)
        speed = self._sum_ms / 1000 / max(elapsed_s, 0.001)
        if elapsed_s > 1.0:
            self.pacing.highest_speed = max(self.pacing.highest_speed, speed)
        if self._sum_ms / 1000 > MAX_SPEED * (elapsed_s + allowance_s):
            return Breach("too_fast", f"{speed:.2f} times real time since the first chunk", 429)
        return None
