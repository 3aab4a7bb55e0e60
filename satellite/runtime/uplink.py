"""Uplink: decides when a voice session begins, is tried again, or is parked. Audio waits in the backlog meanwhile."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from satellite.backends.base import BackendSession, SessionState
from satellite.core.audio import RATE_HZ, AudioChunk
from satellite.core.backlog import Backlog, Dropped, UtteranceEnd
from satellite.core.backoff import Backoff
from satellite.core.events import (
    ConnectionLost,
    SessionEnded,
    SessionFailed,
    SessionOpened,
    UtteranceSent,
    VoiceEvent,
)
from satellite.core.liveness import Vital
from satellite.core.section import Section
from satellite.errors import ErrorCategory
from satellite.ports import Clock, VoiceLink, VoiceLinkFactory
from satellite.runtime.meter import Percentiles

log = logging.getLogger(__name__)

STREAMING_PATIENCE_S = 60.0
"""More than a link needs to find out that nothing goes through it any more."""
SESSION_PATIENCE_S = 180.0
"""More than any session takes to be set up, or to end in order while sound waits for the next."""


class UplinkEvents(Protocol):
    """Who is told what the sessions report."""

    def session_event(self, session_id: str, event: VoiceEvent) -> None:
        """One event of one session."""

    def audio_dropped(self, dropped: Dropped) -> None:
        """Audio of an utterance had to go: the link was down for longer than the backlog holds."""

    def audio_discarded(self, dropped: Dropped) -> None:
        """Audio of an utterance was thrown away because the user wished so."""

    def utterance_lost(self, utterance_id: str) -> None:
        """The utterance ended and no session will ever have any of its audio."""

    def session_over(self, session_id: str) -> None:
        """The session reports nothing more."""

    def limit_reached(self, is_reached: bool) -> None:
        """Nothing more may be streamed today; False when it may again."""

    def parked(self, failure: SessionFailed | None) -> None:
        """Retrying is pointless until a person acts; None when it is taken up again."""


@dataclass(frozen=True, slots=True)
class UplinkParts:
    """What an uplink is made of."""

    backlog: Backlog
    make_session: Callable[[Backlog], BackendSession]
    make_link: VoiceLinkFactory
    backoff: Backoff
    clock: Clock
    new_id: Callable[[], str]
    is_spent: Callable[[float], bool] = lambda _: False
    """Whether that many streamed seconds are all that the day allows."""


@dataclass(slots=True)
class UplinkCounters:
    """Running totals over all sessions, for health."""

    sessions: int = 0
    resumes: int = 0
    reconnects: int = 0
    """Connections made after one was lost, by resuming or by a new session."""
    streamed_samples: int = 0
    ignored_messages: int = 0
    """What services said that was not understood or not asked for."""

    def ignored(self, messages: int, session_id: str) -> None:
        """Tell once a session, loudly the first time, what was of no use: a service may learn new words."""
        if messages:
            level = logging.INFO if self.ignored_messages else logging.WARNING
            log.log(
                level,
                "session %s: %d messages of the service were of no use",
                session_id[:8],
                messages,
                extra={"session_id": session_id},
            )
            self.ignored_messages += messages


@dataclass(frozen=True, slots=True)
class _Conversation:
    """The present session and what drives it."""

    id: str
    session: BackendSession
    link: VoiceLink


class Uplink:
    """Owns the backlog's way to the service: at most one session at a time, opened when audio waits."""

    def __init__(self, parts: UplinkParts, events: UplinkEvents) -> None:
        self._parts = parts
        self._backlog = parts.backlog
        self._events = events
        self._present: _Conversation | None = None
        self._session_id = ""
        self._log = logging.LoggerAdapter(log, {})
        self._wanted = asyncio.Event()
        self._retry_now = asyncio.Event()
        self._failure: SessionFailed | None = None
        self._is_finishing = False
        self._is_waiting = False
        self._was_lost = False
        self._was_spent = False
        self._told: ErrorCategory | None = None
        self._is_dropping = False
        self.counters = UplinkCounters()
        self.waiting_ms = Percentiles()

    @property
    def streamed_samples(self) -> int:
        """Audio handed to services so far, keep-alive silence included: what is billed."""
        present = self._present.session.counters.sent_samples if self._present is not None else 0
        return self.counters.streamed_samples + present

    @property
    def vital(self) -> Vital:
        """Sound that waits is accepted, unless the service is known to be away: then the next try has its time."""
        present = self._present
        state = None if present is None else present.session.state
        done = (self.counters.sessions, state, self.streamed_samples, self._is_waiting)
        is_paused = present is not None and present.session.counters.is_paused
        is_due = self._backlog.samples > 0 and not self._is_waiting and not is_paused
        return Vital(done, is_due, STREAMING_PATIENCE_S if state is SessionState.STREAMING else SESSION_PATIENCE_S)

    def audio(self, chunk: AudioChunk) -> None:
        """Queue audio and get it on its way, unless the day's allowance is spent."""
        if self._is_barred():
            return
        for dropped in self._backlog.append(chunk):
            self._lose(dropped)
        self._wake()
        self.waiting_ms.add(self._backlog.seconds * 1000)

    def utterance_ended(self, utterance_id: str) -> None:
        """No more audio of this utterance comes."""
        if self._backlog.end_utterance(utterance_id):
            self._wake()
            self._settle_marks()
        else:
            self._events.utterance_lost(utterance_id)

    def discard_audio(self) -> None:
        """Forget what was not sent yet: the user muted the microphone."""
        for dropped in self._backlog.discard_audio():
            self._events.audio_discarded(dropped)
        self._settle_marks()

    def run_action(self, action: str, arguments: Section) -> bool:
        """Ask the present session for it; False when there is none."""
        if (present := self._live) is None:
            return False
        present.session.run_action(action, arguments, self._parts.clock.monotonic())
        present.link.wake()
        return True

    def restart_session(self) -> None:
        """End the present session in order, so that the next one has the present settings; leave a park."""
        self._finish_session()
        self._retry_now.set()

    async def run(self) -> None:
        """Keep a session while audio waits; ends after `finish` when everything is said, or cannot be."""
        while True:
            if self._backlog.is_empty:
                if self._is_finishing:
                    return
                await self._wanted.wait()
            self._wanted.clear()
            if self._backlog.is_empty:
                continue
            session = await self._converse()
            if self._failure is None and self._backlog.samples and not session.counters.sent_samples:
                self._failure = SessionFailed(ErrorCategory.CONNECTIVITY, "the session ended before it took any audio")
            if self._failure is not None and not await self._wait_before_retry(self._failure):
                return

    def finish(self) -> None:
        """Send what waits, end the session in order, then let `run` return; a failure from now on ends it too."""
        self._is_finishing = True
        self._finish_session()
        self._wanted.set()
        self._retry_now.set()

    async def _converse(self) -> BackendSession:
        """One session from birth to end."""
        parts = self._parts
        self._failure = None
        self._session_id = parts.new_id()
        self.counters.sessions += 1
        session = parts.make_session(parts.backlog)
        link = parts.make_link(session, self._on_event, self._session_id)
        self._present = _Conversation(self._session_id, session, link)
        self._log = logging.LoggerAdapter(log, {"session_id": self._session_id})
        self._log.info("session %s: starting", self._session_id[:8])
        session.start(parts.clock.monotonic())
        if self._is_finishing:
            session.finish(parts.clock.monotonic())
        try:
            await self._present.link.run()
        finally:
            self._present = None
            self.counters.streamed_samples += session.counters.sent_samples
            self.counters.ignored(session.counters.ignored_messages, self._session_id)
            self._settle_marks()
            self._events.session_over(self._session_id)
        return session

    async def _wait_before_retry(self, failure: SessionFailed) -> bool:
        """Sit out the back-off or the park; False when the run is over."""
        self._was_lost = True
        now = self._parts.clock.monotonic()
        wait = self._parts.backoff.lost(failure.category, now, failure.retry_after_s)
        if self._is_finishing:
            return False
        session = self._session_id[:8]
        if wait.parked:
            self._log.error("session %s: parked, %s", session, failure.category.value)
            self._events.parked(failure)
        else:
            level = logging.DEBUG if failure.category is self._told else logging.WARNING
            self._log.log(level, "session %s: %s; trying again until it works", session, failure.category.value)
            self._told = failure.category
        self._retry_now.clear()
        self._is_waiting = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait.delay_s):
                await self._retry_now.wait()
        self._is_waiting = False
        if wait.parked:
            self._events.parked(None)
        return not (wait.parked and self._is_finishing)

    def _on_event(self, event: VoiceEvent) -> None:
        if isinstance(event, SessionOpened):
            self._parts.backoff.connected(self._parts.clock.monotonic())
            self.counters.resumes += event.resumed
            self.counters.reconnects += self._was_lost or event.resumed
            self._was_lost = self._is_dropping = False
            self._told = None
        elif isinstance(event, SessionFailed):
            self._failure = event
        elif isinstance(event, SessionEnded) and not event.expected:
            self._failure = SessionFailed(ErrorCategory.CONNECTIVITY, event.reason)
        elif isinstance(event, ConnectionLost):
            self._log.info("session %s: connection lost", self._session_id[:8])
        self._events.session_event(self._session_id, event)

    def _wake(self) -> None:
        """Audio came: begin a session with it, or let the present one send it."""
        self._wanted.set()
        if (present := self._live) is not None:
            present.session.audio_ready(self._parts.clock.monotonic())
            present.link.wake()

    def _is_barred(self) -> bool:
        """Ask the allowance; tell when it runs out, and end the session in order then."""
        is_spent = self._parts.is_spent(self.streamed_samples / RATE_HZ)
        if is_spent != self._was_spent:
            self._was_spent = is_spent
            self._events.limit_reached(is_spent)
            if is_spent:
                self._finish_session()
        return is_spent

    def _finish_session(self) -> None:
        if (present := self._live) is not None:
            present.session.finish(self._parts.clock.monotonic())
            present.link.wake()

    @property
    def _live(self) -> _Conversation | None:
        """The present session as long as it may be called."""
        present = self._present
        return None if present is None or present.session.state.is_final else present

    def _settle_marks(self) -> None:
        """Ends of utterances that an earlier session had in whole need no session of their own."""
        while self._present is None and not self._backlog.samples:
            mark = self._backlog.take(1)
            if not isinstance(mark, UtteranceEnd):
                return
            self._events.session_event(self._session_id, UtteranceSent(mark.utterance_id))

    def _lose(self, dropped: Dropped) -> None:
        """Told in the log once per outage."""
        if not self._is_dropping:
            self._is_dropping = True
            log.warning("backlog: full, from now on the oldest audio is dropped")
        self._events.audio_dropped(dropped)
