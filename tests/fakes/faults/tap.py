"""The tap between satellite and service: what the service really said, and which sound really reached it."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.fakes.faults.readings import Reading
from tests.fakes.faults.speech import Reached
from tests.fakes.faults.wire import FrameReader


@dataclass(frozen=True, slots=True)
class Sent:
    """A concluded segment that was handed to the satellite's socket."""

    topic: str
    text: str
    at_s: float
    connection: int


class Tap:
    """An observer of the relay in front of the service's sockets."""

    def __init__(self, reading: Reading, reached: Reached, clock: Callable[[], float]) -> None:
        self._reading = reading
        self.sent: list[Sent] = []
        self.unfinished: list[Sent] = []
        """Text that the service might have concluded, had its connection lived."""
        self.audio_bytes = 0
        self.errors_s: list[float] = []
        """When the satellite was handed an `error` message."""
        self._reached = reached
        self._clock = clock
        self._readers: dict[tuple[int, bool], FrameReader] = {}

    def __call__(self, connection: int, is_upstream: bool, data: bytes) -> None:
        """Bytes are passed on."""
        key = connection, is_upstream
        if key not in self._readers:
            for old in [known for known in self._readers if known[0] < connection - 3]:
                del self._readers[old]
            self._readers[key] = FrameReader()
        now = self._clock()
        for message in self._readers[key].feed(data):
            if is_upstream:
                self._heard(connection, self._reading.audio(message), now)
            else:
                if self._reading.is_error(message):
                    self.errors_s.append(now)
                concluded = self._reading.concluded(message)
                self.sent += [Sent(topic, text, now, connection) for topic, text in concluded if text]
                unfinished = self._reading.unfinished(message)
                self.unfinished += [Sent(topic, text, now, connection) for topic, text in unfinished if text]

    def _heard(self, connection: int, pcm: bytes, now: float) -> None:
        if pcm:
            self.audio_bytes += len(pcm)
            self._reached.audio(connection, pcm, now)
