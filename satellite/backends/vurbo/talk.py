"""Talk: what the parts of one Vurbo session share."""

from dataclasses import dataclass

from satellite.backends.ending import Ending
from satellite.backends.line import Line
from satellite.backends.vurbo.commands import Commander
from satellite.backends.vurbo.wishes import Wishes


@dataclass(frozen=True, slots=True)
class Talk(Line):
    """One session's line, what is wished of it, its commands and its end."""

    wishes: Wishes
    commander: Commander
    ending: Ending
