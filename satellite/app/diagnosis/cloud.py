"""The voice service: asked for a session as the daemon asks, which proves key, plan, options and languages.

The session is not dialled, or where nothing else can be asked closed as soon as it is open: nothing that was heard is
sent, and no more is billed than a moment of silence.
"""

import asyncio
import contextlib
import email.utils
from dataclasses import replace

from satellite.adapters import httpcall
from satellite.adapters.link import shared_tls
from satellite.app import parts
from satellite.app.diagnosis.report import Outcome, failed, passed, warned
from satellite.app.voice import VoiceRoom
from satellite.backends.base import BackendSession, HttpRequest, HttpResponse, OpenSocket
from satellite.config.model import Config
from satellite.core.audio import RATE_HZ
from satellite.core.backlog import Backlog
from satellite.core.events import SessionFailed, SessionOpened, VoiceEvent
from satellite.errors import ErrorCategory, SatelliteError
from satellite.ports import Clock

CONNECT_WITHIN_S = 4.0
ANSWER_WITHIN_S = 8.0

MENDS = {
    ErrorCategory.CONNECTIVITY: "check the network, its name server and its firewall (HTTPS and WSS, port 443)",
    ErrorCategory.SERVER: "the service has trouble, or something on the way: try again in a while",
    ErrorCategory.RATE_LIMIT: "the service asks for fewer requests: wait a minute",
    ErrorCategory.AUTHENTICATION: "check the key",
    ErrorCategory.AUTHORIZATION: "check what the key and its plan allow",
    ErrorCategory.INVALID_REQUEST: "check the languages and the options of the service",
    ErrorCategory.QUOTA: "raise the limit, or wait for the next period",
}
"""Where the backend has none of its own."""


class ServiceVisit:
    """One visit; what the service says of the time is kept."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self.date_s: float | None = None
        """Unix seconds of the `Date` in its answer, None when there was none."""
        self.asked_at: float | None = None
        """The wall clock when that answer came."""

    async def ask(self) -> Outcome:
        """Ask for a session, and leave it at that."""
        room = VoiceRoom(self._config, self._clock)
        try:
            session = room.make_session(Backlog(RATE_HZ), parts.configured_settings(self._config), {})
        except SatelliteError as error:
            return failed(str(error), "see docs/configuration.md for what this option needs")
        session.start(self._clock.monotonic())
        requests = 0
        while isinstance(wish := _wish(session), HttpRequest):
            requests += 1
            await self._exchange(session, wish)
        if isinstance(wish, OpenSocket) and not requests:
            return await self._dial(room)
        failures = [event for event in session.events() if isinstance(event, SessionFailed)]
        session.close(self._clock.monotonic())
        if isinstance(farewell := _wish(session), HttpRequest):
            await httpcall.perform(farewell, shared_tls())
        if failures:
            return judge(room.name, failures[0])
        if not requests:
            return passed(f"{room.name}: answers by itself, without a service")
        return passed(f"{room.name}: the service grants a session with these languages and options")

    async def _dial(self, room: VoiceRoom) -> Outcome:
        """A connection is all that can be asked for: it is opened, and closed before anybody speaks."""
        session = room.make_session(Backlog(RATE_HZ), parts.configured_settings(self._config), {})
        events: list[VoiceEvent] = []

        def happened(event: VoiceEvent) -> None:
            events.append(event)
            if isinstance(event, SessionOpened):
                session.finish(self._clock.monotonic())

        session.start(self._clock.monotonic())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await room.make_link(session, happened, parts.new_id()).run()
        for event in events:
            if isinstance(event, SessionFailed):
                return judge(room.name, event)
            if isinstance(event, SessionOpened):
                return passed(f"{room.name}: the service opens a connection with these languages and options")
        detail = f"no answer within {ANSWER_WITHIN_S:g} s"
        return judge(room.name, SessionFailed(ErrorCategory.CONNECTIVITY, detail))

    async def _exchange(self, session: BackendSession, request: HttpRequest) -> None:
        request = replace(request, connect_timeout_s=CONNECT_WITHIN_S, timeout_s=ANSWER_WITHIN_S)
        answer = await httpcall.perform(request, shared_tls())
        if isinstance(answer, HttpResponse):
            self.date_s, self.asked_at = date_of(answer), self._clock.wall()
            timed = httpcall.with_wait_in_seconds(answer, self._clock)
            session.http_response(timed, self._clock.monotonic())
        else:
            session.http_failed(answer, self._clock.monotonic())


def judge(name: str, failure: SessionFailed) -> Outcome:
    """A refusal, sorted as the daemon sorts it."""
    detail = f"{name}: {failure.detail}"
    if failure.trace_id is not None:
        detail += f" (trace id {failure.trace_id})"
    mend = failure.hint or MENDS[failure.category]
    return (warned if failure.category is ErrorCategory.RATE_LIMIT else failed)(detail, mend)


def date_of(answer: HttpResponse) -> float | None:
    """Unix seconds of an answer's `Date`; None when it has none that can be read."""
    try:
        return email.utils.parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
    except (ValueError, OverflowError):
        return None


def _wish(session: BackendSession) -> HttpRequest | OpenSocket | None:
    """What the session wants to ask or dial; that it wants to dial is the end of it."""
    return next((action for action in session.actions() if isinstance(action, HttpRequest | OpenSocket)), None)
