"""Line: what the parts of one session share, whichever service it talks to."""

from collections.abc import Callable
from dataclasses import dataclass

from satellite.backends.base import Action, SessionCounters, SessionSetup
from satellite.backends.lifecycle import Lifecycle
from satellite.backends.progress import Progress
from satellite.core.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Line:
    """One session's set-up, life, and account of what was sent and understood."""

    setup: SessionSetup
    life: Lifecycle
    counters: SessionCounters
    timeline: Timeline
    progress: Progress
    wrap: Callable[[bytes], Action]
    """A chunk of encoded audio as the service wants to be sent it."""
