"""Sees what goes wrong beside a call: tracebacks in the log, in threads, in call-backs and finalisers."""

import logging
import signal
import sys
import threading
import traceback
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

STUCK_CPU_S = 30
"""CPU seconds after which an input is taken to have no end, or one that nobody waits for."""


class StuckError(BaseException):
    """An input that was not done with in STUCK_CPU_S; no `except Exception` holds it up."""


class Watch(logging.Handler):
    """Collects tracebacks that nobody had to handle, while `watching`."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.caught: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """A traceback in the log is an exception that was not handled."""
        if record.exc_info and record.exc_info[1] is not None:
            self.caught.append(record.getMessage() + "\n" + "".join(traceback.format_exception(record.exc_info[1])))

    def failure_of(self, run: Callable[[bytes], Any], data: bytes) -> tuple[Any, str | None]:
        """What came of one input, or the trace of what went wrong."""
        try:
            signal.setitimer(signal.ITIMER_PROF, STUCK_CPU_S)
            outcome = run(data)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            return None, "".join(traceback.format_exception(error))
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        caught, self.caught = self.caught, []
        return outcome, caught[0] if caught else None

    def _unraisable(self, what: "sys.UnraisableHookArgs") -> None:
        self.caught.append(f"unraisable: {what.exc_value!r} in {what.object!r}")

    def _in_thread(self, what: threading.ExceptHookArgs) -> None:
        self.caught.append("".join(traceback.format_exception(what.exc_value or what.exc_type())))


@contextmanager
def watching() -> Iterator[Watch]:
    """A watch over this process; warnings are errors meanwhile, and nothing runs for ever."""
    watch, root = Watch(), logging.getLogger()
    hooks = sys.unraisablehook, threading.excepthook, signal.getsignal(signal.SIGPROF)
    sys.unraisablehook, threading.excepthook = watch._unraisable, watch._in_thread
    signal.signal(signal.SIGPROF, _stuck)
    root.addHandler(watch)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", "'audioop' is deprecated", DeprecationWarning)
            yield watch
    finally:
        root.removeHandler(watch)
        signal.signal(signal.SIGPROF, hooks[2])
        sys.unraisablehook, threading.excepthook = hooks[:2]


def _stuck(_number: int, _frame: types.FrameType | None) -> None:
    raise StuckError
