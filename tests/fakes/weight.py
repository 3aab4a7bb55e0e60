"""How much an object keeps: it, and all that can be reached from it."""

import sys
from collections import deque
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType

APART = (type, ModuleType, FunctionType, BuiltinFunctionType)
"""Belong to the program, not to the object."""


def weight_bytes(thing: object) -> int:
    """The sum of the sizes of everything below, each counted once."""
    seen: set[int] = set()
    waiting, total = deque([thing]), 0
    while waiting:
        one = waiting.popleft()
        if id(one) in seen or isinstance(one, APART):
            continue
        seen.add(id(one))
        total += sys.getsizeof(one)
        waiting.extend(_parts(one))
    return total


def _parts(thing: object) -> list[object]:
    if isinstance(thing, dict):
        return [*thing.keys(), *thing.values()]
    if isinstance(thing, list | tuple | set | frozenset | deque):
        return list(thing)
    if isinstance(thing, MethodType):
        return [thing.__self__]
    slots = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
    parts = [getattr(thing, name) for name in slots if hasattr(thing, name) and not name.startswith("__")]
    return [*parts, *vars(thing).values()] if hasattr(thing, "__dict__") else parts
