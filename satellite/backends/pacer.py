"""Pacer: when the next chunk of audio may go out."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a service may be sent audio. After a chunk of duration d nothing for d / speed, whatever that makes."""

    speed: float
    """Seconds of audio per second."""
    hard_gap: float
    """Of a chunk's duration: what is kept even where an encoder hands out several pieces at once."""
    min_gap_s: float
    """Small pieces are not sent more often."""
    alone_s: float = 0.2
    """On a way to the service this short or shorter a chunk at a time is enough to catch up: at most the length of one,
    as the next leaves when the last is known to have arrived."""
    slack_s: float = 0.0
    """A piece that is late by no more than this does not put off the next one: a beat stays a beat."""


class Pacer:
    """Spaces chunks. Keeps its word across connections."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._ready_at = float("-inf")

    @property
    def ready_at(self) -> float:
        """Monotonic seconds from which a chunk may be sent; minus infinity before the first."""
        return self._ready_at

    def sent(self, piece_s: float, chunk_s: float, now: float) -> None:
        """A piece of audio was given to the encoder; `chunk_s` is how much audio the chunk that came of it may hold.

        An encoder that keeps audio back makes no chunk (0.0) of one piece and a longer one of the next.
        """
        pace = self._pace
        is_on_time = 0.0 <= now - self._ready_at <= pace.slack_s
        begun_at = self._ready_at if is_on_time else now
        self._ready_at = max(begun_at + piece_s / pace.speed, now + max(chunk_s * pace.hard_gap, pace.min_gap_s))

    def arrived(self, chunk_s: float, at: float) -> None:
        """A chunk reached the service at this moment at the latest: one that was held up must not meet the next one."""
        self._ready_at = max(self._ready_at, at + chunk_s * self._pace.hard_gap)
