"""Lifecycle: the state of a session with its table of moves, and the two lists that the driver drains.

```
IDLE ──► REQUESTING ──► CONNECTING ──► STREAMING ──► ENDING ──► CLOSED
              ▲  ▲───────────┘ │           │            │
              └────────────────┼───────────┴────────────┘   connection lost: asked for again
                               └──────────────────► ENDING  resumed after the end of the audio
```

Every state may move to CLOSED, every one but IDLE to FAILED; both are final and the first cause wins.
"""

from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from satellite.backends.base import Action, CloseSocket, HttpRequest, OpenRoom, OpenSocket, SessionState
from satellite.core.events import (
    ActionAnswered,
    ConnectionLost,
    SessionEnded,
    SessionFailed,
    SessionOpened,
    VoiceEvent,
)
from satellite.errors import LocalMisuse

_FINAL = frozenset({SessionState.CLOSED, SessionState.FAILED})

TRANSITIONS: Mapping[SessionState, frozenset[SessionState]] = {
    SessionState.IDLE: frozenset({SessionState.REQUESTING, SessionState.CLOSED}),
    SessionState.REQUESTING: frozenset({SessionState.CONNECTING}) | _FINAL,
    SessionState.CONNECTING: frozenset({SessionState.STREAMING, SessionState.ENDING, SessionState.REQUESTING}) | _FINAL,
    SessionState.STREAMING: frozenset({SessionState.ENDING, SessionState.REQUESTING}) | _FINAL,
    SessionState.ENDING: frozenset({SessionState.REQUESTING}) | _FINAL,
    SessionState.CLOSED: frozenset(),
    SessionState.FAILED: frozenset(),
}

MAX_TEXT_CHARACTERS = 200
_MAX_TOKENS = 16
_MAX_READ_CHARACTERS = 65_536
"""Of what the peer says so much is searched for secrets, which are at most an eighth as long."""


class Lifecycle:
    """Where in its life a session is, what it wants done and what happened."""

    def __init__(self) -> None:
        self.before_failure: Callable[[], None] = lambda: None
        """Called while the failure is not yet reported: the place for what it costs."""
        self.farewell: HttpRequest | None = None
        """What is asked for at the very end, whatever the end is; nobody waits for the answer."""
        self.state = SessionState.IDLE
        self.has_socket = False
        self._actions: list[Action] = []
        self._events: list[VoiceEvent] = []
        self._keys: set[str] = set()
        self._tokens: deque[str] = deque(maxlen=_MAX_TOKENS)

    @property
    def is_final(self) -> bool:
        """True when the session is over."""
        return self.state.is_final

    def require(self, call: str, *states: SessionState) -> bool:
        """Guard of an input: True to go on, False when it comes too late to matter; LocalMisuse in any other state."""
        if self.is_final:
            return False
        if self.state not in states:
            raise LocalMisuse(f"{call} while {self.state.value}")
        return True

    def move(self, state: SessionState) -> None:
        """Enter a state; LocalMisuse when the table has no such move."""
        if state not in TRANSITIONS[self.state]:
            raise LocalMisuse(f"no way from {self.state.value} to {state.value}")
        self.state = state

    def act(self, action: Action) -> None:
        """Want something done."""
        if isinstance(action, OpenSocket | OpenRoom):
            self.has_socket = True
        self._actions.append(action)

    def report(self, event: VoiceEvent) -> None:
        """Tell what happened; a trace id that holds a secret is none, and why a wish was refused is presentable."""
        if isinstance(event, SessionOpened | SessionFailed):
            trace_id = event.trace_id or ""
            if any(secret in trace_id for secret in self._secrets()):
                event = replace(event, trace_id=None)
        elif isinstance(event, ActionAnswered) and event.reason is not None:
            event = replace(event, reason=self._presentable(event.reason))
        self._events.append(event)

    def keep_secret(self, *secrets: str) -> None:
        """Never let these appear in a reason or detail."""
        self._keys.update(secrets)

    def keep_token(self, *forms: str) -> None:
        """The same for a token in its forms; the last few are remembered, as older ones are good for nothing."""
        self._tokens.extend(forms)

    def lost(self, reason: str) -> None:
        """The connection ended unasked."""
        self.report(ConnectionLost(self._presentable(reason)))

    def end(self, reason: str, *, expected: bool) -> None:
        """Be over in order; without effect when it is over already."""
        self._finish(SessionState.CLOSED, SessionEnded(reason, expected))

    def fail(self, failure: SessionFailed) -> None:
        """Be over by a failure; without effect when it is over already."""
        if not self.is_final:
            self.before_failure()
        self._finish(SessionState.FAILED, replace(failure, detail=self._presentable(failure.detail)))

    def take_actions(self) -> list[Action]:
        """What is to be done, once."""
        actions, self._actions = self._actions, []
        return actions

    def take_events(self) -> list[VoiceEvent]:
        """What happened, once."""
        events, self._events = self._events, []
        return events

    def _finish(self, state: SessionState, event: SessionEnded | SessionFailed) -> None:
        if self.is_final:
            return
        self.move(state)
        self._forget_undone()
        if self.has_socket:
            self.act(CloseSocket())
            self.has_socket = False
        if self.farewell is not None:
            self.act(self.farewell)
        self.report(event)

    def _secrets(self) -> set[str]:
        return self._keys.union(self._tokens)

    def _presentable(self, text: str) -> str:
        """Text of the peer, fit for one line of a log: without secrets, printable, single blanks, capped."""
        text = text[:_MAX_READ_CHARACTERS]
        text = _masked(text, self._secrets())
        line = " ".join("".join(char if char.isprintable() else " " for char in text[:4096]).split())
        return line if len(line) <= MAX_TEXT_CHARACTERS else f"{line[: MAX_TEXT_CHARACTERS - 1]}…"

    def _forget_undone(self) -> None:
        """Nobody needs an answer any more: requests and dials that were not begun are not begun."""
        if any(isinstance(action, OpenSocket | OpenRoom) for action in self._actions):
            self.has_socket = False
        undone = (HttpRequest, OpenSocket, OpenRoom)
        self._actions = [action for action in self._actions if not isinstance(action, undone)]


def _masked(text: str, secrets: Collection[str]) -> str:
    """The text without secrets; of those that begin at one place the longest goes.

    All in one pass: what one leaves behind is not searched again, else a secret of one * would multiply. By hand, as
    the module re keeps hundreds of expressions, and the secrets in them, for as long as the process lives.
    """
    places = {secret: text.find(secret) for secret in secrets}
    parts: list[str] = []
    at = 0
    while found := [(place, -len(secret)) for secret, place in places.items() if place >= 0]:
        place, length = min(found)
        parts += (text[at:place], "****")
        at = place - length
        places = {secret: text.find(secret, at) if 0 <= known < at else known for secret, known in places.items()}
    return "".join((*parts, text[at:]))
