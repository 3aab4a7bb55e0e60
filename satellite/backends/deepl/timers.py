"""Timers: when an open stream is due for something though nothing comes in (voice reference §6.6, §9, §17)."""

KEEP_ALIVE_S = 10.0
"""The service ends a session after 30 s without audio; silence sent is billed."""
STALLED_S = 30.0
"""An open utterance without audio for this long is no reason to keep the session."""
GATHER_S = 1.0
"""Since the last chunk; audio too short for another waits no longer for more of its utterance."""
RENEW_S = 50.0 * 60
"""A connection was promised for an hour once, and for no time now (§6.6): from here on it ends with the next pause."""
RENEW_AT_LATEST_S = 58.0 * 60
"""Without a pause it ends in mid-speech: in order, which no text is lost by, instead of in the service's own way."""


class Timers:
    """Moments of a session, and what follows from them. `rest_s`: no answer comes this long after speech."""

    def __init__(self, idle_s: float, rest_s: float) -> None:
        self._idle_s = idle_s
        self._rest_s = rest_s
        self._opened_at = 0.0
        self._connected_at = 0.0
        self._speech_at = 0.0
        self._chunk_at = float("-inf")

    def opened(self, now: float) -> None:
        """The session's first connection is up."""
        self._opened_at = self._connected_at = self._speech_at = now

    def resumed(self, now: float) -> None:
        """Another connection of the session is up."""
        self._connected_at = now

    def spoke(self, now: float) -> None:
        """Audio of an utterance was sent."""
        self._speech_at = self._chunk_at = now

    @property
    def gathered_at(self) -> float:
        """When audio too short for a chunk has waited long enough."""
        return self._chunk_at + GATHER_S

    @property
    def renewal_at(self) -> float:
        """When a pause should be used to renew the connection."""
        return self._connected_at + RENEW_S

    def must_renew(self, now: float) -> bool:
        """True when no pause can be waited for."""
        return now >= self._connected_at + RENEW_AT_LATEST_S

    def keep_alive_at(self, last_data_at: float | None) -> float:
        """When silence keeps the service from ending the session."""
        return (self._opened_at if last_data_at is None else last_data_at) + KEEP_ALIVE_S

    def idle_at(self, *, is_open: bool) -> float:
        """When the session ends for want of speech; later while an utterance is open."""
        return self._speech_at + (max(self._idle_s, STALLED_S) if is_open else self._idle_s)

    def is_at_rest(self, now: float) -> bool:
        """True when nothing was spoken for so long that no answer is on its way any more."""
        return now >= self._speech_at + self._rest_s
