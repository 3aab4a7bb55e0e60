"""What all parts of one emulated service share."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from satellite.emulator.conversation import Conversation, Truth
from satellite.emulator.deepl.script import Script
from satellite.emulator.deepl.settings import DeepLSettings
from satellite.emulator.deepl.tokens import Session, SessionBook
from satellite.emulator.faults import FaultBox
from satellite.emulator.report import Ledger, Pacing, Spoken
from satellite.emulator.speech import Synthesiser
from satellite.emulator.stalls import Stalls

CONNECT_PATH = "/v3/voice/realtime/connect"


class LiveConnection(Protocol):
    """The one socket a session has open."""

    async def close(self, code: int, reason: str) -> None:
        """Close it from the server's side."""
        ...

    async def closed(self) -> None:
        """Wait until it is closed."""
        ...


@dataclass(slots=True)
class Service:
    """Settings, clock, sessions and records; `clock` gives loop seconds."""

    settings: DeepLSettings
    clock: Callable[[], float]
    truth: Truth
    synthesiser: Synthesiser
    ledger: Ledger
    book: SessionBook = field(default_factory=SessionBook)
    faults: FaultBox = field(default_factory=FaultBox)
    stalls: Stalls = field(default_factory=Stalls)
    conversations: dict[int, Conversation] = field(default_factory=dict)
    scripts: dict[int, Script] = field(default_factory=dict)
    live: dict[int, LiveConnection] = field(default_factory=dict)
    spoken: list[Spoken] = field(default_factory=list)
    streaming_url: str = ""

    async def end_session(self, session: Session, why: str, code: int = 1008) -> None:
        """Terminate a session and close its socket if it has one."""
        session.kill(why)
        await self.disconnect(session, code, why)

    async def disconnect(self, session: Session, code: int, reason: str) -> None:
        """Close the session's socket if it has one."""
        connection = self.live.get(session.number)
        if connection is not None:
            await connection.close(code, reason)

    async def await_close(self, session: Session, patience_s: float) -> None:
        """Give a socket that is just being closed the time to be seen closed; a stalled one cannot be."""
        connection = self.live.get(session.number)
        if connection is None or session.is_stalled:
            return
        try:
            async with asyncio.timeout(patience_s):
                await connection.closed()
        except TimeoutError:
            return

    def settle(self, session: Session) -> None:
        """Judge a session whose client closed cleanly without ending the stream and never came back."""
        if session.left_early_at_s is not None:
            session.left_early_at_s = None
            self.ledger.record("closed_before_end_of_stream", "closed without end_of_source_media", session.number)

    def report(self) -> dict[str, object]:
        """Everything that was seen, ready for JSON."""
        sessions = self.book.sessions
        connections = [log for session in sessions for log in session.connections]
        pacing = Pacing()
        for log in connections:
            pacing.merge(log.pacing)
        return {
            "violations": [
                {"rule": item.rule, "detail": item.detail, "at_s": round(item.at_s, 3), "session": item.session}
                for item in self.ledger.violations
            ],
            "sessions": [_session_report(session) for session in sessions],
            "chunks": sum(len(log.arrivals) for log in connections),
            "streamed_s": round(sum(session.audio_ms for session in sessions) / 1000, 3),
            "billed_ms": round(sum(session.audio_ms for session in sessions)),
            "concluded": [
                {"session": number, "text": phrase.source_text, **phrase.times}
                for number, script in self.scripts.items()
                for phrase in script.concluded
            ],
            "spoken": [{"language": item.language, "text": item.text} for item in self.spoken],
            "pacing": {
                "smallest_gap_over_half": pacing.smallest_gap_ratio,
                "longest_gap_s": round(pacing.longest_gap_s, 3),
                "highest_speed": round(pacing.highest_speed, 3),
                "largest_allowance_ms": round(pacing.largest_allowance_ms, 1),
            },
        }


def _session_report(session: Session) -> dict[str, object]:
    return {
        "number": session.number,
        "state": session.state.value,
        "death": session.death,
        "config": dict(session.config.request),
        "audio_ms": round(session.audio_ms, 3),
        "connections": [log.summary() for log in session.connections],
    }
