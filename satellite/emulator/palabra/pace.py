"""Whether audio comes in real time (reference §10.1, §10.2), judged from arrival times."""

from satellite.emulator.palabra.settings import PalabraLimits
from satellite.emulator.stalls import Stalls

MIN_CHUNK_BYTES = 1024
MAX_CHUNK_BYTES = 512 * 1024
WARN_EVERY_S = 5.0


class PaceRule:
    """One running task's audio; feed every chunk in order of arrival."""

    def __init__(self, limits: PalabraLimits, stalls: Stalls) -> None:
        self._limits = limits
        self._stalls = stalls
        self._began_s = 0.0
        self._last_s = 0.0
        self._level_ms = 0.0
        self._sum_ms = 0.0
        self._warned_s = float("-inf")
        self.highest_ms = 0.0
        """The most audio that was ever ahead of real time, the chunk itself included."""

    def begin(self, now: float) -> None:
        """The task runs from now on."""
        self._began_s = self._last_s = now
        self._level_ms = self._sum_ms = 0.0

    def chunk(self, duration_ms: float, now: float) -> str | None:
        """How far a chunk comes too early, in words; None when it does not. Slowness before it is no excuse."""
        late_ms = self._stalls.between(self._last_s, now) * 1000
        self._level_ms = max(0.0, self._level_ms - (now - self._last_s) * 1000) + duration_ms
        self._last_s = now
        self._sum_ms += duration_ms
        self.highest_ms = max(self.highest_ms, self._level_ms)
        allowed_ms = duration_ms + self._limits.early_ms + self._limits.jitter_ms + late_ms
        if self._level_ms <= allowed_ms:
            return None
        ahead_ms = self._level_ms
        self._level_ms = duration_ms
        return f"{ahead_ms:.0f} ms within less time, at most {allowed_ms:.0f} ms"

    def warning(self, now: float) -> str | None:
        """The warning that is due, if any."""
        if now - self._warned_s < WARN_EVERY_S:
            return None
        behind_s = now - self._began_s - self._sum_ms / 1000
        code = None
        if now - self._last_s > self._limits.slow_s:
            code = "AUDIO_STREAM_STALLED"
        elif behind_s > self._limits.slow_s:
            code = "AUDIO_STREAM_TOO_SLOW"
            self._began_s += behind_s
        if code is not None:
            self._warned_s = now
        return code


def size_breach(size_bytes: int, frame_bytes: int) -> tuple[str, str] | None:
    """The rule that the size of a chunk breaks, and how."""
    if size_bytes < MIN_CHUNK_BYTES:
        return "chunk_too_small", f"{size_bytes} bytes in one message, at least {MIN_CHUNK_BYTES}"
    if size_bytes > MAX_CHUNK_BYTES:
        return "chunk_too_large", f"{size_bytes} bytes in one message, at most {MAX_CHUNK_BYTES}"
    if size_bytes % frame_bytes:
        return "cut_sample", f"{size_bytes} bytes are no multiple of {frame_bytes}"
    return None
