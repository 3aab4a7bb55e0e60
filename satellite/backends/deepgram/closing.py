"""Closing: how a turn is brought to its end when no more speech comes (Flux reference §8).

All timers of the service run on the audio that it is sent, so a turn that is open when the audio stops never ends by
itself. It is ended by ForceEndTurn as soon as the service has heard all that was said; where that cannot be had, by
silence, up to what ends every turn; and after that by us. Audio in the middle of an utterance that stays away is
replaced by silence, too.
"""

from satellite.backends.deepgram.conversation import Conversation
from satellite.backends.deepgram.turns import UPDATE_S
from satellite.backends.outlet import Outlet
from satellite.core.audio import samples_of_ms

HOLD_S = 0.5
"""For the service to hear what was sent, and for speech to go on at once, as after the greatest length."""
DANGLING_S = 0.5
"""Audio of an open utterance that stays away this long is missed."""
SILENCE_MS = 80
MARGIN_MS = 1_000
"""More silence than ends every turn."""
ANSWER_S = 1.0
"""For the last EndOfTurn to arrive."""


class Closing:
    """What brings an open turn to its end, and when. Only asked while one is open."""

    def __init__(self, shared: Conversation, outlet: Outlet) -> None:
        self._shared = shared
        self._outlet = outlet
        self._is_forced = False
        self._silence_samples = 0
        self._heard_until = 0.0

    def spoke(self) -> None:
        """Audio of an utterance was sent: whatever was begun is off."""
        self._is_forced = False
        self._silence_samples = 0
        self._heard_until = self._outlet.sounds_until

    def ended(self) -> None:
        """The turn is over."""
        self._is_forced = False
        self._silence_samples = 0

    def force_at(self) -> float | None:
        """When the turn is to be forced; None when that was tried, or cannot be."""
        if self._is_forced or not self._shared.force.is_known:
            return None
        missing_s = self._shared.line.timeline.sent_ms / 1000 - self._shared.turns.heard_s
        if missing_s <= UPDATE_S:
            return 0.0
        return max(self._heard_until, self._shared.turns.opened_at) + HOLD_S

    def force(self, now: float) -> None:
        """Ask for the end of the turn."""
        self._is_forced = True
        self._shared.force.send(now)

    def silence_at(self, *, is_missed: bool) -> float:
        """When the next silence is due; `is_missed` in the middle of an utterance, where audio may only be late."""
        real_time = max(self._outlet.ready_at, self._outlet.sounds_until)
        return max(real_time, self._heard_until + DANGLING_S) if is_missed else real_time

    def silence(self, now: float) -> None:
        """Silence, billed like speech."""
        self._silence_samples += samples_of_ms(SILENCE_MS)
        self._outlet.silence(now, samples_of_ms(SILENCE_MS))

    @property
    def is_spent(self) -> bool:
        """True when so much silence was sent that every turn would have ended; or when there is none to end."""
        timeout_ms = self._shared.tuning.settings.eot_timeout_ms or 0
        return self._shared.force.is_void or self._silence_samples >= samples_of_ms(timeout_ms + MARGIN_MS)

    @property
    def given_up_at(self) -> float:
        """When no EndOfTurn is to be expected any more, once `is_spent`."""
        return self._outlet.sounds_until + ANSWER_S
