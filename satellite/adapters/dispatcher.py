"""Dispatcher: an outbox with what takes time: messages that are overdue, topics that the broker refuses, waiting."""

import asyncio
from collections.abc import Callable

from satellite.adapters.outbox import Entry, Outbox
from satellite.homeassistant.messages import Message

OVERDUE_S = 1.0
"""A message that is not acknowledged within this time, or at most twice of it, is spooled."""
FATAL_TRIES = 3
"""A topic with whose messages so many connections in a row have ended is not tried with the next."""


class Dispatcher:
    """What the link sends next, and what becomes of it."""

    def __init__(self, outbox: Outbox, refused_retry_s: float, on_released: Callable[[], None]) -> None:
        self.wake = asyncio.Event()
        """There is news for the one that sends."""
        self._outbox = outbox
        self._refused_retry_s = refused_retry_s
        self._on_released = on_released
        self._suspect = _Suspect()
        self._timers: dict[Callable[[], None], asyncio.TimerHandle] = {}
        self._is_idle = asyncio.Event()
        self._note()

    def put(self, message: Message) -> None:
        """Queue a message."""
        self._outbox.put(message)
        if self._outbox.has_unspooled:
            self._call_later(OVERDUE_S, self._spool_overdue)
        self._note()

    def next(self) -> Entry | None:
        """The message to send now; to be answered by `taken` or `refused`, or by the end of the connection."""
        entry = self._outbox.head()
        self._suspect.sent(entry)
        return entry

    def taken(self, entry: Entry) -> None:
        """The broker has it, or will never take it."""
        self._suspect.answered()
        self._outbox.remove(entry)
        self._note()

    def refused(self, topic: str) -> None:
        """The broker does not take what goes there: it waits for a change of its rules, and lets the rest pass."""
        self._suspect.answered()
        self._withhold(topic)

    def connected(self) -> None:
        """A broker answers."""
        self._outbox.connected()

    def ended(self) -> str | None:
        """It does not any more; returns a topic that is withheld because it seems to be what ends connections.

        Some brokers answer so what they do not allow, and it would hold up all else for ever.
        """
        topic = self._suspect.ended()
        if topic is not None:
            self._withhold(topic)
        self._outbox.lost()
        self._note()
        return topic

    async def flush(self, timeout_s: float) -> bool:
        """Wait until all that the broker takes was acknowledged; False when time ran out or something is left."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._is_idle.wait()
        except TimeoutError:
            return False
        return len(self._outbox) == 0

    def close(self) -> None:
        """No timer is left behind."""
        for timer in self._timers.values():
            timer.cancel()

    def _withhold(self, topic: str) -> None:
        self._outbox.withhold(topic)
        self._call_later(self._refused_retry_s, self._release)
        self._note()

    def _release(self) -> None:
        self._outbox.release()
        self._on_released()
        self._note()

    def _spool_overdue(self) -> None:
        self._outbox.overdue()
        if self._outbox.has_unspooled:
            self._call_later(OVERDUE_S, self._spool_overdue)

    def _call_later(self, delay_s: float, action: Callable[[], None]) -> None:
        """Once, however often it is asked for meanwhile."""

        def call() -> None:
            del self._timers[action]
            action()

        if action not in self._timers:
            self._timers[action] = asyncio.get_running_loop().call_later(delay_s, call)

    def _note(self) -> None:
        """Keep the signs in step with the outbox."""
        if self._outbox.head() is None:
            self._is_idle.set()
        else:
            self._is_idle.clear()
            self.wake.set()


class _Suspect:
    """The topic of the message on its way when connections ended, if it was the same several times in a row."""

    def __init__(self) -> None:
        self._on_its_way: str | None = None
        self._last: str | None = None
        self._times = 0

    def sent(self, entry: Entry | None) -> None:
        """A message is on its way, or none."""
        self._on_its_way = None if entry is None else entry.message.topic

    def answered(self) -> None:
        """Connections can be used."""
        self._on_its_way = None
        self._times = 0

    def ended(self) -> str | None:
        """A connection has ended, or was not made."""
        topic, self._on_its_way = self._on_its_way, None
        if topic is None:
            return None
        self._times = self._times + 1 if topic == self._last else 1
        self._last = topic
        return topic if self._times >= FATAL_TRIES else None
