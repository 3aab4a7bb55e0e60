"""Force: ForceEndTurn and what becomes of it (Flux reference §3.3).

Asked for when the gate closes, and by users. One at a time is under way; each ends by EndOfTurn, by the warning that
there is no turn, or after ANSWER_S.
"""

from satellite.backends.deepgram.actions import FORCE_END_TURN
from satellite.backends.deepgram.manners import Manners
from satellite.backends.deepgram.messages import FORCE_END_TURN as MESSAGE
from satellite.backends.lifecycle import Lifecycle
from satellite.core.events import ActionAnswered

ANSWER_S = 2.0


class Force:
    """Ends turns."""

    def __init__(self, life: Lifecycle, manners: Manners) -> None:
        self._life = life
        self._manners = manners
        self._asked = 0
        self.deadline: float | None = None
        """When no answer comes any more; None while none is waited for."""
        self.is_void = False
        """The service says of the turn that is open here that it is none."""

    @property
    def is_pending(self) -> bool:
        """True while an answer is waited for."""
        return self.deadline is not None

    @property
    def is_known(self) -> bool:
        """False for a deployment that does not understand it."""
        return self._manners.forces_turns

    def send(self, now: float) -> None:
        """End the turn."""
        if not self.is_pending:
            self.is_void = False
            self.deadline = now + ANSWER_S
            self._life.act(MESSAGE)

    def ask(self, now: float, *, is_turn_open: bool) -> None:
        """A user wants the turn ended."""
        self._asked += 1
        if not self.is_known:
            self._answer("this deployment of the service cannot be asked to end a turn")
        elif not is_turn_open:
            self._answer("nobody speaks: there is no turn to end")
        else:
            self.send(now)

    def ended(self) -> None:
        """The turn is over, for whatever reason."""
        self.deadline = None
        self.is_void = False
        self._answer(None)

    def refused(self, *, is_turn_open: bool) -> None:
        """The warning came: there is no turn. Its EndOfTurn may have crossed with the force."""
        self.deadline = None
        self.is_void = is_turn_open
        self._answer("the service knows of no turn to end")

    def misunderstood(self) -> bool:
        """The service did not understand a message: True when it can only have been this one."""
        if not self.is_pending:
            return False
        self._manners.forces_turns = False
        self.deadline = None
        self._answer("this deployment of the service cannot be asked to end a turn")
        return True

    def deadline_reached(self, now: float) -> None:
        """Wait no longer."""
        if self.deadline is not None and now >= self.deadline:
            self.deadline = None
            self._answer(f"the service did not answer within {ANSWER_S:g} s")

    def _answer(self, reason: str | None) -> None:
        """Everybody who asked gets the same answer."""
        asked, self._asked = self._asked, 0
        for _ in range(asked):
            self._life.report(ActionAnswered(FORCE_END_TURN, {} if reason else {"ended": True}, reason))
