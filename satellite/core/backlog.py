"""Backlog: audio on its way to a voice session, bounded, oldest dropped first, outliving every session."""

from collections import deque
from dataclasses import dataclass

from satellite.core.audio import RATE_HZ, SAMPLE_BYTES, AudioChunk


@dataclass(frozen=True, slots=True)
class UtteranceEnd:
    """Mark behind the last audio of an utterance."""

    utterance_id: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """Audio that had to go because the backlog was full."""

    utterance_id: str
    samples: int


class Backlog:
    """Audio waiting to be sent. Over the bound the oldest audio is dropped, marks never are."""
