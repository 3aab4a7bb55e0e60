"""What is fuzzed: a function that takes any bytes and may only end normally, and how its inputs are made."""

import enum
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import msgpack

from tests.fuzz.mutation import Mutator, Tree, json_bytes, msgpack_bytes

CORPUS = Path(__file__).parent.parent / "data" / "fuzz"


class BrokenPromiseError(AssertionError):
    """An input was survived, but not as it must be."""


def hold(is_held: bool, promise: str) -> None:
    """Fail when a promise is not kept; unlike assert, whatever the interpreter's options."""
    if not is_held:
        raise BrokenPromiseError(promise)


def is_a(value: object, kind: type) -> bool:
    """What the annotations say anyway, looked at."""
    return isinstance(value, kind)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one input in a word, and how many messages it held."""

    label: str
    messages: int = 1


class Shape(enum.Enum):
    """What valid inputs look like, and so how they are mutated."""

    JSON = "json"
    MSGPACK = "msgpack"
    TEXT = "text"
    BYTES = "bytes"


@dataclass(frozen=True)
class Target:
    """One decoder or core. `share` is its part of a run's messages, relative to the others."""

    name: str
    shape: Shape
    run: Callable[[bytes], Outcome]
    make_seeds: Callable[[], Sequence[bytes]]
    share: float
    words: tuple[str, ...] = field(default=(), repr=False)
    """Names that the format knows: mutation puts them where they do not belong."""
    tree_share: float = 0.65
    """How many inputs are mutated as trees, where seeds are any; the others byte by byte."""
    has_steps: bool = False
    """A tree is a list of a set-up and steps: pieces of several make a new one."""

    @cached_property
    def corpus(self) -> list[Path]:
        """Files kept because something was found with them, or to begin with."""
        directory = CORPUS / self.name
        return sorted(path for path in directory.iterdir() if path.is_file()) if directory.is_dir() else []

    @cached_property
    def seeds(self) -> list[bytes]:
        """Valid inputs, and those of the corpus."""
        return [*self.make_seeds(), *(path.read_bytes() for path in self.corpus)]

    @cached_property
    def _trees(self) -> list[Tree]:
        trees = [_tree(seed, self.shape) for seed in self.seeds]
        return [tree for tree in trees if tree is not None]

    def mutated(self, seed: int, index: int) -> bytes:
        """The input of this number in the run with this seed."""
        mutator = Mutator(f"{seed}:{self.name}:{index}", self.words)
        dice = mutator.random
        if self._trees and dice.random() < self.tree_share:
            return self._from_tree(mutator, self._spliced(dice) or dice.choice(self._trees))
        return self._from_bytes(mutator, dice.choice(self.seeds))

    def mutated_from(self, data: bytes, seed: int) -> bytes:
        """One that is made of this one."""
        mutator = Mutator(f"{seed}", self.words)
        tree = _tree(data, self.shape)
        if tree is not None and mutator.random.random() < self.tree_share:
            return self._from_tree(mutator, tree)
        return self._from_bytes(mutator, data)

    def _from_tree(self, mutator: Mutator, tree: Tree) -> bytes:
        changed = mutator.tree(tree, self._trees)
        data = msgpack_bytes(changed) if self.shape is Shape.MSGPACK else json_bytes(changed)
        return mutator.blob(data, self.seeds) if mutator.random.random() < 0.05 else data

    def _from_bytes(self, mutator: Mutator, data: bytes) -> bytes:
        is_text = self.shape in (Shape.JSON, Shape.TEXT)
        return (mutator.tokens if is_text and mutator.random.random() < 0.6 else mutator.blob)(data, self.seeds)

    def _spliced(self, dice: random.Random) -> Tree | None:
        """Runs of steps from here and there; None where an input has no steps, or for the sake of those in order."""
        if not self.has_steps or dice.random() < 0.5:
            return None
        scripts = [tree for tree in self._trees if isinstance(tree, list) and tree]
        spliced = dice.choice(scripts)[: dice.choice((1, 6, 6, 6))]
        for _ in range(dice.randrange(1, 12)):
            steps = dice.choice(scripts)[1:] or [[]]
            at = dice.randrange(len(steps))
            spliced += steps[at : at + dice.choice((1, 2, 5, 9))]
        return spliced


def _tree(data: bytes, shape: Shape) -> Tree | None:
    """The input taken apart; None when it is no tree, or too big a one to be changed a million times."""
    if shape not in (Shape.JSON, Shape.MSGPACK) or len(data) > 65_536:
        return None
    try:
        tree: Any = json.loads(data) if shape is Shape.JSON else msgpack.unpackb(data, strict_map_key=False)
    except (ValueError, RecursionError, TypeError):
        return None
    return tree


def number_of(value: object, most: float) -> float:
    """A number from 0 to `most`, whatever was given."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
        return 0.0
    return min(max(float(value), 0.0), most)


def steps_of(data: bytes, most: int) -> tuple[dict[str, Any], list[tuple[str, list[Any]]]]:
    """An input as a set-up and steps, each a name with arguments enough for any; what is neither is left out."""
    items = loads(data)
    first, *rest = items if isinstance(items, list) and items else [{}]
    steps = [(item[0], [*item[1:], None, None, None]) for item in rest if isinstance(item, list) and item]
    return first if isinstance(first, dict) else {}, [step for step in steps if isinstance(step[0], str)][:most]


def loads(data: bytes) -> Any:
    """JSON as far as it is any; None for the rest."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
