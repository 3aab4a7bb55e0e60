"""The sessions of an emulator: made by the API or by a key, joined once, deleted by their maker (reference §3)."""

import secrets
import uuid
from dataclasses import dataclass, field
from typing import Any

from satellite.emulator.report import ConnectionLog


@dataclass(slots=True)
class Session:
    """One session. `publisher` is what lets somebody in, empty where a key does."""

    number: int
    session_id: str
    publisher: str
    hash: str
    room: str
    made_s: float
    connections: list[ConnectionLog] = field(default_factory=list)
    tasks: list[dict[str, Any]] = field(default_factory=list)
    is_ours: bool = True
    """False for one that another client of the account has made."""
    is_joined: bool = False
    is_connected: bool = False
    is_stalled: bool = False
    is_deleted: bool = False
    was_told: bool = True
    """False when its answer never reached the client."""
    end: str = ""
    running_s: float = 0.0

    @property
    def audio_ms(self) -> float:
        """Playback time of all audio received."""
        return sum(connection.audio_ms for connection in self.connections)

    @property
    def counts(self) -> bool:
        """True while it takes a place of the plan's."""
        return not self.is_deleted and bool(self.publisher)


class SessionBook:
    """All sessions, found by what lets somebody in."""

    def __init__(self) -> None:
        self.sessions: list[Session] = []
        self.hashes: set[str] = set()

    def make(self, now: float, *, by_key: bool = False, is_ours: bool = True) -> Session:
        """A new session; one that a key opens needs no token and no deletion."""
        number = len(self.sessions) + 1
        session_id = f"eyJz.{uuid.uuid4().hex}/{number}+s.sig"
        publisher = "" if by_key else f"eyJh.{secrets.token_urlsafe(24)}.s+g="
        room = f"room-{secrets.token_hex(6)}"
        session = Session(number, session_id, publisher, secrets.token_hex(4), room, now, is_ours=is_ours)
        self.sessions.append(session)
        return session

    def of_publisher(self, token: str) -> Session | None:
        """Whom a token belongs to."""
        for session in self.sessions:
            if session.publisher and secrets.compare_digest(session.publisher.encode(), token.encode()):
                return session
        return None

    def of_id(self, session_id: str) -> Session | None:
        """The session of that id that is still there."""
        found = (session for session in self.sessions if session.session_id == session_id and session.publisher)
        return next(found, None)

    def live(self) -> list[Session]:
        """Sessions with somebody in them."""
        return [session for session in self.sessions if session.is_connected]
