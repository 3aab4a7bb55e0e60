"""Conversation: what the parts of one DeepL session share."""

from dataclasses import dataclass

from satellite.backends.base import SessionCounters, SessionSetup
from satellite.backends.deepl.ending import Ending
from satellite.backends.deepl.messages import Codec
from satellite.backends.deepl.progress import Progress
from satellite.backends.lifecycle import Lifecycle
from satellite.core.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Conversation:
    """One session's set-up, wire format, life, account of what was sent and understood, and its end."""

    setup: SessionSetup
    codec: Codec
    life: Lifecycle
    counters: SessionCounters
    timeline: Timeline
    progress: Progress
    ending: Ending
