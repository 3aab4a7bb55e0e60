"""LinkStatus: what the link to the broker says about itself, to the log and to who wants to know."""

import logging
from collections.abc import Callable

log = logging.getLogger(__name__)

SPEAK_AGAIN_S = 60.0
"""A loss in the words of the one before is told at warning level again after a connection of this length."""


class LinkStatus:
    """Connected or not, and what is wrong in words for people. First failures are loud, repeats quiet."""

    def __init__(self, client_id: str, on_state: Callable[[bool, str | None], None]) -> None:
        self.is_connected = False
        self._client_id = client_id
        self._on_state = on_state
        self._denied: str | None = None
        self._told_loss: str | None = None
        self._connected_at: float | None = None
        self._dropped = self._dropped_told = 0

    def trying(self) -> None:
        """A connection is about to be made."""
        self._denied = self._connected_at = None

    def connected(self, where: str, now: float) -> None:
        """The connection can be used."""
        self.is_connected = True
        self._connected_at = now
        log.info("%s: connected to the MQTT broker at %s", self._client_id, where)
        if self._dropped > self._dropped_told:
            count = self._dropped - self._dropped_told
            log.warning("%s: %d messages were dropped, too many were waiting", self._client_id, count)
            self._dropped_told = self._dropped
        self._on_state(True, self._denied)

    def denied(self, sentence: str) -> None:
        """The connection works, but not for everything; the first such thing of a connection is told."""
        if self._denied is not None:
            log.debug("%s: %s", self._client_id, sentence)
            return
        self._denied = sentence
        log.warning("%s: %s", self._client_id, sentence)
        if self.is_connected:
            self._on_state(True, sentence)

    def ended(self) -> None:
        """There is no connection any more; why is told by `lost`, unless we wanted it."""
        self.is_connected = False

    def lost(self, sentence: str, delay_s: float, now: float) -> None:
        """The connection was lost or could not be made; the next try comes in `delay_s`."""
        lived_s = 0.0 if self._connected_at is None else now - self._connected_at
        is_new = sentence != self._told_loss or lived_s >= SPEAK_AGAIN_S
        level = logging.WARNING if is_new else logging.DEBUG
        log.log(level, "%s: %s; next try in %.1f s", self._client_id, sentence, delay_s)
        self._told_loss = sentence
        self._on_state(False, sentence)

    def overflowed(self, dropped: int) -> None:
        """So many were dropped in all, as too many wait; told at the first, and when a connection is back."""
        if dropped > self._dropped == self._dropped_told:
            log.warning("%s: too many messages wait for the MQTT broker: the oldest are dropped", self._client_id)
        self._dropped = dropped
