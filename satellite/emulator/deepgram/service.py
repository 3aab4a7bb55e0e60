"""What all parts of one emulated service share."""

import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from satellite.emulator.conversation import Truth
from satellite.emulator.deepgram.query import StreamConfig
from satellite.emulator.deepgram.script import Script
from satellite.emulator.deepgram.settings import DeepgramSettings
from satellite.emulator.faults import FaultBox
from satellite.emulator.report import ConnectionLog, Ledger, Pacing
from satellite.emulator.stalls import Stalls


@dataclass(slots=True)
class Session:
    """One connection: there is no resuming."""

    number: int
    request_id: str
    config: StreamConfig
    script: Script
    connections: list[ConnectionLog] = field(default_factory=list)
    configured: list[dict[str, object]] = field(default_factory=list)
    """Every `Configure` that was taken."""

    @property
    def audio_ms(self) -> float:
        """Playback time of all audio received, which is what is billed."""
        return sum(connection.audio_ms for connection in self.connections)


class LiveConnection(Protocol):
    """A socket that is open."""

    async def close(self, code: int, reason: str) -> None:
        """Close it from the server's side."""
        ...


@dataclass(slots=True)
class Service:
    """Settings, clock, sessions and records; `clock` gives loop seconds."""

    settings: DeepgramSettings
    clock: Callable[[], float]
    truth: Truth
    ledger: Ledger
    faults: FaultBox = field(default_factory=FaultBox)
    stalls: Stalls = field(default_factory=Stalls)
    sessions: list[Session] = field(default_factory=list)
    live: dict[int, LiveConnection] = field(default_factory=dict)
    tokens: dict[str, float] = field(default_factory=dict)
    """Temporary tokens, and until when each is good."""

    def grant(self, ttl_s: float) -> str:
        """A temporary token."""
        token = f"eyJ{secrets.token_urlsafe(24)}.{secrets.token_urlsafe(24)}.{secrets.token_urlsafe(16)}"
        limit_s = self.settings.limits.token_s
        self.tokens[token] = self.clock() + (ttl_s if limit_s is None else limit_s)
        return token

    def open(self, config: StreamConfig) -> Session:
        """A new session."""
        script = Script(self.truth.language, config, self.settings.variants)
        session = Session(len(self.sessions) + 1, str(uuid.uuid4()), config, script)
        self.sessions.append(session)
        return session

    def report(self) -> dict[str, object]:
        """Everything that was seen, ready for JSON."""
        connections = [log for session in self.sessions for log in session.connections]
        pacing = Pacing()
        for log in connections:
            pacing.merge(log.pacing)
        return {
            "violations": [
                {"rule": item.rule, "detail": item.detail, "at_s": round(item.at_s, 3), "session": item.session}
                for item in self.ledger.violations
            ],
            "sessions": [_session_report(session) for session in self.sessions],
            "chunks": sum(len(log.arrivals) for log in connections),
            "streamed_s": round(sum(session.audio_ms for session in self.sessions) / 1000, 3),
            "billed_ms": round(sum(session.audio_ms for session in self.sessions)),
            "concluded": [
                {"session": session.number, "turn": turn.index, "text": turn.text, "trigger": turn.trigger}
                for session in self.sessions
                for turn in session.script.concluded
            ],
            "spoken": [],
            "pacing": {
                "longest_gap_s": round(pacing.longest_gap_s, 3),
                "highest_speed": round(pacing.highest_speed, 3),
                "largest_allowance_ms": round(pacing.largest_allowance_ms, 1),
            },
        }


def _session_report(session: Session) -> dict[str, object]:
    return {
        "number": session.number,
        "config": dict(session.config.request),
        "configured": session.configured,
        "audio_ms": round(session.audio_ms, 3),
        "connections": [log.summary() for log in session.connections],
    }
