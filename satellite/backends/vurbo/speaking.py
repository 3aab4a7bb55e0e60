"""Speaking: intervals of speech in a conversation in manual mode (reference §3B.6).

The first audio of an utterance opens one for whoever speaks now, the end of the utterance closes it. Audio goes out
inside of an interval only, and all of it before the interval is closed.
"""

import enum

from satellite.backends.lifecycle import Lifecycle
from satellite.backends.vurbo.arguments import SwitchConversationMode
from satellite.backends.vurbo.commands import Command, Commander, Outcome
from satellite.backends.vurbo.wishes import Wishes
from satellite.core.events import SessionFailed
from satellite.errors import ErrorCategory

SPEAKING = "conversation_speaking"
SEND_FIRST_S = 3.0
"""How long what waits may take to be sent before a user's stop_speaking goes out."""


class Interval(enum.Enum):
    """Whether somebody is speaking, as far as the service knows."""

    CLOSED = enum.auto()
    OPENING = enum.auto()
    OPEN = enum.auto()
    CLOSING = enum.auto()


class Speaking:
    """Opens and closes intervals."""

    def __init__(self, wishes: Wishes, commander: Commander, life: Lifecycle) -> None:
        self._wishes = wishes
        self._commander = commander
        self._life = life
        self._held: Command | None = None
        self._held_until = 0.0
        self._asked = 0
        self.interval = Interval.CLOSED

    @property
    def may_send(self) -> bool:
        """True when audio may go out."""
        return not self._wishes.is_manual or self.interval is Interval.OPEN

    @property
    def is_closed(self) -> bool:
        """True when no interval is open, nor about to be."""
        return self.interval is Interval.CLOSED and not self._asked

    @property
    def deadline(self) -> float | None:
        """When a user's wish to close it waits no longer for audio."""
        return None if self._held is None else self._held_until

    def open(self, now: float) -> None:
        """Audio waits: let whoever speaks now speak. Only while it is closed."""
        self.interval = Interval.OPENING
        self._commander.insist(Command("start_speaking", {"speaker": self._wishes.speaker}, self._opened), now)

    def close(self, now: float) -> None:
        """All that was said in it was sent."""
        if self.interval in (Interval.OPENING, Interval.OPEN):
            self.interval = Interval.CLOSING
            self._commander.insist(Command("stop_speaking", {}, self._closed), now)

    def ask(self, command: Command, now: float) -> bool:
        """A user says who speaks, or that nobody does any more."""
        if command.action == "start_speaking":
            return self._take_turn(command, now)
        if self.interval is Interval.OPEN and self._held is None:
            # behind the audio that waits
            self._held, self._held_until = command, now + SEND_FIRST_S
            return True
        return self._commander.ask(command, now)

    def _take_turn(self, command: Command, now: float) -> bool:
        """Somebody speaks from now on, and whoever did before no more."""
        is_open = self.interval in (Interval.OPENING, Interval.OPEN)
        if is_open and command.fields["speaker"] == self._wishes.speaker:
            command.done(Outcome({"note": "this one is speaking already"}), now)
            return True
        self.close(now)
        self._asked += 1
        self._commander.insist(command, now)
        return True

    def sent_all(self, now: float) -> None:
        """No audio waits any more, or none is waited for: what a user wishes may go out."""
        held, self._held = self._held, None
        if held is not None:
            self.interval = Interval.CLOSING
            self._commander.insist(held, now)

    def answered(self, action: str, outcome: Outcome) -> None:
        """What the answer to a user's command says of the interval."""
        is_done = outcome.reason is None
        if action == "start_speaking" and self._asked:
            self._asked -= 1
            is_open = is_done or outcome.code == SPEAKING
            self.interval = Interval.OPEN if is_open else Interval.CLOSED
        elif action == "stop_speaking" or (action == "switch_conversation_mode" and is_done):
            self.interval = Interval.CLOSED

    def _opened(self, outcome: Outcome, now: float) -> None:  # noqa: ARG002 - a command's answer has its time
        if outcome.code == "conversation_not_manual_mode":
            self._wishes.take("switch_conversation_mode", SwitchConversationMode(conversation_mode="auto"))
            self.interval = Interval.CLOSED
        elif outcome.reason is not None and outcome.code != SPEAKING:
            self._life.fail(SessionFailed(ErrorCategory.SERVER, f"start_speaking: {outcome.reason}"))
        elif self.interval is Interval.OPENING:
            self.interval = Interval.OPEN

    def _closed(self, outcome: Outcome, now: float) -> None:  # noqa: ARG002 - a command's answer has its time
        self.interval = Interval.CLOSED
