"""Conversation: what the parts of one Palabra session share."""

from dataclasses import dataclass

from satellite.backends.ending import Ending
from satellite.backends.line import Line
from satellite.backends.palabra.commands import Commands
from satellite.backends.palabra.options import PalabraOptions


@dataclass(frozen=True, slots=True)
class Conversation(Line):
    """One session's line, options, languages and end."""

    options: PalabraOptions
    targets: tuple[str, ...]
    """The languages translated to, the spoken one included, as configured."""
    ending: Ending
    commands: Commands
