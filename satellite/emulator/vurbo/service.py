"""What all parts of one emulated Vurbo service share: tickets, sessions, records."""

import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from satellite.emulator.conversation import Truth
from satellite.emulator.faults import FaultBox
from satellite.emulator.report import ConnectionLog, Ledger, Spoken
from satellite.emulator.speech import Synthesiser
from satellite.emulator.stalls import Stalls
from satellite.emulator.vurbo.schema import Course
from satellite.emulator.vurbo.settings import VurboSettings

SOCKET_PATH = "/ws"
MANY_SESSIONS = 3
"""So many in a row, each ended by the client right before the next, are one for each utterance."""


@dataclass(slots=True)
class Ticket:
    """Good for one connection, within a minute (§1.3)."""

    value: str
    made_s: float
    is_used: bool = False


@dataclass(slots=True)
class Session:
    """From one `start` to its end; `stopped_s` when the client stopped it."""

    number: int
    task_id: str
    course: Course
    log: ConnectionLog
    started_s: float
    stopped_s: float | None = None
    is_complete: bool = False
    concluded: list[dict[str, object]] = field(default_factory=list)

    @property
    def connections(self) -> list[ConnectionLog]:
        """A session has one."""
        return [self.log]

    @property
    def audio_ms(self) -> float:
        """Playback time of all audio received."""
        return self.log.audio_ms


class LiveConnection(Protocol):
    """A socket that is open."""

    async def close(self, code: int, reason: str) -> None:
        """Close it from the server's side."""
        ...


@dataclass(slots=True)
class Service:
    """Settings, clock, tickets, sessions and records; `clock` gives loop seconds."""

    settings: VurboSettings
    clock: Callable[[], float]
    truth: Truth
    synthesiser: Synthesiser
    ledger: Ledger
    faults: FaultBox = field(default_factory=FaultBox)
    stalls: Stalls = field(default_factory=Stalls)
    tickets: dict[str, Ticket] = field(default_factory=dict)
    sessions: list[Session] = field(default_factory=list)
    live: set[LiveConnection] = field(default_factory=set)
    spoken: list[Spoken] = field(default_factory=list)
    heartbeats: int = 0
    commands: dict[str, int] = field(default_factory=dict)
    refused_start_s: float | None = None
    """When a `start` was refused for the budget."""
    _in_a_row: int = 0

    def ticket(self) -> Ticket:
        """A new one."""
        ticket = Ticket(secrets.token_urlsafe(24)[:32], self.clock())
        self.tickets[ticket.value] = ticket
        return ticket

    def begin(self, course: Course, log: ConnectionLog) -> Session:
        """A session begins: its recording is stored, whatever becomes of it."""
        now = self.clock()
        before = self.sessions[-1] if self.sessions else None
        is_next = before is not None and before.stopped_s is not None and now - before.stopped_s < 3.0
        self._in_a_row = self._in_a_row + 1 if is_next else 0
        session = Session(len(self.sessions) + 1, str(uuid.uuid4()), course, log, now)
        self.sessions.append(session)
        if self._in_a_row >= MANY_SESSIONS:
            self.ledger.record("session_per_utterance", f"{self._in_a_row + 1} sessions in a row", session.number)
        return session

    @property
    def billed_ms(self) -> int:
        """Playback time of all audio received, which is what is billed."""
        return round(sum(session.audio_ms for session in self.sessions))

    def report(self) -> dict[str, object]:
        """Everything that was seen, ready for JSON."""
        return {
            "violations": [
                {"rule": item.rule, "detail": item.detail, "at_s": round(item.at_s, 3), "session": item.session}
                for item in self.ledger.violations
            ],
            "sessions": [_session_report(session) for session in self.sessions],
            "chunks": sum(len(session.log.arrivals) for session in self.sessions),
            "streamed_s": round(self.billed_ms / 1000, 3),
            "billed_ms": self.billed_ms,
            "concluded": [{"session": each.number, **text} for each in self.sessions for text in each.concluded],
            "spoken": [{"language": item.language, "text": item.text} for item in self.spoken],
            "tickets": len(self.tickets),
            "heartbeats": self.heartbeats,
            "commands": dict(self.commands),
        }


def _session_report(session: Session) -> dict[str, object]:
    return {
        "number": session.number,
        "task_id": session.task_id,
        "complete": session.is_complete,
        "config": dict(session.course.request),
        "audio_ms": round(session.audio_ms, 3),
        "connections": [session.log.summary()],
    }
