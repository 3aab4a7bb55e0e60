"""Conversation: what the parts of one DeepL session share."""

from dataclasses import dataclass

from satellite.backends.deepl.messages import Codec
from satellite.backends.ending import Ending
from satellite.backends.line import Line


@dataclass(frozen=True, slots=True)
class Conversation(Line):
    """One session's line, wire format and end."""

    codec: Codec
    ending: Ending
