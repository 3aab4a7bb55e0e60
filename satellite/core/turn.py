"""TurnPolicy: who may be heard now, microphone or loudspeaker. Pure: fed inputs with `now`, drained for actions.

Muted is the user's wish and lies across the states: playback begins and goes on while the microphone is closed by
others, and only what the microphone is told waits for `unmuted`. So it is a level beside the state, not one of them.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from satellite.errors import LocalMisuse

CUE_TIMEOUT_S = 15.0
"""Playback asked for and not heard by then is given up: a loudspeaker that fails must not leave the satellite deaf."""

Duplex = Literal["consecutive", "simultaneous"]


class TurnState(enum.Enum):
    """LISTENING: silent. CUED: playback was asked for, nothing heard yet. TAIL: just fallen silent."""

    LISTENING = "listening"
    CUED = "cued"
    PLAYING = "playing"
    TAIL = "tail"


class Cause(enum.Enum):
    """What moves the floor from one state to another."""

    CUE = "cue"
    HEARD = "heard"
    SILENT = "silent"
    TAIL_OVER = "tail over"


TRANSITIONS: Mapping[tuple[TurnState, Cause], TurnState] = MappingProxyType(
    {
        (TurnState.LISTENING, Cause.CUE): TurnState.CUED,
        (TurnState.LISTENING, Cause.HEARD): TurnState.PLAYING,
        (TurnState.CUED, Cause.HEARD): TurnState.PLAYING,
        (TurnState.CUED, Cause.SILENT): TurnState.TAIL,
        (TurnState.PLAYING, Cause.SILENT): TurnState.TAIL,
        (TurnState.TAIL, Cause.CUE): TurnState.CUED,
        (TurnState.TAIL, Cause.HEARD): TurnState.PLAYING,
        (TurnState.TAIL, Cause.TAIL_OVER): TurnState.LISTENING,
    }
)

_BUSY = frozenset({TurnState.CUED, TurnState.PLAYING})


def next_state(state: TurnState, cause: Cause) -> TurnState:
    """Where the table leads; LocalMisuse when it does not say."""
    try:
        return TRANSITIONS[state, cause]
    except KeyError:
        raise LocalMisuse(f"the floor cannot take '{cause.value}' while {state.value}") from None


@dataclass(frozen=True, slots=True)
class StartPlayback:
    """Play what waits, and all that comes while it plays."""


@dataclass(frozen=True, slots=True)
class CutPlayback:
    """Fall silent now and drop what waits; `playback_drained` follows."""

    reason: str


@dataclass(frozen=True, slots=True)
class Suppress:
    """Hold the gate closed."""


@dataclass(frozen=True, slots=True)
class Release:
    """Let the gate hear again."""


TurnAction = StartPlayback | CutPlayback | Suppress | Release


@dataclass(frozen=True, slots=True)
class TurnSettings:
    """`tail_s` counts in consecutive duplex only, `barge_in` in simultaneous duplex only."""

    duplex: Duplex = "consecutive"
    tail_s: float = 0.3
    barge_in: bool = False


class TurnPolicy:
    """Decides when playback starts and is cut, and when the microphone is suppressed.

    After each input take `actions()` and arm a timer for `next_deadline()`. Each StartPlayback is to be answered:
    by `playback_started` and, at its end, be it played, cut or failed, by `playback_drained`; or by `speech_gone`.
    """

    def __init__(self, settings: TurnSettings) -> None:
        self._is_consecutive = settings.duplex == "consecutive"
        self._tail_s = settings.tail_s if self._is_consecutive else 0.0
        self._barges_in = settings.barge_in and not self._is_consecutive
        self._state = TurnState.LISTENING
        self._is_muted = False
        self._is_suppressed = False
        self._speech_waits = False
        self._utterance_is_open = False
        self._cue_ends_at = 0.0
        self._tail_ends_at = float("-inf")
        self._actions: list[TurnAction] = []

    @property
    def state(self) -> TurnState:
        """What the loudspeaker does."""
        return self._state

    def speech_waiting(self, now: float) -> None:
        """Speech is ready to be heard. While something plays it just goes on and is not remembered here."""
        self._speech_waits = self._state not in _BUSY
        self._settle(now)

    def speech_gone(self, now: float) -> None:
        """What waited was thrown away before anything of it was heard."""
        self._speech_waits = False
        if self._state is TurnState.CUED:
            self._fall_silent(now)

    def utterance_started(self, now: float) -> None:
        """The gate opened."""
        self._utterance_is_open = True
        if self._barges_in and self._state in _BUSY:
            self._actions.append(CutPlayback("barge_in"))
        self._settle(now)

    def utterance_ended(self, now: float) -> None:
        """The gate closed; not to be told of an end whose reason `goes_on`, for the same person still speaks."""
        self._utterance_is_open = False
        self._settle(now)

    def playback_started(self, now: float) -> None:
        """The first sample is heard, asked for or not; what waited goes with it."""
        self._speech_waits = False
        if self._state is not TurnState.PLAYING:
            self._state = next_state(self._state, Cause.HEARD)
        self._settle(now)

    def playback_drained(self, now: float) -> None:
        """The last sample was heard and nothing waits (what waits after all is told by `speech_waiting` next)."""
        if self._state is TurnState.PLAYING:
            self._tail_ends_at = now + self._tail_s
        if self._state in _BUSY:
            self._fall_silent(now)

    def muted(self, now: float) -> None:
        """The user closed the microphone; that ends an open utterance."""
        self._is_muted = True
        self._utterance_is_open = False
        self._settle(now)

    def unmuted(self, now: float) -> None:
        """The user opened the microphone."""
        self._is_muted = False
        self._settle(now)

    def next_deadline(self) -> float | None:
        """Absolute monotonic seconds at which `deadline_reached` is due, None for never."""
        if self._state is TurnState.CUED:
            return self._cue_ends_at
        return self._tail_ends_at if self._state is TurnState.TAIL else None

    def deadline_reached(self, now: float) -> None:
        """Time has come; too early a call changes nothing."""
        if self._state is TurnState.CUED and now >= self._cue_ends_at:
            self._fall_silent(now)
        else:
            self._settle(now)

    def actions(self) -> list[TurnAction]:
        """Take what is to be done, in order."""
        actions, self._actions = self._actions, []
        return actions

    def _fall_silent(self, now: float) -> None:
        """Nothing is heard from now on; what is left of a tail is kept."""
        self._state = next_state(self._state, Cause.SILENT)
        self._settle(now)

    def _settle(self, now: float) -> None:
        """End a tail that is over, start what may be heard, and tell the microphone before it is."""
        if self._state is TurnState.TAIL and now >= self._tail_ends_at:
            self._state = next_state(self._state, Cause.TAIL_OVER)
        starts = self._speech_waits and not (self._is_consecutive and self._utterance_is_open)
        if starts:
            self._speech_waits = False
            self._state = next_state(self._state, Cause.CUE)
            self._cue_ends_at = now + CUE_TIMEOUT_S
        suppressed = self._is_consecutive and self._state is not TurnState.LISTENING
        if suppressed != self._is_suppressed and not self._is_muted:
            self._is_suppressed = suppressed
            self._actions.append(Suppress() if suppressed else Release())
        if starts:
            self._actions.append(StartPlayback())
