"""Playhead: until when a loudspeaker is heard."""

from collections.abc import Callable


class Playhead:
    """Until when a loudspeaker is heard: what it took plays on at its rate, without a break while there is some."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._heard_until = monotonic()

    def moved(self, seconds: float, device_delay_s: float = 0.0) -> None:
        """The device took `seconds` of sound and has at least `device_delay_s` left to play."""
        now = self._monotonic()
        self._heard_until = max(max(self._heard_until, now) + seconds, now + device_delay_s)

    def remaining_s(self) -> float:
        """Seconds until all is heard; 0 when it is."""
        return max(0.0, self._heard_until - self._monotonic())

    def cut(self) -> None:
        """What was not heard yet never will be."""
        self._heard_until = self._monotonic()
