"""Outbox: messages on their way to the broker, each waiting by its own delivery rule. No I/O but the spool's."""

import itertools
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from satellite.homeassistant.messages import Delivery, Message


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many messages of each delivery rule may wait, and how large; over it the oldest goes first."""

    concluded: int = 5000
    concluded_bytes: int = 32 * 1024 * 1024
    latest: int = 512
    transient: int = 32


@dataclass(frozen=True, slots=True)
class Entry:
    """A message with its place in the order of publication."""

    number: int
    message: Message


class Spool(Protocol):
    """Where concluded messages outlast the process; told of them only while the broker does not answer.

    Nothing blocks but `load`: what is to be stored is stored soon.
    """

    def load(self) -> Iterable[Entry]:
        """What an earlier process left, oldest first; its numbers stay valid."""

    def keep(self, entry: Entry) -> None:
        """Store a message that waits for a broker; one whose number is stored already is left alone."""

    def forget(self, number: int) -> None:
        """The message was acknowledged or dropped; unknown numbers are ignored."""


class Outbox:
    """Messages waiting for their acknowledgement.

    Messages leave in the order they came, but what waited through an outage lets newer LATEST and TRANSIENT ones
    pass: a long backlog of text does not hold up the present state. CONCLUDED ones of a topic never pass each other.
    """

    def __init__(self, bounds: Bounds | None = None, spool: Spool | None = None) -> None:
        self.dropped = 0
        """CONCLUDED and LATEST messages lost to a bound."""
        self.discarded = 0
        """Messages that could not go out at their moment: TRANSIENT ones, and LATEST ones that were withheld."""
        self._bounds = bounds or Bounds()
        self._spool = spool
        self._backlog_end = 0
        self._is_connected = False
        self._concluded: OrderedDict[int, Message] = OrderedDict()
        self._concluded_bytes = 0
        self._prompt: OrderedDict[int, Message] = OrderedDict()
        self._latest: OrderedDict[str, int] = OrderedDict()
        self._transient: OrderedDict[int, None] = OrderedDict()
        self._withheld = _Withheld()
        self._unspooled: dict[int, None] = {}
        self._overdue_end = 0
        left = list(spool.load()) if spool else []
        self._numbers = itertools.count(1 + max((entry.number for entry in left), default=0))
        for entry in left:
            self._add_concluded(entry.number, entry.message)

    def __len__(self) -> int:
        """Messages that wait, the one in flight included."""
        return self.text_waiting + len(self._prompt)

    @property
    def text_waiting(self) -> int:
        """CONCLUDED messages that wait."""
        return len(self._concluded) + len(self._withheld.messages)

    @property
    def has_unspooled(self) -> bool:
        """CONCLUDED messages wait that a spool has not been told of."""
        return bool(self._unspooled)

    def put(self, message: Message) -> None:
        """Let a message wait by its delivery rule."""
        number = next(self._numbers)
        if message.delivery is not Delivery.CONCLUDED and message.topic in self._withheld.topics:
            self.discarded += 1
        elif message.delivery is Delivery.CONCLUDED:
            self._spool_or_note(number, message)
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
        if (message := self._concluded.pop(entry.number, None)) is not None:
            self._concluded_bytes -= len(message.payload)
            self._forget(entry.number)
        self._forget_prompt(entry.number)

    def withhold(self, topic: str) -> None:
        """CONCLUDED messages to this topic wait until `release` and let the others pass; what is not is discarded."""
        self._withheld.topics.add(topic)
        for number in [number for number, message in self._concluded.items() if message.topic == topic]:
            self._withheld.messages[number] = self._concluded.pop(number)
        for number in [number for number, message in self._prompt.items() if message.topic == topic]:
            self.discarded += 1
            self._forget_prompt(number)

    def release(self) -> None:
        """What was withheld takes its place again."""
        self._concluded = OrderedDict(sorted({**self._concluded, **self._withheld.messages}.items()))
        self._withheld = _Withheld()

    def connected(self) -> None:
        """A broker answers; what waits now is backlog."""
        self._is_connected = True
        self._backlog_end = next(self._numbers)

    def overdue(self) -> None:
        """Called at a steady pace while messages are unspooled: those that waited at the last call too are spooled."""
        for number in [number for number in self._unspooled if number < self._overdue_end]:
            self._keep(number)
        self._overdue_end = next(self._numbers)

    def lost(self) -> None:
        """No broker answers: TRANSIENT messages are discarded, the others wait."""
        if not self._is_connected:
            return
        self._is_connected = False
        self.discarded += len(self._transient)
        for number in self._transient:
            del self._prompt[number]
        self._transient.clear()
        for number in list(self._unspooled):
            self._keep(number)

    def _add_concluded(self, number: int, message: Message) -> None:
        waiting, aside = self._concluded, self._withheld.messages
        (aside if message.topic in self._withheld.topics else waiting)[number] = message
        self._concluded_bytes += len(message.payload)
        most, most_bytes = self._bounds.concluded, self._bounds.concluded_bytes
        while self.text_waiting > most or (self.text_waiting > 1 and self._concluded_bytes > most_bytes):
            oldest = min(next(iter(some)) for some in (waiting, aside) if some)
            self._concluded_bytes -= len((waiting if oldest in waiting else aside).pop(oldest).payload)
            self.dropped += 1
            self._forget(oldest)

    def _spool_or_note(self, number: int, message: Message) -> None:
        if self._spool is None:
            return
        if self._is_connected:
            self._unspooled[number] = None
        else:
            self._spool.keep(Entry(number, message))

    def _keep(self, number: int) -> None:
        """Hand one to the spool that has not been told of it."""
        del self._unspooled[number]
        message = self._concluded.get(number) or self._withheld.messages.get(number)
        if self._spool is not None and message is not None:
            self._spool.keep(Entry(number, message))

    def _forget(self, number: int) -> None:
        """It need not outlast the process any more."""
        if number in self._unspooled:
            del self._unspooled[number]
        elif self._spool is not None:
            self._spool.forget(number)

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


class _Withheld:
    """CONCLUDED messages that the broker does not take at present, and the topics they go to."""

    def __init__(self) -> None:
        self.topics: set[str] = set()
        self.messages: OrderedDict[int, Message] = OrderedDict()
