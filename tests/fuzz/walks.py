"""Walks: a pure machine led through steps in any order, its promises held after every one."""

import json
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from tests.fuzz.target import Outcome, Shape, Target, steps_of

STEPS_MAX = 200
Script = list[Any]


class Walk(Protocol):
    """A machine with its promises."""

    @property
    def label(self) -> str:
        """What came of it, in a word."""

    def step(self, name: str, arguments: Sequence[Any]) -> None:
        """One step; what it cannot mean is left out."""

    def end(self) -> None:
        """What must hold at the end."""


def walk_target(
    name: str, make: Callable[[dict[str, Any]], Walk], seeds: Callable[[], Sequence[bytes]], share: float
) -> Target:
    """A target that walks through this machine."""

    def run(data: bytes) -> Outcome:
        wishes, steps = steps_of(data, STEPS_MAX)
        walk = make(wishes)
        for step, arguments in steps:
            walk.step(step, arguments)
        walk.end()
        return Outcome(walk.label, max(1, len(steps)))

    return Target(name, Shape.JSON, run, seeds, share, tree_share=0.97, has_steps=True)


def scripts(*scripts: Script) -> Callable[[], Sequence[bytes]]:
    """Seeds: a set-up, then steps."""
    return lambda: [json.dumps(script).encode() for script in scripts]
