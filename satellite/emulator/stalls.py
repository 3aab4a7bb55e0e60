"""When the emulator itself was late, so that a client is not blamed for it."""

from collections import deque

TICK_S = 0.02
TICK_SLACK_S = 0.002


class Stalls:
    """When the emulator itself was late: arrivals seen then say nothing about the client. Beats every TICK_S."""

    def __init__(self) -> None:
        self._late: deque[tuple[float, float]] = deque(maxlen=200)
        self._beat_s: float | None = None

    def start(self, now: float) -> None:
        """Beats are expected from now on, whatever was before."""
        self._beat_s = now

    def beat(self, now: float) -> None:
        """The loop is alive; what this beat is late is remembered."""
        late = self._lateness(now)
        if late > 0:
            self._late.append((now, late))
        self._beat_s = now

    def between(self, start_s: float, end_s: float) -> float:
        """Seconds of lateness that touch the span, one that goes on included."""
        past = sum(late for until, late in self._late if until >= start_s and until - late <= end_s)
        return past + max(0.0, self._lateness(end_s))

    def _lateness(self, now: float) -> float:
        return 0.0 if self._beat_s is None else now - self._beat_s - TICK_S - TICK_SLACK_S
