from collections.abc import Iterable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from satellite.adapters.outbox import Bounds, Entry, Outbox
from satellite.homeassistant.messages import Delivery, Message

SMALL = Bounds(concluded=4, latest=3, transient=2)


def message(topic: str, text: str, delivery: Delivery = Delivery.CONCLUDED) -> Message:
    return Message(topic, text.encode(), delivery=delivery)


def concluded(text: str) -> Message:
    return message("transcript", text)


def latest(topic: str, text: str) -> Message:
    return message(topic, text, Delivery.LATEST)


def transient(text: str) -> Message:
    return message("tentative", text, Delivery.TRANSIENT)


def drained(outbox: Outbox) -> list[str]:
    texts = []
    while (entry := outbox.head()) is not None:
        texts.append(entry.message.payload.decode())
        outbox.remove(entry)
    return texts


def filled(outbox: Outbox, *messages: Message) -> Outbox:
    for one in messages:
        outbox.put(one)
    return outbox


def connected(bounds: Bounds | None = None) -> Outbox:
    outbox = Outbox(bounds)
    outbox.connected()
    return outbox


def test_while_connected_everything_leaves_in_order() -> None:
    outbox = filled(connected(), concluded("1"), latest("state", "2"), transient("3"), concluded("4"), transient("5"))
    assert len(outbox) == 5
    assert drained(outbox) == ["1", "2", "3", "4", "5"]
    assert len(outbox) == 0


def test_a_message_stays_until_it_is_removed() -> None:
    outbox = filled(connected(), concluded("1"), concluded("2"))
    first = outbox.head()
    assert outbox.head() == first
    outbox.lost()
    outbox.connected()
    assert drained(outbox) == ["1", "2"]


def test_concluded_messages_wait_for_a_broker_in_order() -> None:
    outbox = filled(Outbox(), concluded("1"), concluded("2"), concluded("3"))
    outbox.connected()
    assert drained(filled(outbox, concluded("4"))) == ["1", "2", "3", "4"]


def test_over_the_bound_the_oldest_concluded_is_dropped_and_counted() -> None:
    outbox = filled(Outbox(SMALL), *(concluded(str(number)) for number in range(7)))
    assert outbox.dropped == 3
    assert drained(outbox) == ["3", "4", "5", "6"]


def test_the_newest_of_a_topic_replaces_the_waiting_one() -> None:
    outbox = filled(Outbox(), latest("state", "idle"), latest("settings", "s"), latest("state", "listening"))
    assert drained(outbox) == ["s", "listening"]
    assert outbox.dropped == 0


def test_a_replaced_message_in_flight_is_not_sent_again() -> None:
    outbox = filled(connected(), latest("state", "idle"))
    in_flight = outbox.head()
    assert in_flight is not None
    outbox.put(latest("state", "listening"))
    outbox.remove(in_flight)
    assert drained(outbox) == ["listening"]


def test_over_the_bound_the_oldest_topic_is_dropped_and_counted() -> None:
    outbox = filled(Outbox(SMALL), *(latest(topic, topic) for topic in "abacd"))
    assert outbox.dropped == 1
    assert drained(outbox) == ["a", "c", "d"]


def test_transient_messages_are_discarded_without_a_broker() -> None:
    outbox = filled(Outbox(), transient("1"))
    assert outbox.head() is None
    outbox.connected()
    filled(outbox, transient("2"), concluded("3")).lost()
    assert outbox.discarded == 2
    assert drained(outbox) == ["3"]


def test_transient_messages_are_few() -> None:
    outbox = filled(connected(SMALL), *(transient(str(number)) for number in range(5)))
    assert outbox.discarded == 3
    assert drained(outbox) == ["3", "4"]


def test_the_present_state_passes_a_backlog_but_not_what_came_after_the_connection() -> None:
    outbox = filled(Outbox(), concluded("old 1"), concluded("old 2"), latest("state", "idle"))
    outbox.connected()
    filled(outbox, latest("health", "h"), concluded("new 1"), latest("problem", "p"))
    assert drained(outbox) == ["idle", "h", "p", "old 1", "old 2", "new 1"]
    filled(outbox, concluded("new 2"), latest("state", "listening"))
    assert drained(outbox) == ["new 2", "listening"]


def test_losing_a_connection_twice_changes_nothing() -> None:
    spool = MemorySpool()
    outbox = Outbox(spool=spool)
    outbox.connected()
    outbox.put(concluded("1"))
    outbox.lost()
    outbox.lost()
    assert spool.log == ["keep 2 1"]


class MemorySpool:
    def __init__(self, *left: Entry) -> None:
        self.stored = {entry.number: entry for entry in left}
        self.log: list[str] = []

    def load(self) -> Iterable[Entry]:
        return list(self.stored.values())

    def keep(self, entry: Entry) -> None:
        if entry.number not in self.stored:
            self.stored[entry.number] = entry
            self.log.append(f"keep {entry.number} {entry.message.payload.decode()}")

    def forget(self, number: int) -> None:
        if self.stored.pop(number, None):
            self.log.append(f"forget {number}")


def test_a_spool_hears_of_concluded_messages_only_and_only_without_a_broker() -> None:
    spool = MemorySpool()
    outbox = filled(Outbox(spool=spool), concluded("1"), latest("state", "idle"))
    outbox.connected()
    filled(outbox, concluded("2"), transient("3"))
    assert spool.log == ["keep 1 1"]
    outbox.lost()
    assert spool.log == ["keep 1 1", "keep 4 2"]
    outbox.connected()
    drained(outbox)
    assert spool.log[2:] == ["forget 1", "forget 4"]


def test_a_spool_forgets_what_is_dropped() -> None:
    spool = MemorySpool()
    filled(Outbox(SMALL, spool), *(concluded(str(number)) for number in range(5)))
    assert spool.log[-1] == "forget 1"


def test_what_an_earlier_process_left_goes_first() -> None:
    spool = MemorySpool(Entry(7, concluded("left 1")), Entry(9, concluded("left 2")))
    outbox = Outbox(spool=spool)
    assert len(outbox) == 2
    assert spool.log == []
    assert drained(filled(outbox, concluded("new"))) == ["left 1", "left 2", "new"]


def test_what_is_overdue_is_spooled_once_and_forgotten_when_it_is_out() -> None:
    spool = MemorySpool()
    outbox = Outbox(spool=spool)
    outbox.connected()
    filled(outbox, concluded("1"), latest("state", "idle"))
    signs = [outbox.has_unspooled]
    outbox.overdue()  # it has waited for an unknown part of the pace only
    outbox.put(concluded("2"))
    assert spool.log == []
    outbox.overdue()
    assert spool.log == ["keep 2 1"]
    outbox.overdue()
    assert spool.log == ["keep 2 1", "keep 5 2"]
    assert [*signs, outbox.has_unspooled] == [True, False]
    outbox.lost()
    drained(outbox)
    assert spool.log[2:] == ["forget 2", "forget 5"]


def test_what_is_acknowledged_in_time_is_not_spooled() -> None:
    spool = MemorySpool()
    outbox = Outbox(spool=spool)
    outbox.connected()
    for number in range(10):
        outbox.put(concluded(str(number)))
        drained(outbox)
        outbox.overdue()
    outbox.lost()
    assert spool.log == []
    assert not outbox.has_unspooled


def test_without_a_spool_nothing_is_overdue() -> None:
    outbox = filled(connected(), concluded("1"))
    assert not outbox.has_unspooled
    outbox.overdue()
    outbox.lost()
    assert drained(outbox) == ["1"]


def test_a_topic_that_is_withheld_lets_the_others_pass_and_takes_its_place_again() -> None:
    outbox = filled(connected(), message("a", "a1"), message("b", "b1"), message("a", "a2"), latest("state", "idle"))
    outbox.withhold("a")
    filled(outbox, message("a", "a3"), message("b", "b2"), latest("a", "not now"), message("c", "c1"))
    assert len(outbox) == 7
    assert outbox.discarded == 1
    head = outbox.head()
    assert head is not None
    outbox.remove(head)
    outbox.release()
    assert drained(outbox) == ["a1", "a2", "idle", "a3", "b2", "c1"]


def test_states_to_a_topic_that_is_withheld_are_discarded() -> None:
    outbox = filled(connected(), latest("state", "idle"), transient("t"), concluded("1"))
    outbox.withhold("state")
    outbox.withhold("tentative")
    assert outbox.discarded == 2
    assert drained(outbox) == ["1"]


def test_what_is_withheld_is_bounded_and_spooled_too() -> None:
    spool = MemorySpool()
    outbox = Outbox(SMALL, spool)
    outbox.connected()
    filled(outbox, concluded("1"), concluded("2"))
    outbox.withhold("transcript")
    filled(outbox, *(concluded(str(number)) for number in range(3, 6)))
    outbox.lost()
    assert [line.split()[-1] for line in spool.log] == ["2", "3", "4", "5"]
    assert (len(outbox), outbox.dropped, outbox.head()) == (4, 1, None)
    outbox.put(message("other", "6"))
    assert outbox.dropped == 2
    assert spool.log[-2:] == ["keep 7 6", "forget 3"]
    outbox.release()
    assert drained(outbox) == ["3", "4", "5", "6"]
    assert spool.stored == {}


class OutboxModel(RuleBasedStateMachine):
    """The same rules written as plainly as possible: one list, searched and filtered."""

    def __init__(self) -> None:
        super().__init__()
        self.spool = MemorySpool()
        self.outbox = Outbox(SMALL, self.spool)
        self.is_connected = False
        self.waiting: list[tuple[bool, str, Message]] = []  # (is backlog, rule, message), oldest first
        self.dropped = 0
        self.discarded = 0
        self.serial = 0

    def of(self, delivery: Delivery) -> list[tuple[bool, str, Message]]:
        return [item for item in self.waiting if item[2].delivery is delivery]

    def bounded(self, delivery: Delivery, bound: int) -> int:
        waiting = self.of(delivery)
        for item in waiting[: max(0, len(waiting) - bound)]:
            self.waiting.remove(item)
        return max(0, len(waiting) - bound)

    @rule(topic=st.sampled_from("abcde"), delivery=st.sampled_from(Delivery))
    def put(self, topic: str, delivery: Delivery) -> None:
        self.serial += 1
        new = message(topic, str(self.serial), delivery)
        self.outbox.put(new)
        if delivery is Delivery.TRANSIENT and not self.is_connected:
            self.discarded += 1
            return
        if delivery is Delivery.LATEST:
            self.waiting = [
                item for item in self.waiting if item[2].topic != topic or item[2].delivery is not Delivery.LATEST
            ]
        self.waiting.append((False, delivery.value, new))
        self.dropped += self.bounded(Delivery.CONCLUDED, SMALL.concluded)
        self.dropped += self.bounded(Delivery.LATEST, SMALL.latest)
        self.discarded += self.bounded(Delivery.TRANSIENT, SMALL.transient)

    @precondition(lambda self: not self.is_connected)
    @rule()
    def connect(self) -> None:
        self.outbox.connected()
        self.is_connected = True
        self.waiting = [(True, name, waiting) for _, name, waiting in self.waiting]

    @rule()
    def lose(self) -> None:
        self.outbox.lost()
        self.is_connected = False
        self.discarded += self.bounded(Delivery.TRANSIENT, 0)

    def expected_head(self) -> Message | None:
        text = self.of(Delivery.CONCLUDED)
        prompt = [item for item in self.waiting if item not in text]
        if text and text[0][0] and prompt:
            return prompt[0][2]
        return self.waiting[0][2] if self.waiting else None

    @rule()
    def send(self) -> None:
        entry = self.outbox.head()
        if entry is not None:
            self.outbox.remove(entry)
            self.waiting = [item for item in self.waiting if item[2] is not entry.message]

    @invariant()
    def agrees(self) -> None:
        entry = self.outbox.head()
        assert (entry.message if entry else None) == self.expected_head()
        assert len(self.outbox) == len(self.waiting)
        assert self.outbox.dropped == self.dropped
        assert self.outbox.discarded == self.discarded
        waiting = [waiting for _, _, waiting in self.of(Delivery.CONCLUDED)]
        stored = [entry.message for entry in self.spool.stored.values()]
        assert stored == [one for one in waiting if one in stored]
        if not self.is_connected:
            assert stored == waiting
            assert not self.outbox.has_unspooled

    @rule()
    def overdue(self) -> None:
        self.outbox.overdue()


OutboxModel.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestOutboxAgainstAModel = OutboxModel.TestCase


def test_what_waits_is_bounded_in_bytes_too() -> None:
    outbox = Outbox(Bounds(concluded_bytes=1000))
    for number in range(5):
        outbox.put(concluded(f"{number}" * 400))
    assert (len(outbox), outbox.dropped) == (2, 3)
    outbox.put(concluded("x" * 5000))
    assert (len(outbox), outbox.dropped) == (1, 5)
    assert [text[0] for text in drained(outbox)] == ["x"]
    for number in range(5):
        outbox.put(concluded(f"{number}" * 200))
    assert (len(outbox), outbox.dropped) == (5, 5)


def test_bytes_are_counted_over_withholding() -> None:
    outbox = connected(Bounds(concluded_bytes=1000))
    for turn in range(50):
        filled(outbox, message("a", "1" * 300), message("b", "2" * 300))
        outbox.withhold("a")
        outbox.release()
        assert [text[0] for text in drained(outbox)] == ["1", "2"], turn
    assert outbox.dropped == 0
