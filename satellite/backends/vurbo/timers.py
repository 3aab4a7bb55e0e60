"""Timers: when an open session is due for something though nothing comes in (reference §1.5, §3A.2, §10.4)."""

HEARTBEAT_S = 30.0
"""From open to close, whatever else goes on."""
STALLED_S = 30.0
"""An open utterance without audio for this long is no reason to keep the session."""
GATHER_S = 1.0
"""Since the last chunk; audio too short for another waits no longer for more of its utterance."""
LONGEST_PAUSE_S = 600.0
"""A pause that nobody ends is no reason to keep the session for ever."""


class Timers:
    """Moments of a session, and what follows from them."""

    def __init__(self, idle_s: float) -> None:
        self._idle_s = idle_s
        self._speech_at = 0.0
        self._chunk_at = float("-inf")
        self._paused_at: float | None = None
        self.heartbeat_at: float | None = None
        """When the next heartbeat is due; None while there is no connection."""

    def opened(self, now: float) -> None:
        """There is a connection."""
        self.heartbeat_at = now + HEARTBEAT_S

    def beat(self, now: float) -> None:
        """A heartbeat went out."""
        self.heartbeat_at = now + HEARTBEAT_S

    def started(self, now: float) -> None:
        """The session began."""
        self._speech_at = now

    def spoke(self, now: float) -> None:
        """Audio of an utterance was sent."""
        self._speech_at = self._chunk_at = now

    def paused(self, now: float, *, is_paused: bool) -> None:
        """A pause began or ended; what was not said in it does not count as silence."""
        self._paused_at = now if is_paused else None
        self._speech_at = now

    @property
    def gathered_at(self) -> float:
        """When audio too short for a chunk has waited long enough."""
        return self._chunk_at + GATHER_S

    def idle_at(self, *, is_open: bool) -> float:
        """When the session ends for want of speech; later while an utterance is open, or in a pause."""
        if self._paused_at is not None:
            return self._paused_at + max(self._idle_s, LONGEST_PAUSE_S)
        return self._speech_at + (max(self._idle_s, STALLED_S) if is_open else self._idle_s)
