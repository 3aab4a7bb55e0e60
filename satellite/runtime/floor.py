"""Floor: who may be heard now, microphone or loudspeaker. Holds the turn policy and carries out its actions."""

from collections.abc import Callable

from satellite.core.turn import Release, StartPlayback, Suppress, TurnPolicy, TurnState
from satellite.ports import Clock
from satellite.runtime.alarm import Alarm


class Floor:
    """Feeds the turn policy and carries out what it decides."""

    def __init__(self, policy: TurnPolicy, clock: Clock) -> None:
        self._policy = policy
        self._clock = clock
        self._alarm = Alarm(self._deadline_reached)
        self.on_suppress: Callable[[], None] = _nothing
        self.on_release: Callable[[float], None] = _ignore
        self.on_start_playback: Callable[[], None] = _nothing
        self.on_cut_playback: Callable[[str], None] = _ignore

    @property
    def state(self) -> TurnState:
        """What the loudspeaker does, as far as it was told."""
        return self._policy.state

    def speech_waiting(self) -> None:
        """Speech is ready to be played."""
        self._policy.speech_waiting(self._clock.monotonic())
        self._act()

    def speech_gone(self) -> None:
        """The speech that waited was dropped."""
        self._policy.speech_gone(self._clock.monotonic())
        self._act()

    def utterance_started(self) -> None:
        """Somebody began to speak."""
        self._policy.utterance_started(self._clock.monotonic())
        self._act()

    def utterance_ended(self) -> None:
        """Nobody speaks any longer."""
        self._policy.utterance_ended(self._clock.monotonic())
        self._act()

    def playback_started(self) -> None:
        """The first sample is heard."""
        self._policy.playback_started(self._clock.monotonic())
        self._act()

    def playback_drained(self) -> None:
        """The last sample was heard."""
        self._policy.playback_drained(self._clock.monotonic())
        self._act()

    def muted(self, is_muted: bool) -> None:
        """The user closed or opened the microphone."""
        now = self._clock.monotonic()
        if is_muted:
            self._policy.muted(now)
        else:
            self._policy.unmuted(now)
        self._act()

    def _deadline_reached(self) -> None:
        self._policy.deadline_reached(self._clock.monotonic())
        self._act()

    def _act(self) -> None:
        for action in self._policy.actions():
            if isinstance(action, Suppress):
                self.on_suppress()
            elif isinstance(action, Release):
                self.on_release(self._clock.monotonic())
            elif isinstance(action, StartPlayback):
                self.on_start_playback()
            else:
                self.on_cut_playback(action.reason)
        self._alarm.set(self._policy.next_deadline())


def _nothing() -> None:
    """Nobody is wired up yet."""


def _ignore(_: object) -> None:
    """Nobody is wired up yet."""
