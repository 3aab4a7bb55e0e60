"""Playbook: a session test as a play: what happens, then what it wants done and reports, with a diff on failure.

    play(session, backlog).at(0.0).start().expect(Like(HttpRequest, method="POST"))

Each input drains the session. `expect` takes what came since the last one, actions and events of each input in order
(actions first), and compares it with values, or with `Like` where only some fields matter.
"""

import difflib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self, TypeVar

from satellite.backends.base import Action, BackendSession, HttpFailed, HttpResponse, SendPing, SocketClosed
from satellite.core.audio import RATE_HZ, SAMPLE_BYTES, AudioChunk, samples_of_ms
from satellite.core.backlog import Backlog
from satellite.core.events import VoiceEvent
from satellite.core.section import Section

Outcome = Action | VoiceEvent
OutcomeT = TypeVar("OutcomeT")

WALL_S = 1_000_000.0
"""Wall clock at monotonic 0.0 in plays."""


class Like:
    """Equal to any outcome of this class whose given fields are equal."""

    def __init__(self, kind: type[Any], **wanted: Any) -> None:
        self.kind = kind
        self.wanted = wanted

    def __eq__(self, other: object) -> bool:
        return isinstance(other, self.kind) and all(getattr(other, name) == want for name, want in self.wanted.items())

    def __hash__(self) -> int:
        return hash(self.kind)

    def __repr__(self) -> str:
        return f"{self.kind.__name__}({''.join(f'{name}={want!r}, ' for name, want in self.wanted.items())}...)"


@dataclass(frozen=True)
class Seen:
    """One outcome and when it came."""

    at: float
    what: Outcome


class Playbook:
    """Feeds a session in virtual time and remembers all that comes of it."""

    def __init__(self, session: BackendSession, backlog: Backlog) -> None:
        self.session = session
        self.backlog = backlog
        self.now = 0.0
        self.history: list[Seen] = []
        self.round_trip_s: float | None = 0.0
        """How long a ping takes to be answered, None for ever. Pings are no outcomes."""
        self.pings: list[Seen] = []
        self._unexpected = 0
        self._pongs: deque[tuple[float, int]] = deque()

    # --- time ---

    def at(self, now: float) -> Self:
        """The clock shows this; deadlines in between are kept."""
        while (due_at := self._next_due()) <= now:
            self.now = max(self.now, due_at)
            if self._pongs and self._pongs[0][0] <= self.now:
                self.session.pong(self._pongs.popleft()[1], self.now)
            else:
                self.session.deadline_reached(self.now)
            self._drain()
        self.now = now
        return self

    def _next_due(self) -> float:
        deadline = self.session.next_deadline()
        pong_at = self._pongs[0][0] if self._pongs else float("inf")
        return pong_at if deadline is None else min(deadline, pong_at)

    def after(self, seconds: float) -> Self:
        """Time passes."""
        return self.at(self.now + seconds)

    def stalls_until(self, now: float) -> Self:
        """The loop was busy: what was due before is reached only now."""
        self.now = now
        self.session.deadline_reached(now)
        return self._drain()

    # --- what we want ---

    def start(self) -> Self:
        self.session.start(self.now)
        return self._drain()

    def finish(self) -> Self:
        self.session.finish(self.now)
        return self._drain()

    def close(self) -> Self:
        self.session.close(self.now)
        return self._drain()

    def waits(self, utterance_id: str, ms: float) -> Self:
        """Audio is in the backlog, the session does not know."""
        data = bytes(range(1, 251)) * (samples_of_ms(ms) * SAMPLE_BYTES // 250 + 1)
        chunk = AudioChunk(data[: samples_of_ms(ms) * SAMPLE_BYTES], WALL_S + self.now, utterance_id)
        self.backlog.append(chunk)
        return self

    def ended_elsewhere(self, utterance_id: str) -> Self:
        """A session before this one took all audio of the utterance; its end is in the backlog."""
        self.waits(utterance_id, 100)
        self.backlog.take(samples_of_ms(100))
        self.backlog.end_utterance(utterance_id)
        return self

    def hears(self, utterance_id: str, ms: float = 100) -> Self:
        """Audio of an utterance comes from the microphone."""
        self.waits(utterance_id, ms)
        self.session.audio_ready(self.now)
        return self._drain()

    def speaks(self, utterance_id: str, seconds: float) -> Self:
        """Live audio, block by block; time passes with it."""
        for _ in range(round(seconds * 10)):
            self.after(0.1).hears(utterance_id, 100)
        return self

    def falls_silent(self, utterance_id: str) -> Self:
        """The utterance is over."""
        self.backlog.end_utterance(utterance_id)
        self.session.audio_ready(self.now)
        return self._drain()

    def asks(self, action: str, arguments: Section) -> Self:
        """A user wants something done."""
        self.session.run_action(action, arguments, self.now)
        return self._drain()

    # --- what happens ---

    def answers(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Self:
        self.session.http_response(HttpResponse(status, headers or {}, body), self.now)
        return self._drain()

    def no_answer(self, failure: HttpFailed) -> Self:
        self.session.http_failed(failure, self.now)
        return self._drain()

    def goes_deaf(self) -> Self:
        """Nothing that we send arrives any more."""
        self.round_trip_s = None
        self._pongs.clear()
        return self

    def opens(self) -> Self:
        self.session.socket_opened(self.now)
        return self._drain()

    def says(self, data: str | bytes) -> Self:
        self.session.message(data, self.now)
        return self._drain()

    def closes(self, code: int | None = 1006, reason: str = "") -> Self:
        self._pongs.clear()
        self.session.socket_closed(SocketClosed(was_open=True, code=code, reason=reason), self.now)
        return self._drain()

    def dial_fails(self, http_status: int | None = None, reason: str = "refused") -> Self:
        closed = SocketClosed(was_open=False, reason=reason, http_status=http_status)
        self.session.socket_closed(closed, self.now)
        return self._drain()

    # --- what comes of it ---

    def expect(self, *expected: object) -> Self:
        """All that came since the last expectation."""
        seen = [each.what for each in self.history[self._unexpected :]]
        self._unexpected = len(self.history)
        if seen != list(expected):
            raise AssertionError(f"at {self.now:.3f} s:\n" + _diff(list(expected), seen))
        return self

    def skip(self) -> Self:
        """What came since the last expectation does not matter here."""
        self._unexpected = len(self.history)
        return self

    def all(self, kind: type[OutcomeT]) -> list[OutcomeT]:
        """Every outcome of this class so far."""
        return [seen.what for seen in self.history if isinstance(seen.what, kind)]

    def times(self, kind: type[Any]) -> list[float]:
        """When outcomes of this class came."""
        return [seen.at for seen in self.history if isinstance(seen.what, kind)]

    def _drain(self) -> Self:
        outcomes: list[Outcome] = [*self.session.actions(), *self.session.events()]
        pings = [outcome for outcome in outcomes if isinstance(outcome, SendPing)]
        self.history.extend(Seen(self.now, outcome) for outcome in outcomes if outcome not in pings)
        self.pings.extend(Seen(self.now, ping) for ping in pings)
        if self.round_trip_s is not None:
            self._pongs.extend((self.now + self.round_trip_s, ping.number) for ping in pings)
            if pings and self.round_trip_s == 0.0:
                self.at(self.now)
        return self


def play(session: BackendSession, backlog: Backlog) -> Playbook:
    """A play with this session; `backlog` is the one of its set-up."""
    return Playbook(session, backlog)


def backlog_of(seconds: float = 30.0) -> Backlog:
    """A backlog with room for that much audio."""
    return Backlog(int(seconds * RATE_HZ))


def _diff(expected: list[object], seen: list[Outcome]) -> str:
    """Line by line: `-` was expected, `+` came instead; what is alike but for its spelling counts as equal."""
    wanted = [_line(each) for each in expected]
    came = [wanted[expected.index(each)] if _is_met(expected, each) else _line(each) for each in seen]
    return "\n".join(difflib.ndiff(wanted, came))


def _is_met(expected: list[object], outcome: Outcome) -> bool:
    """True when some expectation is met by this outcome."""
    return any(each == outcome for each in expected)


def _line(outcome: object) -> str:
    if isinstance(outcome, Like):
        return repr(outcome)
    shown = ", ".join(f"{field.name}={_short(getattr(outcome, field.name))}" for field in fields(outcome))  # type: ignore[arg-type]  # outcomes are dataclasses
    return f"{type(outcome).__name__}({shown})"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
