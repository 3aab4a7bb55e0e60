"""Alarm: one re-armable timer on the event loop."""

import asyncio
from collections.abc import Callable


class Alarm:
    """Calls back at an absolute monotonic deadline; setting it again replaces the one before."""

    def __init__(self, on_due: Callable[[], None]) -> None:
        self._on_due = on_due
        self._handle: asyncio.TimerHandle | None = None
        self._deadline: float | None = None

    def set(self, deadline: float | None) -> None:
        """Arm for that moment, None disarms. Cheap when nothing changes."""
        if deadline == self._deadline:
            return
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._deadline = deadline
        if deadline is not None:
            self._handle = asyncio.get_running_loop().call_at(deadline, self._due)

    def _due(self) -> None:
        self._handle = None
        self._deadline = None
        self._on_due()
