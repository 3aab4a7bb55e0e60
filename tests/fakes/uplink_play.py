"""The stage for plays of the uplink: a scripted service, and the story of what was told."""

import asyncio
import itertools

from satellite.core.audio import RATE_HZ, AudioChunk
from satellite.core.backlog import Backlog, Dropped
from satellite.core.backoff import Backoff, SlowPace
from satellite.core.events import (
    SessionFailed,
    UtteranceSent,
    VoiceEvent,
)
from satellite.errors import ErrorCategory
from satellite.runtime.uplink import Uplink, UplinkParts
from tests.fakes.virtual_time import VirtualClock
from tests.fakes.voice import REFUSED, Fate, Service

REFUSES = Fate(failure=REFUSED)
IN_TROUBLE = SessionFailed(ErrorCategory.SERVER, "the service keeps closing the stream")
BAD_KEY = SessionFailed(ErrorCategory.AUTHENTICATION, "the key is not known")
BAD_REQUEST = SessionFailed(ErrorCategory.INVALID_REQUEST, "no such language")


class Events:
    """uplink.UplinkEvents."""

    def __init__(self) -> None:
        self.story: list[tuple[float, str]] = []
        self.dropped: list[Dropped] = []
        self.discarded: list[Dropped] = []
        self.lost: list[str] = []

    def session_event(self, session_id: str, event: VoiceEvent) -> None:
        detail = f" {event.utterance_id}" if isinstance(event, UtteranceSent) else ""
        self.tell(f"{session_id} {type(event).__name__}{detail}")

    def audio_dropped(self, dropped: Dropped) -> None:
        self.dropped.append(dropped)

    def audio_discarded(self, dropped: Dropped) -> None:
        self.discarded.append(dropped)

    def utterance_lost(self, utterance_id: str) -> None:
        self.lost.append(utterance_id)

    def session_over(self, session_id: str) -> None:
        self.tell(f"{session_id} over")

    def limit_reached(self, is_reached: bool) -> None:
        self.tell("limit reached" if is_reached else "limit lifted")

    def parked(self, failure: SessionFailed | None) -> None:
        self.tell("unparked" if failure is None else f"parked: {failure.detail}")

    def told(self, *words: str) -> list[tuple[float, str]]:
        """The part of the story with these words in it."""
        return [line for line in self.story if any(word in line[1] for word in words)]

    def tell(self, what: str) -> None:
        self.story.append((round(asyncio.get_running_loop().time() - 1000, 3), what))


class Play:
    """An uplink to a scripted service. A failed session is tried again after 1, 2, 4, … seconds."""

    def __init__(self, *fates: Fate, backlog_s: float = 30.0) -> None:
        self.limit_s = float("inf")
        self.service, self.events, self.clock = Service(*fates), Events(), VirtualClock()
        self.backlog = Backlog(round(backlog_s * RATE_HZ))
        numbers = itertools.count(1)
        parts = UplinkParts(
            backlog=self.backlog,
            make_session=self.service.make_session,
            make_link=self.service.make_link,
            backoff=Backoff(lambda: 1.0, slow_pace=SlowPace()),
            clock=self.clock,
            new_id=lambda: f"s{next(numbers)}",
            is_spent=lambda streamed_s: streamed_s >= self.limit_s,
        )
        self.uplink = Uplink(parts, self.events)
        self.spoken_s = 0.0

    def hear(self, utterance_id: str = "u1", seconds: float = 0.1) -> None:
        """Audio of an utterance."""
        chunk = AudioChunk(bytes(2 * round(seconds * RATE_HZ)), self.clock.wall() + self.spoken_s, utterance_id)
        self.spoken_s += seconds
        self.uplink.audio(chunk)

    def talk(self, utterance_id: str = "u1", seconds: float = 0.1) -> None:
        """A whole utterance."""
        self.hear(utterance_id, seconds)
        self.uplink.utterance_ended(utterance_id)

    @property
    def starts(self) -> list[float]:
        """When sessions were started."""
        return [round(session.started_at - 1000, 3) for session in self.service.sessions]

    def told(self, *words: str) -> list[tuple[float, str]]:
        """The part of the story with these words in it."""
        return self.events.told(*words)
