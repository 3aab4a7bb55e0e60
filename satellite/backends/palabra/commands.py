"""Commands: one queue for all commands of a task, with the distances that the service wants (reference §7).

`set_task` and `get_task` share a limit, and so do the two that stop something. A command over a limit is answered by an
error and not carried out.
"""

from collections.abc import Mapping
from typing import Any

from satellite.backends.base import SendText
from satellite.backends.palabra.messages import command

TASK_GAP_S = 2.1
"""The service counts two seconds from arrival to arrival, so a little more goes by between two departures."""
STOP_GAP_S = 3.1
SAY_GAP_S = 1.1
"""Sixty in a minute."""

_GROUPS = {
    "set_task": ("task", TASK_GAP_S),
    "get_task": ("task", TASK_GAP_S),
    "pause_task": ("stop", STOP_GAP_S),
    "end_task": ("stop", STOP_GAP_S),
    "tts_task": ("say", SAY_GAP_S),
    "flush_task": ("flush", SAY_GAP_S),
    "interrupt_task": ("flush", SAY_GAP_S),
}


class Commands:
    """Remembers when a command of each group left last."""

    def __init__(self) -> None:
        self._ready_at = dict.fromkeys((group for group, _ in _GROUPS.values()), float("-inf"))

    def ready_at(self, name: str) -> float:
        """Monotonic seconds from which this command may leave."""
        return self._ready_at[_GROUPS[name][0]]

    def take(self, name: str, data: Mapping[str, Any], now: float) -> SendText:
        """The message of a command that leaves now."""
        group, gap_s = _GROUPS[name]
        self._ready_at[group] = now + gap_s
        return command(name, data)
