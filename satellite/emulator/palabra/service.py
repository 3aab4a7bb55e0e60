"""What all parts of one emulated Palabra service share."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from satellite.emulator.conversation import Truth
from satellite.emulator.faults import FaultBox
from satellite.emulator.palabra.book import Session, SessionBook
from satellite.emulator.palabra.script import Script
from satellite.emulator.palabra.settings import PalabraSettings
from satellite.emulator.report import Ledger, Spoken
from satellite.emulator.speech import Synthesiser
from satellite.emulator.stalls import Stalls

HOST_PATH = "/streaming-api"
STREAM_PATH = "/v1/speech-to-speech/stream"


class LiveConnection(Protocol):
    """The one connection a session has."""

    async def close(self, code: int, reason: str) -> None:
        """Close it from the server's side."""
        ...


@dataclass(slots=True)
class Service:
    """Settings, clock, sessions and records; `clock` gives loop seconds."""

    settings: PalabraSettings
    clock: Callable[[], float]
    truth: Truth
    synthesiser: Synthesiser
    ledger: Ledger
    book: SessionBook = field(default_factory=SessionBook)
    faults: FaultBox = field(default_factory=FaultBox)
    stalls: Stalls = field(default_factory=Stalls)
    scripts: dict[int, Script] = field(default_factory=dict)
    live: dict[int, LiveConnection] = field(default_factory=dict)
    spoken: list[Spoken] = field(default_factory=list)
    dials: deque[float] = field(default_factory=lambda: deque(maxlen=100))
    socket_url: str = ""

    def settle(self) -> None:
        """Judge sessions that their client left behind."""
        for session in self.book.sessions:
            if session.counts and session.is_ours and session.was_told:
                self.ledger.record("session_leaked", "a session made by the API was never deleted", session.number)

    def report(self) -> dict[str, object]:
        """Everything that was seen, ready for JSON."""
        sessions = self.book.sessions
        return {
            "violations": [
                {"rule": item.rule, "detail": item.detail, "at_s": round(item.at_s, 3), "session": item.session}
                for item in self.ledger.violations
            ],
            "sessions": [_session_report(session) for session in sessions],
            "chunks": sum(len(log.arrivals) for session in sessions for log in session.connections),
            "streamed_s": round(sum(session.audio_ms for session in sessions) / 1000, 3),
            "billed_ms": round(sum(session.running_s for session in sessions) * 1000),
            "concluded": [
                {"session": number, "text": text}
                for number, script in self.scripts.items()
                for text in script.concluded
            ],
            "spoken": [{"language": item.language, "text": item.text} for item in self.spoken],
        }


def _session_report(session: Session) -> dict[str, object]:
    return {
        "number": session.number,
        "end": session.end,
        "deleted": session.is_deleted,
        "tasks": session.tasks,
        "running_s": round(session.running_s, 3),
        "audio_ms": round(session.audio_ms, 3),
        "connections": [log.summary() for log in session.connections],
    }
