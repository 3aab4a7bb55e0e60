"""Outbox: messages on their way to the broker, each waiting by its own delivery rule. No I/O but the spool's."""

import itertools
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from satellite.homeassistant.messages import Delivery, Message


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many messages of each delivery rule may wait; over it the oldest goes first."""

    concluded: int = 5000
    latest: int = 512
    transient: int = 32


@dataclass(frozen=True, slots=True)
class Entry:
    """A message with its place in the order of publication."""

    number: int
    message: Message


class Spool(Protocol):
    """Where concluded messages outlast the process; told of them only while no broker answers."""

    def load(self) -> Iterable[Entry]:
        """What an earlier process left, oldest first; its numbers stay valid."""

    def keep(self, entry: Entry) -> None:
        """Store a message that waits for a broker; one whose number is stored already is left alone."""

    def forget(self, number: int) -> None:
        """The message was acknowledged or dropped; unknown numbers are ignored."""


class Outbox:
    """Messages waiting for their acknowledgement.

    Messages leave in the order they came, but what waited through an outage lets newer LATEST and TRANSIENT ones
    pass: a long backlog of text does not hold up the present state. CONCLUDED ones never pass each other.
    """

    def __init__(self, bounds: Bounds | None = None, spool: Spool | None = None) -> None:
        self.dropped = 0
        """CONCLUDED and LATEST messages lost to a bound."""
        self.discarded = 0
        """TRANSIENT messages that could not go out."""
        self._bounds = bounds or Bounds()
        self._spool = spool
        self._backlog_end = 0
        self._is_connected = False
        self._concluded: OrderedDict[int, Message] = OrderedDict()
        self._prompt: OrderedDict[int, Message] = OrderedDict()
        self._latest: OrderedDict[str, int] = OrderedDict()
        self._transient: OrderedDict[int, None] = OrderedDict()
        left = list(spool.load()) if spool else []
        self._numbers = itertools.count(1 + max((entry.number for entry in left), default=0))
        for entry in left:
            self._add_concluded(entry.number, entry.message)

    def __len__(self) -> int:
        """Messages that wait, the one in flight included."""
        return len(self._concluded) + len(self._prompt)

    def put(self, message: Message) -> None:
        """Let a message wait by its delivery rule."""
        number = next(self._numbers)
        if message.delivery is Delivery.CONCLUDED:
            self._add_concluded(number, message)
        elif message.delivery is Delivery.LATEST:
            self._add_latest(number, message)
        else:
            self._add_transient(number, message)

    def head(self) -> Entry | None:
        """The message to send next; it stays until `remove`."""
        concluded = next(iter(self._concluded), None)
        prompt = next(iter(self._prompt), None)
        if prompt is not None and (concluded is None or concluded <= self._backlog_end or prompt < concluded):
            return Entry(prompt, self._prompt[prompt])
        return None if concluded is None else Entry(concluded, self._concluded[concluded])

    def remove(self, entry: Entry) -> None:
        """The broker has the message, or will never take it; one that was replaced meanwhile is not missed."""
        if self._concluded.pop(entry.number, None) is not None and self._spool:
            self._spool.forget(entry.number)
        self._forget_prompt(entry.number)

    def connected(self) -> None:
        """A broker answers; what waits now is backlog."""
        self._is_connected = True
        self._backlog_end = next(self._numbers)

    def lost(self) -> None:
        """No broker answers: TRANSIENT messages are discarded, the others wait."""
        if not self._is_connected:
            return
        self._is_connected = False
        self.discarded += len(self._transient)
        for number in self._transient:
            del self._prompt[number]
        self._transient.clear()
        self._keep(*(Entry(number, message) for number, message in self._concluded.items()))

    def _add_concluded(self, number: int, message: Message) -> None:
        self._concluded[number] = message
        if not self._is_connected:
            self._keep(Entry(number, message))
        if len(self._concluded) > self._bounds.concluded:
            oldest, _ = self._concluded.popitem(last=False)
            self.dropped += 1
            if self._spool:
                self._spool.forget(oldest)

    def _add_latest(self, number: int, message: Message) -> None:
        replaced = self._latest.get(message.topic)
        if replaced is not None:
            self._forget_prompt(replaced)
        self._latest[message.topic] = number
        self._prompt[number] = message
        if len(self._latest) > self._bounds.latest:
            self._forget_prompt(next(iter(self._latest.values())))
            self.dropped += 1

    def _add_transient(self, number: int, message: Message) -> None:
        if not self._is_connected:
            self.discarded += 1
            return
        self._transient[number] = None
        self._prompt[number] = message
        if len(self._transient) > self._bounds.transient:
            self._forget_prompt(next(iter(self._transient)))
            self.discarded += 1

    def _forget_prompt(self, number: int) -> None:
        """Remove a LATEST or TRANSIENT message, if it is still there."""
        message = self._prompt.pop(number, None)
        if message is None:
            return
        self._transient.pop(number, None)
        if message.delivery is Delivery.LATEST:
            del self._latest[message.topic]

    def _keep(self, *entries: Entry) -> None:
        if self._spool:
            for entry in entries:
                self._spool.keep(entry)
