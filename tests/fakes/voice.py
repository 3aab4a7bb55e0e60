"""A voice service in virtual time: scripted sessions, and the link that drives them."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from satellite.backends.base import (
    Action,
    HttpFailed,
    HttpResponse,
    SessionCounters,
    SessionState,
    SocketClosed,
)
from satellite.core.audio import AudioChunk
from satellite.core.backlog import Backlog, UtteranceEnd
from satellite.core.events import (
    Segment,
    SessionEnded,
    SessionFailed,
    SessionOpened,
    Stream,
    TranscriptUpdated,
    UtteranceSent,
    UtteranceSettled,
    VoiceEvent,
)
from satellite.core.section import Section
from satellite.errors import ErrorCategory, LocalMisuse

REFUSED = SessionFailed(ErrorCategory.CONNECTIVITY, "connection refused")


@dataclass(frozen=True)
class Fate:
    """How a session goes. Without a failure it lives until it is finished or idle.

    `failure` comes `fails_after_s` after the start; a session that is not open by then never was.
    """

    opens_after_s: float = 0.1
    failure: SessionFailed | SessionEnded | None = None
    fails_after_s: float = 0.05
    farewell_s: float = 0.2
    idle_close_s: float = 60.0
    is_hungry: bool = True
    """Takes audio as soon as it may."""


class ScriptedSession:
    """backends.base.BackendSession that takes what it is given and says what the test has it say."""

    def __init__(self, backlog: Backlog, fate: Fate) -> None:
        self.counters = SessionCounters()
        self.taken: list[AudioChunk | UtteranceEnd] = []
        self.asked: list[tuple[str, Section]] = []
        self.started_at = 0.0
        self._state = SessionState.IDLE
        self._backlog = backlog
        self._fate = fate
        self._events: list[VoiceEvent] = []
        self._active_at = 0.0
        self._ends_at: float | None = None

    @property
    def state(self) -> SessionState:
        return self._state

    # --- what the test has it do ---

    def say(self, *events: VoiceEvent) -> None:
        """Report something; `ScriptedLink.wake` brings it out."""
        self._events += events

    def conclude(self, text: str, utterance_id: str | None = None) -> None:
        """Conclude source text over the whole of an utterance, by default the last, and settle it."""
        chunks = [piece for piece in self.taken if isinstance(piece, AudioChunk)]
        chosen = utterance_id or chunks[-1].utterance_id
        spoken = [chunk for chunk in chunks if chunk.utterance_id == chosen]
        start_s, last = spoken[0].start_s, spoken[-1]
        segment = Segment(text, "en", start_s, last.start_s + last.samples / 16_000, chosen)
        self.say(TranscriptUpdated(Stream.SOURCE, None, (segment,), ()), UtteranceSettled(chosen))

    def end(self, event: SessionFailed | SessionEnded) -> None:
        """Be over."""
        if not self._state.is_final:
            is_failure = isinstance(event, SessionFailed)
            self._state = SessionState.FAILED if is_failure else SessionState.CLOSED
            self.say(event)

    # --- the interface ---

    def start(self, now: float) -> None:
        if self._state is not SessionState.IDLE:
            raise LocalMisuse("started twice")
        self._state = SessionState.CONNECTING
        self.started_at = self._active_at = now

    def audio_ready(self, now: float) -> None:
        if self._state.is_final:
            raise LocalMisuse("called after the end")
        self._pump(now)

    def finish(self, now: float) -> None:
        if self._state.is_final:
            raise LocalMisuse("called after the end")
        if self._ends_at is None:
            self._ends_at = max(now, self.started_at + self._fate.opens_after_s) + self._fate.farewell_s
            self._pump(now)

    def close(self, now: float) -> None:
        self.end(SessionEnded("closed", expected=True))

    def next_deadline(self) -> float | None:
        if self._state.is_final:
            return None
        fate, due = self._fate, [self._active_at + self._fate.idle_close_s]
        if self._state is SessionState.CONNECTING:
            due.append(self.started_at + fate.opens_after_s)
        if fate.failure is not None:
            due.append(self.started_at + fate.fails_after_s)
        if self._ends_at is not None:
            due.append(self._ends_at)
        return min(due)

    def deadline_reached(self, now: float) -> None:
        fate = self._fate
        if fate.failure is not None and now >= self.started_at + fate.fails_after_s:
            self.end(fate.failure)
        elif self._state is SessionState.CONNECTING and now >= self.started_at + fate.opens_after_s:
            self._state = SessionState.STREAMING
            self.say(SessionOpened(resumed=False, trace_id="trace"))
            self._pump(now)
        elif self._ends_at is not None and now >= self._ends_at:
            self.end(SessionEnded("finished", expected=True))
        elif now >= self._active_at + fate.idle_close_s:
            self.end(SessionEnded("idle", expected=True))

    def actions(self) -> list[Action]:
        return []

    def events(self) -> list[VoiceEvent]:
        events, self._events = self._events, []
        return events

    def http_response(self, response: HttpResponse, now: float) -> None:
        raise LocalMisuse("nothing was asked")

    def http_failed(self, failure: HttpFailed, now: float) -> None:
        raise LocalMisuse("nothing was asked")

    def socket_opened(self, now: float) -> None:
        raise LocalMisuse("nothing was dialled")

    def message(self, data: str | bytes, now: float) -> None:
        raise LocalMisuse("nothing was dialled")

    def pong(self, number: int, now: float) -> None:
        raise LocalMisuse("nothing was dialled")

    def socket_closed(self, closed: SocketClosed, now: float) -> None:
        raise LocalMisuse("nothing was dialled")

    def track_audio(self, track: str, pcm: bytes, now: float) -> None:
        raise LocalMisuse("no room was opened")

    def run_action(self, action: str, arguments: Section, now: float) -> None:
        self.asked.append((action, arguments))

    def _pump(self, now: float) -> None:
        if self._state is not SessionState.STREAMING or not self._fate.is_hungry:
            return
        while (piece := self._backlog.take(1600)) is not None:
            self.taken.append(piece)
            self._active_at = now
            if isinstance(piece, UtteranceEnd):
                self.say(UtteranceSent(piece.utterance_id))
            else:
                self.counters.sent_samples += piece.samples


class ScriptedLink:
    """ports.VoiceLink for a session that wants nothing but time."""

    def __init__(self, session: ScriptedSession, on_event: Callable[[VoiceEvent], None]) -> None:
        self._session = session
        self._on_event = on_event
        self._kick = asyncio.Event()
        self._is_draining = False
        self.is_running = False

    async def run(self) -> None:
        self.is_running = True
        try:
            self._drain()
            while not self._session.state.is_final:
                await self._wait()
                due = self._session.next_deadline()
                if due is not None and due <= asyncio.get_running_loop().time() + 1e-9:
                    self._session.deadline_reached(due)
                self._drain()
        finally:
            self.is_running = False

    def wake(self) -> None:
        if self.is_running:
            self._drain()
            self._kick.set()

    async def _wait(self) -> None:
        due = self._session.next_deadline()
        self._kick.clear()
        try:
            async with asyncio.timeout_at(due):
                await self._kick.wait()
        except TimeoutError:
            return

    def _drain(self) -> None:
        if self._is_draining:
            return
        self._is_draining = True
        while events := self._session.events():
            for event in events:
                self._on_event(event)
        self._is_draining = False


class Service:
    """Makes sessions with the fates they are to have, and remembers them."""

    def __init__(self, *fates: Fate) -> None:
        self.fates = deque(fates)
        self.usual = Fate()
        self.sessions: list[ScriptedSession] = []
        self.links: list[ScriptedLink] = []

    def make_session(self, backlog: Backlog) -> ScriptedSession:
        self.sessions.append(ScriptedSession(backlog, self.fates.popleft() if self.fates else self.usual))
        return self.sessions[-1]

    def make_link(self, session: object, on_event: Callable[[VoiceEvent], None], session_id: str) -> ScriptedLink:
        assert session is self.sessions[-1]
        self.links.append(ScriptedLink(self.sessions[-1], on_event))
        return self.links[-1]

    @property
    def session(self) -> ScriptedSession:
        """The session made last."""
        return self.sessions[-1]

    def says(self, *events: VoiceEvent) -> None:
        """The present session reports something."""
        self.session.say(*events)
        self.links[-1].wake()

    def concludes(self, text: str, utterance_id: str | None = None) -> None:
        """The present session concludes an utterance."""
        self.session.conclude(text, utterance_id)
        self.links[-1].wake()

    def ends(self, event: SessionFailed | SessionEnded) -> None:
        """The present session is over."""
        self.session.end(event)
        self.links[-1].wake()

    @property
    def heard_ms(self) -> float:
        """How much audio all sessions took."""
        pieces = [piece for session in self.sessions for piece in session.taken]
        return sum(piece.samples for piece in pieces if isinstance(piece, AudioChunk)) / 16
