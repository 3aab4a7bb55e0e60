"""Threads that may be stuck in a call that never returns: at the end, nobody waits for them for long."""

import faulthandler
import logging
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

log = logging.getLogger(__name__)

WORKER = "satellite.worker"
LEFT_BEHIND_AFTER_S = 1.0
"""How long the end of the process waits for a call that blocks: a name look-up, a file on a server that is away."""


class WorkerPool(ThreadPoolExecutor):
    """The event loop's threads for calls that block; whoever shuts it down does not wait for them."""

    def __init__(self) -> None:
        super().__init__(thread_name_prefix=WORKER)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002 - the library's form
        """Take no more calls, forget those that have not begun."""
        super().shutdown(wait=False, cancel_futures=True)


def leave_stuck_threads(exit_code: int) -> None:
    """End the process here and now when a worker does not end: the interpreter would wait for it for ever."""
    workers = [thread for thread in threading.enumerate() if thread.name.startswith(WORKER)]
    for worker in workers:
        worker.join(LEFT_BEHIND_AFTER_S / len(workers))
    if stuck := sum(worker.is_alive() for worker in workers):
        log.warning("%d calls do not return: ending without them", stuck)
        _exit(exit_code)


class LastResort:
    """Ends the process when it does not end by itself, with the stacks of all threads in the log."""

    def __init__(self, exit_code: int) -> None:
        self._exit_code = exit_code
        self._timer: threading.Timer | None = None

    def arm(self, within_s: float) -> None:
        """From now on there is this much time; what was allowed before does not count any more."""
        self.disarm()
        self._timer = threading.Timer(within_s, self._end, [within_s])
        self._timer.name = "satellite.last-resort"
        self._timer.daemon = True
        self._timer.start()

    def disarm(self) -> None:
        """It ended by itself. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self, within_s: float) -> None:
        log.critical("still not ended after %.0f s: ending by force, while the threads are here", within_s)
        faulthandler.dump_traceback(sys.__stderr__ or 2)
        _exit(self._exit_code)


def _exit(exit_code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)
