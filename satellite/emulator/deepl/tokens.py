"""Sessions and their rotating one-time tokens (DeepL Voice reference §6)."""

import enum
import secrets
import uuid
from dataclasses import dataclass, field

from satellite.emulator.deepl.schema import SessionConfig
from satellite.emulator.report import ConnectionLog


class SessionState(enum.Enum):
    """Life of a session: only an OPEN one can be joined again."""

    OPEN = "open"
    ENDED = "ended"
    DEAD = "dead"


@dataclass(slots=True)
class Token:
    """One token; `lost` says that its holder never got the answer which replaced it."""

    value: str
    made_s: float
    is_dialled: bool = False
    lost: bool = False


@dataclass(slots=True)
class Session:
    """One conversation over any number of connections, one after another."""

    number: int
    session_id: str
    config: SessionConfig
    tokens: list[Token] = field(default_factory=list)
    state: SessionState = SessionState.OPEN
    death: str = ""
    connections: list[ConnectionLog] = field(default_factory=list)
    is_connected: bool = False
    is_stalled: bool = False
    is_rejoining: bool = False
    input_ended: bool = False
    last_data_s: float = 0.0
    left_early_at_s: float | None = None

    @property
    def newest(self) -> Token:
        """The only token that is good for anything."""
        return self.tokens[-1]

    @property
    def audio_ms(self) -> float:
        """Playback time of all audio received, which is what is billed."""
        return sum(connection.audio_ms for connection in self.connections)

    def rotate(self, now: float) -> Token:
        """Give the session a new token."""
        token = Token(_make_token(), now)
        self.tokens.append(token)
        return token

    def kill(self, why: str) -> None:
        """Terminate the session unless it is over already; the first cause is kept."""
        if self.state is SessionState.OPEN:
            self.state = SessionState.DEAD
            self.death = why


def _make_token() -> str:
    """Base64-looking with `+`, `/` and `=`, so that a missing percent-encoding shows."""
    return f"dG9r+/{secrets.token_hex(12)}=="


class SessionBook:
    """All sessions of an emulator, found by any token they ever had."""

    def __init__(self) -> None:
        self.sessions: list[Session] = []

    def open(self, config: SessionConfig, now: float) -> Session:
        """A new session with its first token."""
        session = Session(len(self.sessions) + 1, str(uuid.uuid4()), config, last_data_s=now)
        session.rotate(now)
        self.sessions.append(session)
        return session

    def find(self, value: str) -> tuple[Session, Token] | None:
        """The session and token of a value, outdated ones included."""
        for session in self.sessions:
            for token in session.tokens:
                if secrets.compare_digest(token.value.encode(), value.encode()):
                    return session, token
        return None

    def live(self) -> list[Session]:
        """Sessions that have a socket open."""
        return [session for session in self.sessions if session.is_connected]
