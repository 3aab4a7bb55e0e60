"""Liveness: whether each part of the pipeline does its work. Pure: time and what was done come in."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

AWAKE_STEP_S = 2.0
"""More than this between two looks is time in which nobody looked: the loop or the machine slept, and nothing moved."""


@dataclass(frozen=True, slots=True)
class Vital:
    """What one part shows of itself at a moment.

    `done` differs after every piece of work. `is_due` says that there is work, and nothing that is known and told keeps
    it from being done. `patience_s` is how long the part may stand still then: more than any of its own time limits.
    """

    done: Hashable
    is_due: bool
    patience_s: float


class Liveness:
    """Remembers for each part how long it stood still, in time that was awake."""

    def __init__(self) -> None:
        self._looked_at: float | None = None
        self._done: dict[str, Hashable] = {}
        self._still_s: dict[str, float] = {}

    def stuck(self, vitals: Mapping[str, Vital], now: float) -> str | None:
        """Look at all parts; the one that stands still beyond its patience though work is due, None when all move."""
        step_s = 0.0 if self._looked_at is None else min(max(now - self._looked_at, 0.0), AWAKE_STEP_S)
        self._looked_at = now
        for part, vital in vitals.items():
            has_moved = not vital.is_due or vital.done != self._done.get(part)
            self._still_s[part] = 0.0 if has_moved else self._still_s.get(part, 0.0) + step_s
            self._done[part] = vital.done
        return next((part for part, vital in vitals.items() if self._still_s[part] >= vital.patience_s), None)
