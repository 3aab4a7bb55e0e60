"""Ending: the bounded wait from the end of the source stream to the service's last message."""

MAX_ENDING_S = 120.0
"""However much the service still says."""


class Ending:
    """Why the source stream was ended, and until when the rest is waited for."""

    def __init__(self, drain_s: float, resumed_s: float) -> None:
        self.drain_s = drain_s
        """Without a message for this long after the end, none comes any more."""
        self._resumed_s = resumed_s
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

    def hurry(self, seconds: float, now: float) -> None:
        """There is a reason to wait no longer than this."""
        if self.deadline is not None:
            self.deadline = self._last_at = min(self.deadline, now + seconds)

    def resumed(self, now: float) -> None:
        """A new connection is up; no audio may be sent on it."""
        self.was_resumed = True
        self._wait(self._resumed_s, now)

    def _wait(self, seconds: float, now: float) -> None:
        if self._last_at is not None:
            self.deadline = min(self._last_at, now + seconds)
