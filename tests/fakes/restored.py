"""Puts back what a command changes for its whole process, so that it can be tried inside the process of the tests."""

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def logging_restored() -> Iterator[None]:
    """Handlers of the root logger, the levels of it, of ours and of matplotlib's, and who is told of faults."""
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    loggers = [logging.getLogger(name) for name in (None, "satellite", "matplotlib")]
    handlers, levels = list(loggers[0].handlers), [logger.level for logger in loggers]
    try:
        yield
    finally:
        loggers[0].handlers[:] = handlers
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        logging.captureWarnings(capture=False)
        sys.excepthook, threading.excepthook, sys.unraisablehook = hooks


@contextlib.contextmanager
def process_restored() -> Iterator[None]:
    """Logging, what signals do, and who may read new files."""
    actions = {number: signal.getsignal(number) for number in SIGNALS}
    mask = os.umask(0o022)
    os.umask(mask)
    try:
        with logging_restored():
            yield
    finally:
        for number, action in actions.items():
            signal.signal(number, action)
        os.umask(mask)
