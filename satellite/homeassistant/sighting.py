"""Sighting: one satellite as seen from the broker, by what it says of itself and when that was heard.

A retained message carries no time: it tells what was said last, never that somebody still says it. Only what comes live
does. So whatever is told of a health has two answers: what it says, and whether it was said while we looked.
"""

from collections.abc import Callable
from dataclasses import dataclass

from satellite.homeassistant import reports
from satellite.homeassistant.reports import Complaint, Health, UnreadableError, Usage
from satellite.homeassistant.topics import OFFLINE, ONLINE

AHEAD_S = 60.0
"""A satellite's clock may be so far ahead of ours; an utterance that is dated later has not been spoken yet."""
FLEETING = frozenset({"utterance", "announcement"})
"""A satellite of which nothing else is there is gone."""


@dataclass(frozen=True, slots=True)
class Now:
    """The moment: seconds that never jump, and Unix seconds for what is dated."""

    monotonic_s: float
    wall_s: float


class Sighting:
    """What was heard of one satellite; None where nothing was, or where it cannot be read."""

    def __init__(self, now: Now) -> None:
        self.seen_at = now.monotonic_s
        self.is_online: bool | None = None
        self.connected_at: float | None = None
        """When it was heard to come; None: before we looked."""
        self.state: str | None = None
        self.cloud: str | None = None
        self.problem: Complaint | None = None
        self.usage: Usage | None = None
        self.health: Health | None = None
        self.health_at: float | None = None
        """When it told of its health; None: not while we looked, or not since it came."""
        self.is_health_of_muted = False
        """It was told before the microphone was opened again."""
        self.spoke_at: float | None = None
        """When somebody last spoke to it."""
        self.name: str | None = None
        self.area: str | None = None
        self.unreadable: set[str] = set()
        self._standing: set[str] = set()
        self._health_payload = b""

    @property
    def is_blank(self) -> bool:
        """All that was retained of it has been cleared."""
        return not self._standing

    def hear(self, topic: str, payload: bytes, now: Now, *, is_live: bool) -> None:
        """One message on one of its topics; an empty one clears what was retained there."""
        self.unreadable.discard(topic)
        if topic not in FLEETING:
            (self._standing.add if payload else self._standing.discard)(topic)
        try:
            _HEARERS[topic](self, payload, now, is_live)
        except UnreadableError:
            self.unreadable.add(topic)

    def _hear_availability(self, payload: bytes, now: Now, is_live: bool) -> None:
        self.is_online = {ONLINE: True, OFFLINE: False}.get(payload)
        if is_live:
            # what it told before was of another connection, perhaps of a program that is no more
            self.health_at = None
            self.connected_at = now.monotonic_s if self.is_online else None
        if payload and self.is_online is None:
            raise UnreadableError

    def _hear_state(self, payload: bytes, now: Now, is_live: bool) -> None:
        before, self.state = self.state, None
        self.state = reports.word(payload) if payload else None
        if before == "muted" and self.state != "muted":
            self.is_health_of_muted = True
        if is_live and "listening" in (before, self.state):
            self.spoke_at = now.monotonic_s

    def _hear_cloud(self, payload: bytes, _now: Now, _is_live: bool) -> None:
        self.cloud = None
        self.cloud = reports.word(payload) if payload else None

    def _hear_problem(self, payload: bytes, _now: Now, _is_live: bool) -> None:
        self.problem = None
        self.problem = reports.problem(payload) if payload else None

    def _hear_usage(self, payload: bytes, _now: Now, _is_live: bool) -> None:
        self.usage = None
        self.usage = reports.decoded(payload, Usage) if payload else None

    def _hear_health(self, payload: bytes, now: Now, is_live: bool) -> None:
        is_repeated, self._health_payload = payload == self._health_payload, payload
        is_new = is_live and not is_repeated  # a bridge that comes back says live what was retained behind it
        self.health, self.is_health_of_muted = None, False
        self.health = reports.decoded(payload, Health) if payload else None
        if self.health is None or is_new:
            self.health_at = None if self.health is None else now.monotonic_s

    def _hear_utterance(self, payload: bytes, now: Now, _is_live: bool) -> None:
        age_s = now.wall_s - reports.spoken_at(payload) if payload else None
        if age_s is not None and age_s >= -AHEAD_S:
            spoke_at = now.monotonic_s - max(0.0, age_s)
            self.spoke_at = spoke_at if self.spoke_at is None else max(self.spoke_at, spoke_at)

    def _hear_announcement(self, payload: bytes, _now: Now, _is_live: bool) -> None:
        self.name = self.area = None
        self.name, self.area = reports.device(payload) if payload else (None, None)


_HEARERS: dict[str, Callable[[Sighting, bytes, Now, bool], None]] = {
    name.removeprefix("_hear_"): hearer for name, hearer in vars(Sighting).items() if name.startswith("_hear_")
}
