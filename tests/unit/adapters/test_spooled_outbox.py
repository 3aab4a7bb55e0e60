"""Outbox and spool together, against a model: whatever happens in whatever order, nothing that was stored is lost."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from satellite.adapters.outbox import Bounds, Entry, Outbox
from satellite.adapters.spool import DiskSpool
from satellite.homeassistant.messages import Delivery, Message

WAIT_S = 20.0
BOUND = 12
TOPICS = ("transcript", "translation/de", "utterance")


class Found(DiskSpool):
    """Remembers what it gave the outbox at its start."""

    found: list[Message]

    def load(self) -> list[Entry]:
        entries = super().load()
        self.found = [entry.message for entry in entries]
        return entries


class SpooledOutbox(RuleBasedStateMachine):
    """Messages are numbered in the order in which they were said; a satellite dies and comes back at any point."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(prefix="spooled-outbox-"))
        self.lives = 0
        self.serial = 0
        self.waiting: list[Message] = []
        """What the satellite has and the broker has not, oldest first."""
        self.unspooled: set[bytes] = set()
        """Of that, what a power cut may take: the broker answers, and it is not overdue."""
        self.young: set[bytes] = set()
        """Of that, what came since the last look at what is overdue."""
        self.delivered: list[Message] = []
        self.is_connected = False
        self.begin(self.place / "0")

    def begin(self, directory: Path) -> None:
        self.directory = directory
        self.spool = Found(directory)
        self.outbox = Outbox(Bounds(concluded=BOUND), self.spool)
        self.is_connected = False

    @rule(topic=st.sampled_from(TOPICS), size=st.sampled_from([1, 100, 5000]), retain=st.booleans())
    def say(self, topic: str, size: int, retain: bool) -> None:
        self.serial += 1
        message = Message(topic, f"{self.serial} {'x' * size}".encode(), retain)
        self.outbox.put(message)
        self.waiting = [*self.waiting, message][-BOUND:]
        if self.is_connected:
            self.unspooled.add(message.payload)
            self.young.add(message.payload)

    @rule()
    def say_what_is_not_kept(self) -> None:
        self.outbox.put(Message("state", b"idle", delivery=Delivery.LATEST))
        self.outbox.put(Message("tentative", b"he", delivery=Delivery.TRANSIENT))

    @rule()
    def connect(self) -> None:
        self.outbox.connected()
        self.is_connected = True

    @rule()
    def lose(self) -> None:
        self.outbox.lost()
        self.is_connected = False
        self.unspooled.clear()

    @rule(count=st.integers(1, 6))
    def send(self, count: int) -> None:
        for _ in range(count if self.is_connected else 0):
            entry = self.outbox.head()
            if entry is not None:
                self.outbox.remove(entry)
                if entry.message.delivery is Delivery.CONCLUDED:
                    self.delivered.append(entry.message)
                    self.waiting.remove(entry.message)

    @rule(times=st.integers(1, 3))
    def look_for_what_is_overdue(self, times: int) -> None:
        for _ in range(times):
            self.outbox.overdue()
            self.unspooled &= self.young
            self.young.clear()

    @rule(topic=st.sampled_from(TOPICS))
    def refuse(self, topic: str) -> None:
        self.outbox.withhold(topic)

    @rule()
    def allow(self) -> None:
        self.outbox.release()

    @rule(connects=st.booleans())
    def stop_and_start(self, connects: bool) -> None:
        """In order: nothing at all is lost."""
        self.outbox.lost()
        assert self.spool.close(WAIT_S) == 0
        self.unspooled.clear()
        self.begin(self.directory)
        assert self.spool.found == self.waiting
        if connects:
            self.connect()

    def killed(self) -> Path:
        """The directory as a process leaves it that is killed now."""
        assert self.spool.settle(WAIT_S)
        self.lives += 1
        copy = self.place / str(self.lives)
        if self.directory.exists():
            shutil.copytree(self.directory, copy)
        return copy

    @rule(connects=st.booleans())
    def kill_and_start(self, connects: bool) -> None:
        """What was stored is there; what was not overdue may be gone."""
        copy = self.killed()
        self.spool.close(WAIT_S)
        self.waiting = [message for message in self.waiting if message.payload not in self.unspooled]
        self.unspooled.clear()
        self.begin(copy)
        assert self.spool.found == self.waiting
        if connects:
            self.connect()

    @rule(count=st.integers(0, 8))
    def kill_before_the_disk_knows_what_is_out(self, count: int) -> None:
        """The broker has messages that the file still holds: they come again, byte by byte, and in their place."""
        copy = self.killed()
        stored = [message for message in self.waiting if message.payload not in self.unspooled]
        self.send(count)
        self.spool.close(WAIT_S)
        self.unspooled.clear()
        self.begin(copy)
        self.waiting = stored
        assert self.spool.found == stored

    @invariant()
    def nothing_is_made_up_and_order_is_kept(self) -> None:
        assert self.outbox.text_waiting == len(self.waiting)
        for topic in TOPICS:
            numbers = [int(one.payload.split()[0]) for one in self.delivered if one.topic == topic]
            first = list(dict.fromkeys(numbers))
            assert first == sorted(first)

    @invariant()
    def there_is_no_file_without_need(self) -> None:
        if not self.waiting:
            assert self.spool.settle(WAIT_S)
            assert list(self.directory.glob("*")) == []

    def teardown(self) -> None:
        self.spool.close(WAIT_S)
        shutil.rmtree(self.place)


SpooledOutbox.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestSpooledOutboxAgainstAModel = SpooledOutbox.TestCase
