"""Uplink: decides when a voice session begins, is tried again, or is parked. Audio waits in the backlog meanwhile."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from satellite.backends.base import BackendSession
from satellite.core.audio import RATE_HZ, AudioChunk
from satellite.core.backlog import Backlog, Dropped
from satellite.core.backoff import Backoff
from satellite.core.events import ConnectionLost, SessionEnded, SessionFailed, SessionOpened, VoiceEvent
from satellite.errors import ErrorCategory
from satellite.ports import Clock, VoiceLink, VoiceLinkFactory
from satellite.runtime.meter import Percentiles

log = logging.getLogger(__name__)


class UplinkEvents(Protocol):
    """Who is told what the sessions report."""

    def session_event(self, session_id: str, event: VoiceEvent) -> None:
        """One event of one session."""

    def audio_dropped(self, dropped: Dropped) -> None:
        """Audio of an utterance had to go: the link was down for longer than the backlog holds."""

    def session_over(self, session_id: str) -> None:
        """The session reports nothing more."""

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


@dataclass(slots=True)
class UplinkCounters:
    """Running totals over all sessions, for health."""

    sessions: int = 0
    resumes: int = 0
    reconnects: int = 0
    streamed_samples: int = 0
    lost_samples: int = 0


class Uplink:
    """Owns the backlog's way to the service: at most one session at a time, opened when audio waits."""

    def __init__(self, parts: UplinkParts, events: UplinkEvents) -> None:
        self._parts = parts
        self._events = events
        self._session: BackendSession | None = None
        self._link: VoiceLink | None = None
        self._session_id = ""
        self._wanted = asyncio.Event()
        self._retry_now = asyncio.Event()
        self._failure: SessionFailed | None = None
        self._is_finishing = False
        self.counters = UplinkCounters()
        self.waiting_ms = Percentiles()

    @property
    def session_id(self) -> str:
        """Id of the present or last session."""
        return self._session_id

    @property
    def streamed_samples(self) -> int:
        """Audio handed to services so far, keep-alive silence included: what is billed."""
        present = self._session.counters.sent_samples if self._session is not None else 0
        return self.counters.streamed_samples + present

    def audio(self, chunk: AudioChunk) -> None:
        """Queue audio and get it on its way."""
        for dropped in self._parts.backlog.append(chunk):
            self._lose(dropped)
        self._wake()
        self.waiting_ms.add(self._parts.backlog.seconds * 1000)

    def utterance_ended(self, utterance_id: str) -> None:
        """No more audio of this utterance comes."""
        self._parts.backlog.end_utterance(utterance_id)
        self._wake()

    def discard_audio(self) -> None:
        """Forget what was not sent yet: the user muted the microphone."""
        for dropped in self._parts.backlog.discard_audio():
            self._lose(dropped)

    def restart_session(self) -> None:
        """End the present session in order, so that the next one has the present settings; leave a park."""
        if self._session is not None and not self._session.state.is_final:
            self._session.finish(self._parts.clock.monotonic())
            self._poke_link()
        self._retry_now.set()

    async def run(self) -> None:
        """Keep a session while audio waits; ends after `finish` when everything is said."""
        while True:
            if self._is_finishing and self._parts.backlog.is_empty:
                return
            if not self._is_finishing:
                await self._wanted.wait()
            self._wanted.clear()
            if self._parts.backlog.is_empty:
                continue
            await self._converse()
            if self._failure is not None and not await self._wait_before_retry(self._failure):
                return
            if not self._parts.backlog.is_empty:
                self._wanted.set()

    def finish(self) -> None:
        """Send what waits, end the session in order, then let `run` return."""
        self._is_finishing = True
        if self._session is not None and not self._session.state.is_final:
            self._session.finish(self._parts.clock.monotonic())
            self._poke_link()
        self._wanted.set()
        self._retry_now.set()

    async def _converse(self) -> None:
        """One session from birth to end."""
        parts = self._parts
        self._failure = None
        self._session_id = parts.new_id()
        self.counters.sessions += 1
        session = self._session = parts.make_session(parts.backlog)
        link = self._link = parts.make_link(session, self._on_event)
        log.info("session %s: starting", self._session_id[:8])
        session.start(parts.clock.monotonic())
        if self._is_finishing:
            session.finish(parts.clock.monotonic())
        try:
            await link.run()
        finally:
            self.counters.streamed_samples += session.counters.sent_samples
            self._session = self._link = None
            self._events.session_over(self._session_id)

    async def _wait_before_retry(self, failure: SessionFailed) -> bool:
        """Sit out the back-off or the park; False when the run is over."""
        now = self._parts.clock.monotonic()
        wait = self._parts.backoff.lost(failure.category, now, failure.retry_after_s)
        if self._is_finishing:
            return False
        if wait.parked:
            log.error("session %s: parked, %s", self._session_id[:8], failure.category.value)
            self._events.parked(failure)
        else:
            log.warning(
                "session %s: %s; next try in %.1f s", self._session_id[:8], failure.category.value, wait.delay_s
            )
        self._retry_now.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._retry_now.wait(), wait.delay_s)
        if wait.parked:
            self._events.parked(None)
        return True

    def _on_event(self, event: VoiceEvent) -> None:
        if isinstance(event, SessionOpened):
            self._parts.backoff.connected(self._parts.clock.monotonic())
            self.counters.reconnects += event.resumed
            self.counters.resumes += event.resumed
        elif isinstance(event, SessionFailed):
            self._failure = event
        elif isinstance(event, SessionEnded) and not event.expected:
            self._failure = SessionFailed(ErrorCategory.CONNECTIVITY, event.reason)
        elif isinstance(event, ConnectionLost):
            log.info("session %s: connection lost", self._session_id[:8])
        self._events.session_event(self._session_id, event)

    def _wake(self) -> None:
        self._wanted.set()
        if self._session is not None and not self._session.state.is_final:
            self._session.audio_ready(self._parts.clock.monotonic())
            self._poke_link()

    def _poke_link(self) -> None:
        if self._link is not None:
            self._link.wake()

    def _lose(self, dropped: Dropped) -> None:
        self.counters.lost_samples += dropped.samples
        log.warning("backlog: %.1f s of audio dropped", dropped.samples / RATE_HZ)
        self._events.audio_dropped(dropped)
