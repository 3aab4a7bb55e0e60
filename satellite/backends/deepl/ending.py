"""Ending: the bounded wait from the end of the source stream to the service's last message (voice reference §11)."""

DRAIN_TEXT_S = 10.0
"""Without a message for this long after the end, none comes any more."""
DRAIN_SPEECH_S = 20.0
"""The same where speech is still being made."""
DRAIN_RESUMED_S = 5.0
"""After a reconnect in this phase nobody knows whether anything comes at all (§6.3)."""
MAX_ENDING_S = 120.0
"""However much the service still says."""


class Ending:
    """Why the source stream was ended, and until when the rest is waited for."""

    def __init__(self, *, speaks: bool) -> None:
        self.drain_s = DRAIN_SPEECH_S if speaks else DRAIN_TEXT_S
        self._last_at: float | None = None
        self.reason: str | None = None
        self.was_resumed = False
        self.deadline: float | None = None

    @property
    def has_begun(self) -> bool:
        """True when the source stream is over."""
        return self.reason is not None

    def begin(self, reason: str, now: float) -> None:
        """The source stream was ended."""
        self.reason = reason
        self._last_at = now + MAX_ENDING_S
        self._wait(self.drain_s, now)

    def heard(self, now: float) -> None:
        """The service is still talking."""
        self._wait(self.drain_s, now)

    def resumed(self, now: float) -> None:
        """A new connection is up; no audio may be sent on it."""
        self.was_resumed = True
        self._wait(DRAIN_RESUMED_S, now)

    def _wait(self, seconds: float, now: float) -> None:
        if self._last_at is not None:
            self.deadline = min(self._last_at, now + seconds)
