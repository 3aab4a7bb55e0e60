"""Where every task and every thread is: what a stall leaves in the log. Names of code only, none of its data."""

import asyncio
import faulthandler
import logging
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

log = logging.getLogger(__name__)


def dump_when_aborted() -> None:
    """SIGABRT, which a service manager sends to a program that does not answer, leaves the stacks of all threads."""
    if not faulthandler.is_enabled():
        faulthandler.enable(sys.__stderr__ or 2)


def told(stuck: Callable[[], str | None]) -> Callable[[], str | None]:
    """The same look; what it finds stuck leaves its stacks in the log."""

    def look() -> str | None:
        part = stuck()
        if part is not None:
            log.critical("%s stands still; this is where everything is:\n%s", part, "\n".join(_tasks()))
            faulthandler.dump_traceback(sys.__stderr__ or 2)
        return part

    return look


def _tasks() -> Iterator[str]:
    """A line for each task: its name, and what it waits in, outermost first."""
    for task in sorted(asyncio.all_tasks(), key=lambda task: task.get_name()):
        yield f"{task.get_name()}: {' > '.join(_calls(task.get_coro())) or 'about to run'}"


def _calls(waits: Any) -> Iterator[str]:
    """Coroutines and generators from the outermost to the one that waits."""
    while waits is not None:
        frame: FrameType | None = getattr(waits, "cr_frame", None) or getattr(waits, "gi_frame", None)
        if frame is None:
            return
        yield f"{frame.f_code.co_qualname} {frame.f_lineno}"
        waits = getattr(waits, "cr_await", None) or getattr(waits, "gi_yieldfrom", None)
