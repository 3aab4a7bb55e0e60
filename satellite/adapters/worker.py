"""Worker: a thread that is there only while there is work, for what may block: a slow SD card, a full disk."""

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


class Worker:
    """Calls `work` on a thread of its own after `wake`, and again for as long as it asks for that.

    `work` returns None when nothing is left to do, else the seconds after which to call it again. Two threads never
    call it at a time.
    """

    def __init__(self, name: str, work: Callable[[], float | None]) -> None:
        self._name = name
        self._work = work
        self._changed = threading.Condition()
        self._is_wanted = False
        self._is_hurried = False
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """There is something to do. Does not block; while a retry is waited for it changes nothing."""
        with self._changed:
            self._is_wanted = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def settle(self, timeout_s: float) -> bool:
        """Block until nothing is left to do; False when time ran out."""
        with self._changed:
            return self._changed.wait_for(lambda: self._thread is None, timeout_s)

    def finish(self, timeout_s: float) -> bool:
        """Block until all that can be done now is done; no retry is waited for any more. False when time ran out."""
        with self._changed:
            self._is_hurried = True
            self._changed.notify_all()
        return self.settle(timeout_s)

    def _run(self) -> None:
        while self._is_still_wanted():
            pause_s = self._call()
            if pause_s is not None:
                self._rest(pause_s)

    def _is_still_wanted(self) -> bool:
        """False ends the thread."""
        with self._changed:
            is_wanted, self._is_wanted = self._is_wanted, False
            if not is_wanted:
                self._thread = None
                self._changed.notify_all()
            return is_wanted

    def _call(self) -> float | None:
        try:
            return self._work()
        except Exception:
            log.exception("%s failed", self._name)
            return None

    def _rest(self, pause_s: float) -> None:
        with self._changed:
            if not self._is_hurried:
                self._changed.wait_for(lambda: self._is_hurried, pause_s)
                self._is_wanted = True
