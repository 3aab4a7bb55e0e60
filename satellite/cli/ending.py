"""Ending: signals that ask a command for its end, so that it can tidy up first."""

import asyncio
import signal
from typing import Self

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class EndingSignals:
    """While entered, the first signal that asks for an end cancels the task; more of them disturb no tidying up."""

    def __init__(self) -> None:
        self.received: int | None = None
        self._task: asyncio.Task[object] | None = None

    def __enter__(self) -> Self:
        self._task = asyncio.current_task()
        for number in ENDING_SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._receive, number)
        return self

    def __exit__(self, *_: object) -> None:
        for number in ENDING_SIGNALS:
            asyncio.get_running_loop().remove_signal_handler(number)

    def _receive(self, number: int) -> None:
        if self.received is None and self._task is not None:
            self.received = number
            self._task.cancel()
