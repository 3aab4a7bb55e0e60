"""A voice service that refuses, in virtual time: the real uplink and the real session, and in the link's place what the
service does to each request and each socket. Somebody speaks all the time."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from satellite.backends.base import (
    BackendSession,
    CloseSocket,
    HttpRequest,
    HttpResponse,
    OpenSocket,
    SendBytes,
    SendPing,
    SendText,
    SocketClosed,
)
from satellite.backends.deepl.session import DeepLSession
from satellite.core.audio import RATE_HZ, AudioChunk
from satellite.core.backlog import Backlog
from satellite.core.backoff import Backoff, SlowPace
from satellite.core.events import VoiceEvent
from satellite.runtime.uplink import Uplink, UplinkParts
from tests.fakes.uplink_play import Events
from tests.fakes.virtual_time import VirtualClock, pass_time, running
from tests.unit.backends.deepl.stage import options, setup, ticket

LATENCY_S = 0.05
BLOCK_S = 0.5
NEVER = float("inf")


@dataclass(frozen=True)
class Manners:
    """What the service does. `lives_s` is how long each socket lives: the last one's goes on for all that follow.

    `says` is sent as soon as the first audio came; the socket is then closed after `lives_after_s`.
    """

    post: HttpResponse = field(default_factory=lambda: HttpResponse(200, {}, ticket()))
    get: HttpResponse = field(default_factory=lambda: HttpResponse(200, {}, ticket()))
    handshake: SocketClosed | None = None
    lives_s: tuple[float, ...] = (NEVER,)
    says: str | None = None
    lives_after_s: float = NEVER


class RefusingLink:
    """ports.VoiceLink to a service with these manners."""

    def __init__(self, log: "Refusals", session: BackendSession, on_event: Callable[[VoiceEvent], None]) -> None:
        self._log = log
        self._session = session
        self._on_event = on_event
        self._due: list[tuple[float, Callable[[float], None]]] = []
        self._kick = asyncio.Event()
        self._has_said = False
        self._is_open = False

    async def run(self) -> None:
        self._drain()
        while not self._session.state.is_final:
            await self._wait()
            now = self._now
            while (entry := self._next_due(now)) is not None and not self._session.state.is_final:
                self._due.remove(entry)
                entry[1](now)
                self._drain()
            deadline = self._session.next_deadline()
            if deadline is not None and deadline <= now + 1e-9:
                self._session.deadline_reached(max(now, deadline))
            self._drain()

    def wake(self) -> None:
        self._drain()
        self._kick.set()

    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _next_due(self, now: float) -> tuple[float, Callable[[float], None]] | None:
        due = [entry for entry in self._due if entry[0] <= now + 1e-9]
        return min(due, key=lambda entry: entry[0], default=None)

    async def _wait(self) -> None:
        moments = [at for at, _ in self._due]
        deadline = self._session.next_deadline()
        moments += [] if deadline is None else [deadline]
        self._kick.clear()
        try:
            async with asyncio.timeout_at(min(moments, default=None)):
                await self._kick.wait()
        except TimeoutError:
            return

    def _drain(self) -> None:
        while (actions := self._session.actions()) or (events := self._session.events()):
            for action in actions:
                self._perform(action)
            for event in self._session.events() if actions else events:
                self._on_event(event)

    def _later(self, seconds: float, do: Callable[[float], None]) -> None:
        if seconds < NEVER:
            self._due.append((self._now + seconds, do))

    def _perform(self, action: Any) -> None:
        manners, session = self._log.manners, self._session
        match action:
            case HttpRequest(method):
                self._log.seen(method)
                answer = manners.post if method == "POST" else manners.get
                self._later(LATENCY_S, lambda now: session.http_response(answer, now))
            case OpenSocket():
                self._dial(manners)
            case SendPing(number):
                self._later(LATENCY_S, lambda now: session.pong(number, now) if self._is_open else None)
            case SendText() | SendBytes() if manners.says is not None and not self._has_said:
                said = manners.says
                self._has_said = True
                self._later(LATENCY_S, lambda now: session.message(said, now) if self._is_open else None)
                self._later(LATENCY_S + manners.lives_after_s, self._close)
            case CloseSocket():
                self._later(0.0, self._close)

    def _dial(self, manners: Manners) -> None:
        self._log.seen("dial")
        life_s = manners.lives_s[min(self._log.sockets, len(manners.lives_s) - 1)]
        self._log.sockets += 1
        self._has_said = False
        refusal = manners.handshake
        if refusal is not None:
            self._later(LATENCY_S, lambda now: self._session.socket_closed(refusal, now))
        else:
            self._later(LATENCY_S, self._open)
            self._later(LATENCY_S + life_s, self._close)

    def _open(self, now: float) -> None:
        self._is_open = True
        self._session.socket_opened(now)

    def _close(self, now: float) -> None:
        if self._is_open:
            self._is_open = False
            self._due.clear()
            self._session.socket_closed(SocketClosed(was_open=True, code=1011), now)


class Refusals:
    """What was asked of a service, and when, in seconds from the start."""

    def __init__(self, manners: Manners) -> None:
        self.manners = manners
        self.asked: list[tuple[float, str]] = []
        self.sockets = 0
        self.events = Events()

    def seen(self, what: str) -> None:
        self.asked.append((asyncio.get_running_loop().time() - 1000, what))

    def within(self, seconds: float) -> int:
        """How often something was asked or dialled, from the start up to then."""
        return sum(at <= seconds for at, _ in self.asked)

    def busiest_minute(self) -> int:
        """The most within any minute."""
        return max((sum(at <= other < at + 60 for other, _ in self.asked) for at, _ in self.asked), default=0)


async def speak_to(manners: Manners, minutes: float, seed: int = 0, *, silent_after_s: float = NEVER) -> Refusals:
    """Speech without a pause for so long, to a service with these manners."""
    log, clock = Refusals(manners), VirtualClock()
    dice = random.Random(seed)
    backlog = Backlog(30 * RATE_HZ)
    parts = UplinkParts(
        backlog=backlog,
        make_session=lambda waiting: DeepLSession(options(), setup(waiting)),
        make_link=lambda session, on_event, _: RefusingLink(log, session, on_event),
        backoff=Backoff(dice.random, slow_pace=SlowPace()),
        clock=clock,
        new_id=lambda: "s",
    )
    uplink = Uplink(parts, log.events)
    async with running(uplink.run):
        for number in range(round(minutes * 60 / BLOCK_S)):
            if number * BLOCK_S < silent_after_s:
                uplink.audio(AudioChunk(bytes(round(BLOCK_S * RATE_HZ) * 2), clock.wall(), f"u{number // 10}"))
                if number % 10 == 9:
                    uplink.utterance_ended(f"u{number // 10}")
            await pass_time(BLOCK_S)
    return log
