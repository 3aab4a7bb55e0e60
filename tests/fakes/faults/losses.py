"""Where speech was lost: with a deaf or dead process, over the rim of the ring, or on the way."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from tests.fakes.faults.speech import RATE_HZ, Playing, Reached, Script

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


@dataclass(frozen=True, slots=True)
class Loss:
    """Speech that never came: why, and the moment to blame."""

    cause: Cause
    at_s: float


class Sorter:
    """Finds the cause of a loss from what is known outside the satellite; `ends_s` are ends of its process."""

    def __init__(self, script: Script, playing: Playing, reached: Reached, ends_s: Sequence[float]) -> None:
        self._gated = Gated(script)
        self._playing = playing
        self._reached = reached
        self._ends_s = ends_s

    def loss(self, sample: int) -> Loss:
        """Of speech at that sample, counted from the very beginning."""
        spoken_s = self._playing.heard_at(sample)
        passed_s = self._reached.passed_s(sample)
        ended_s = next((at_s for at_s in self._ends_s if spoken_s <= at_s <= passed_s), None)
        if ended_s is not None:
            return Loss(Cause.DEAF, ended_s)
        if passed_s == float("inf"):
            return Loss(Cause.IN_FLIGHT, spoken_s)
        waited_s = self._gated.seconds(sample, self._playing.sample_at(passed_s))
        return Loss(Cause.RING if waited_s > RING_S - RING_SLACK_S else Cause.IN_FLIGHT, spoken_s)
