"""Flight: audio between us and the service, known by pings: a pong says that all that went before its ping has arrived.

A socket takes what it is given whether or not anybody receives it: seconds of audio pile up in buffers along the way,
leave in a burst when a stall ends, and are lost when the connection dies. So the next chunk leaves only when what is
under way is no more than the way itself needs; the rest stays in the backlog.
"""

from collections import deque
from dataclasses import dataclass

from satellite.core.audio import RATE_HZ

MAX_AHEAD_S = 0.75
"""Audio that may be under way before another chunk; with that chunk of at most 0.25 s no more than a second is lost."""
CATCH_UP_SPEED = 1.5
"""Seconds of audio per second that the way is to carry."""
SILENT_S = 8.0
"""A service that answers no ping and says nothing for this long is no longer there."""
RECENT_PONGS = 8


@dataclass(frozen=True, slots=True)
class Leg:
    """One piece of audio on its way; `utterance_id` None is silence of our own."""

    ping: int
    at: float
    samples: int
    utterance_id: str | None


class Flight:
    """What one connection after another has under way.

    On a way of `alone_s` or shorter a chunk at a time is enough to catch up, and no stall can end in a burst.
    """

    def __init__(self, alone_s: float = 0.2) -> None:
        self._alone_s = alone_s
        self._legs: deque[Leg] = deque()
        self._samples = 0
        self._ping = 0
        self._round_trips: deque[float] = deque(maxlen=RECENT_PONGS)
        self._best_s = 0.0
        self._heard_at = 0.0

    @property
    def samples(self) -> int:
        """Audio under way: handed over, and not known to have arrived."""
        return self._samples

    @property
    def is_full(self) -> bool:
        """True while nothing more may leave."""
        return self._samples > self._ahead_s * RATE_HZ

    @property
    def deadline(self) -> float | None:
        """When the connection counts as dead unless something is heard; None when nothing is under way."""
        return max(self._heard_at, self._legs[0].at) + SILENT_S if self._legs else None

    def depart(self, samples: int, utterance_id: str | None, now: float) -> None:
        """Audio was handed over; the next ping will tell of it."""
        self._legs.append(Leg(self._ping + 1, now, samples, utterance_id))
        self._samples += samples

    def ping(self) -> int:
        """The number of the ping that follows what departed."""
        self._ping += 1
        return self._ping

    def arrive(self, ping: int, now: float) -> tuple[Leg, float] | None:
        """A pong came: the last audio it vouches for, and when that arrived at the latest; None for a stale one."""
        last = None
        while self._legs and self._legs[0].ping <= ping:
            last = self._legs.popleft()
            self._samples -= last.samples
        if last is None:
            return None
        self._heard_at = now
        took_s = now - last.at
        self._best_s = min(took_s, self._best_s) if self._round_trips else took_s
        self._round_trips.append(took_s)
        return last, now - self._best_s

    def heard(self, now: float) -> None:
        """The service is there."""
        self._heard_at = now

    def forget(self, before: float) -> None:
        """What departed earlier than this counts as arrived: nothing will ever vouch for it."""
        while self._legs and self._legs[0].at < before:
            self._samples -= self._legs.popleft().samples

    def lost(self) -> tuple[Leg, ...]:
        """The connection is gone: what was under way. The next connection's way is another one."""
        legs = tuple(self._legs)
        self._legs.clear()
        self._round_trips.clear()
        self._samples = 0
        return legs

    @property
    def _ahead_s(self) -> float:
        """Audio that may be under way: what the round trip takes, as long as the way is not the one to blame."""
        round_trip_s = min(self._round_trips, default=0.0)
        if round_trip_s <= self._alone_s:
            return 0.0
        return min(round_trip_s * CATCH_UP_SPEED, max(MAX_AHEAD_S, self._best_s))
