"""How fast audio may come (Flux reference §2.4, §8, §12): about 1.25 times real time, a short pre-roll at once."""

from satellite.emulator.deepgram.settings import DeepgramLimits
from satellite.emulator.report import Pacing
from satellite.emulator.stalls import Stalls


class PaceRule:
    """Judges the arrivals of one connection; feed every chunk in order."""

    def __init__(self, limits: DeepgramLimits, stalls: Stalls) -> None:
        self._limits = limits
        self._stalls = stalls
        self._ahead_s = 0.0
        self._first_s: float | None = None
        self._last_s = 0.0
        self._sum_s = 0.0
        self.pacing = Pacing()

    def chunk(self, duration_ms: float, now: float) -> str | None:
        """How a chunk that arrived at `now` is too early; None when it is not."""
        limits, passed_s = self._limits, 0.0 if self._first_s is None else now - self._last_s
        late_s = self._stalls.between(self._last_s, now) if self._first_s is not None else 0.0
        self._first_s = now if self._first_s is None else self._first_s
        self._ahead_s = max(0.0, self._ahead_s - passed_s * limits.speed) + duration_ms / 1000
        self._sum_s += duration_ms / 1000
        self._note(passed_s, now)
        self._last_s = now
        over_s = self._ahead_s - limits.burst_s - limits.jitter_s - late_s * limits.speed
        if over_s <= 0:
            return None
        self._ahead_s -= over_s  # one offence is told once
        return f"{over_s * 1000:.0f} ms more than {limits.burst_s:g} s ahead of {limits.speed:g} times real time"

    def _note(self, passed_s: float, now: float) -> None:
        self.pacing.longest_gap_s = max(self.pacing.longest_gap_s, passed_s)
        self.pacing.largest_allowance_ms = max(self.pacing.largest_allowance_ms, self._ahead_s * 1000)
        if self._first_s is not None and now - self._first_s >= 1.0:
            self.pacing.highest_speed = max(self.pacing.highest_speed, self._sum_s / (now - self._first_s))
