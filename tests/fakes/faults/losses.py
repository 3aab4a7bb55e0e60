"""Where speech was lost: with a deaf or dead process, over the rim of the ring, or on the way."""

import enum
from dataclasses import dataclass

from tests.fakes.faults.speech import RATE_HZ, Playing, Script

PRE_ROLL_SAMPLES = int(0.4 * RATE_HZ)
HANG_OVER_SAMPLES = int(0.9 * RATE_HZ)
RING_S = 30.0
RING_SLACK_S = 1.5
"""The gate follows the voice, not the labels: what it lets through is known to about a part in twenty."""


class Cause(enum.Enum):
    """Why a piece of speech never reached the service."""

    DEAF = "deaf"
    """Nobody captured it, or it was lost with the process."""
    RING = "ring"
    """More than the ring holds came after it before the service took anything again."""
    IN_FLIGHT = "in flight"
    """Handed to a connection that was dead."""


@dataclass(slots=True)
class Losses:
    """Lost speech of one fault, in ms by cause."""

    deaf_ms: int = 0
    ring_ms: int = 0
    in_flight_ms: int = 0

    def add(self, cause: Cause, milliseconds: int) -> None:
        """Some more."""
        name = f"{cause.value.replace(' ', '_')}_ms"
        setattr(self, name, getattr(self, name) + milliseconds)

    @property
    def all_ms(self) -> int:
        """Whatever the cause."""
        return self.deaf_ms + self.ring_ms + self.in_flight_ms


class Gated:
    """How much of the loop the gate lets through, by the labels."""

    def __init__(self, script: Script) -> None:
        self._length = script.samples
        self._before = [0.0] * (script.samples // RATE_HZ + 2)
        """Gated seconds before each second of the loop."""
        open_ = bytearray(script.samples // 160 + 200)
        for start, end in script.words:
            first, last = (start - PRE_ROLL_SAMPLES) // 160, (end + HANG_OVER_SAMPLES) // 160
            open_[max(0, first) : last] = b"\x01" * (last - max(0, first))
        for second in range(1, len(self._before)):
            self._before[second] = self._before[second - 1] + sum(open_[(second - 1) * 100 : second * 100]) / 100

    def seconds(self, start: int, end: int) -> float:
        """Between two samples, counted from the very beginning."""
        return self._until(end) - self._until(start)

    def _until(self, sample: int) -> float:
        rounds, rest = divmod(max(0, sample), self._length)
        return rounds * self._before[self._length // RATE_HZ] + self._before[rest // RATE_HZ]


class Sorter:
    """Finds the cause of a loss from what is known outside the satellite."""

    def __init__(self, script: Script, playing: Playing, arrivals_s: list[float]) -> None:
        self._gated = Gated(script)
        self._playing = playing
        self._arrivals_s = arrivals_s
        """When the service took sound, to a fraction of a second, in order."""

    def cause(self, start: int, *, was_deaf: bool) -> Cause:
        """Of speech from that sample on, counted from the very beginning."""
        if was_deaf:
            return Cause.DEAF
        spoken_s = self._playing.heard_at(start)
        taken_s = next((at for at in self._arrivals_s if at > spoken_s), float("inf"))
        if taken_s == float("inf"):
            return Cause.IN_FLIGHT
        taken = self._playing.sample_at(taken_s)
        return Cause.RING if self._gated.seconds(start, taken) > RING_S - RING_SLACK_S else Cause.IN_FLIGHT
