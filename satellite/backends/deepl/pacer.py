"""Pacer: when the next chunk of audio may go out.

The service wants at least half of a chunk's duration before the next one, and no more than twice real time overall
(voice reference §9.1); it closes sessions that break this. One rule with a margin keeps both over any stretch of time:
after a chunk of duration d nothing for d / CATCH_UP_SPEED.
"""

LIVE_CHUNK_S = 0.2
"""What is gathered before it is sent: between the advised 50 and 250 ms, for each chunk costs a message and a ping."""
CATCH_UP_CHUNK_S = 0.25
"""Longest advised chunk; what waited is merged up to it instead of being sent in a burst."""
CATCH_UP_SPEED = 1.5
HARD_GAP = 0.55
"""Of a chunk's duration; the service closes below one half."""
MIN_GAP_S = 0.05
"""Small pieces are not sent more often than the shortest advised chunk."""


class Pacer:
    """Spaces chunks. Keeps its word across connections."""

    def __init__(self) -> None:
        self._ready_at = float("-inf")

    @property
    def ready_at(self) -> float:
        """Monotonic seconds from which a chunk may be sent; minus infinity before the first."""
        return self._ready_at

    def sent(self, piece_s: float, chunk_s: float, now: float) -> None:
        """A piece of audio was given to the encoder; `chunk_s` is how much audio the chunk that came of it may hold.

        An encoder that keeps audio back makes no chunk (0.0) of one piece and a longer one of the next.
        """
        self._ready_at = now + max(piece_s / CATCH_UP_SPEED, chunk_s * HARD_GAP, MIN_GAP_S)

    def arrived(self, chunk_s: float, at: float) -> None:
        """A chunk reached the service at this moment at the latest: one that was held up must not meet the next one."""
        self._ready_at = max(self._ready_at, at + chunk_s * HARD_GAP)
