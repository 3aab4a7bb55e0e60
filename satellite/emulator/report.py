"""What the emulator saw: broken rules, and per connection the audio with its arrival times."""

from collections.abc import Callable
from dataclasses import dataclass, field

from satellite.core.audio import ms_of_samples


@dataclass(frozen=True, slots=True)
class Violation:
    """One published rule a client broke; `at_s` is the emulator's loop time."""

    rule: str
    detail: str
    at_s: float
    session: int | None = None


class Ledger:
    """Collects violations; `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.violations: list[Violation] = []

    def record(self, rule: str, detail: str, session: int | None = None) -> None:
        """Note a broken rule as of now."""
        self.violations.append(Violation(rule, detail, self._clock(), session))


@dataclass(frozen=True, slots=True)
class Arrival:
    """One chunk: when it came, its bytes in the declared encoding and the playback time of those."""

    at_s: float
    size_bytes: int
    duration_ms: float


@dataclass(slots=True)
class Pacing:
    """Extremes of the arrival times: gaps over half the preceding chunk, longest gap, highest overall speed."""

    smallest_gap_ratio: float | None = None
    longest_gap_s: float = 0.0
    highest_speed: float = 0.0
    largest_allowance_ms: float = 0.0

    def merge(self, other: "Pacing") -> None:
        """Take the worse of both."""
        if other.smallest_gap_ratio is not None:
            mine = self.smallest_gap_ratio
            self.smallest_gap_ratio = min(other.smallest_gap_ratio, other.smallest_gap_ratio if mine is None else mine)
        self.longest_gap_s = max(self.longest_gap_s, other.longest_gap_s)
        self.highest_speed = max(self.highest_speed, other.highest_speed)
        self.largest_allowance_ms = max(self.largest_allowance_ms, other.largest_allowance_ms)


@dataclass(slots=True)
class ConnectionLog:
    """One WebSocket of a session; `audio` is as received, `pcm_16k` as recognised (16 kHz mono s16le)."""

    number: int
    opened_s: float
    closed_s: float | None = None
    close_code: int | None = None
    audio: bytearray = field(default_factory=bytearray)
    pcm_16k: bytearray = field(default_factory=bytearray)
    arrivals: list[Arrival] = field(default_factory=list)
    sent: list[dict[str, object]] = field(default_factory=list)
    pacing: Pacing = field(default_factory=Pacing)

    @property
    def audio_ms(self) -> float:
        """Playback time of everything received."""
        return sum(arrival.duration_ms for arrival in self.arrivals)

    def summary(self) -> dict[str, object]:
        """The figures of this connection for the report."""
        return {
            "number": self.number,
            "opened_s": round(self.opened_s, 3),
            "closed_s": None if self.closed_s is None else round(self.closed_s, 3),
            "close_code": self.close_code,
            "chunks": len(self.arrivals),
            "audio_ms": round(self.audio_ms, 3),
            "recognisable_ms": round(ms_of_samples(len(self.pcm_16k) // 2), 3),
            "messages_sent": len(self.sent),
        }


@dataclass(frozen=True, slots=True)
class Spoken:
    """One synthesised segment: the language, its text and what was spoken (24 kHz mono s16le)."""

    language: str
    text: str
    pcm_24k: bytes
