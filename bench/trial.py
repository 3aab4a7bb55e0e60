"""Promises, tried one by one on a scene: how one is broken, waited for and reported."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from bench.nodes import NodeError

Scene = TypeVar("Scene")


class PromiseError(Exception):
    """A promise did not hold; says which."""


def hold(*, is_so: bool, complaint: str) -> None:
    """Raises PromiseError with the complaint when it is not so."""
    if not is_so:
        raise PromiseError(complaint)


async def until(is_so: Callable[[], bool], within_s: float, complaint: str) -> float:
    """Look until it is so; after how many seconds. Raises PromiseError."""
    began_at = time.monotonic()
    while not await asyncio.to_thread(is_so):
        if time.monotonic() - began_at > within_s:
            raise PromiseError(f"{complaint} within {within_s:.0f} s")
        await asyncio.sleep(0.1)
    return time.monotonic() - began_at


async def tried(promise: Callable[[Scene], Awaitable[str]], scene: Scene, explain: Callable[[], str]) -> str:
    """Prints what was seen, or what `explain` adds to a broken promise; why it was broken, empty when it was kept."""
    title = promise.__name__.replace("_", " ")
    try:
        print(f"  {title}: {await promise(scene)}", flush=True)
    except (PromiseError, NodeError, TimeoutError, AssertionError) as error:
        print(f"  BROKEN {title}: {error}\n{explain()}", flush=True)
        return f"{title}: {type(error).__name__}: {error}"
    return ""
