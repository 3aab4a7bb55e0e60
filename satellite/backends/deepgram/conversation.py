"""Conversation: what the parts of one Deepgram Flux session share."""

from dataclasses import dataclass

from satellite.backends.deepgram.force import Force
from satellite.backends.deepgram.tuning import Tuning
from satellite.backends.deepgram.turns import Turns
from satellite.backends.ending import Ending
from satellite.backends.line import Line


@dataclass(frozen=True, slots=True)
class Conversation:
    """One session's line, the turn that is going on, what was asked of the service about it, and the end."""

    line: Line
    turns: Turns
    force: Force
    tuning: Tuning
    ending: Ending

    def end(self, reason: str) -> None:
        """Be over in order, with all text told."""
        self.turns.wrap_up()
        self.line.life.end(reason, expected=True)
