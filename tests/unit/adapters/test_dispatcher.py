"""Dispatcher in virtual time: what is overdue, what is refused, what ends connections."""

from collections.abc import Iterable

from satellite.adapters.dispatcher import FATAL_TRIES, OVERDUE_S, Dispatcher
from satellite.adapters.outbox import Entry, Outbox
from satellite.homeassistant.messages import Delivery, Message
from tests.fakes.virtual_time import pass_time, running, virtual

RETRY_S = 60.0


class Stored:
    """A spool that remembers."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def load(self) -> Iterable[Entry]:
        return []

    def keep(self, entry: Entry) -> None:
        self.texts.append(entry.message.payload.decode())

    def forget(self, number: int) -> None:
        pass


class Desk:
    """A dispatcher, and the broker's side of it."""

    def __init__(self) -> None:
        self.stored = Stored()
        self.outbox = Outbox(spool=self.stored)
        self.released = 0
        self.dispatcher = Dispatcher(self.outbox, RETRY_S, self.release)

    def release(self) -> None:
        self.released += 1

    def say(self, text: str, topic: str = "transcript", delivery: Delivery = Delivery.CONCLUDED) -> None:
        self.dispatcher.put(Message(topic, text.encode(), delivery=delivery))

    def take(self, count: int = 100) -> list[str]:
        """Acknowledge what comes next."""
        texts: list[str] = []
        while len(texts) < count and (entry := self.dispatcher.next()) is not None:
            texts.append(entry.message.payload.decode())
            self.dispatcher.taken(entry)
        return texts

    def break_connections(self, count: int) -> list[str | None]:
        """Connections that end with the next message on its way."""
        suspects = []
        for _ in range(count):
            self.dispatcher.connected()
            assert self.dispatcher.next() is not None
            suspects.append(self.dispatcher.ended())
        return suspects


@virtual
async def test_what_the_broker_takes_in_time_is_not_stored() -> None:
    desk = Desk()
    desk.dispatcher.connected()
    for number in range(5):
        desk.say(str(number))
        await pass_time(OVERDUE_S * 0.4)
        assert desk.take() == [str(number)]
        await pass_time(OVERDUE_S * 3)
    assert desk.stored.texts == []


@virtual
async def test_what_is_not_acknowledged_is_stored_within_twice_the_time() -> None:
    desk = Desk()
    desk.dispatcher.connected()
    desk.say("1")
    await pass_time(OVERDUE_S * 0.9)
    desk.say("2")
    await pass_time(OVERDUE_S * 0.9)
    assert desk.stored.texts == []
    await pass_time(OVERDUE_S * 0.3)
    assert desk.stored.texts == ["1", "2"]
    await pass_time(OVERDUE_S * 10)
    desk.say("3")
    desk.dispatcher.ended()
    assert desk.stored.texts == ["1", "2", "3"]
    desk.dispatcher.close()


@virtual
async def test_without_a_connection_everything_is_stored_at_once() -> None:
    desk = Desk()
    desk.say("1")
    desk.say("2")
    assert desk.stored.texts == ["1", "2"]


@virtual
async def test_flush_waits_for_the_last_acknowledgement() -> None:
    desk = Desk()
    desk.dispatcher.connected()
    desk.say("1")
    answers = []

    async def flush() -> None:
        answers.append(await desk.dispatcher.flush(5.0))

    async with running(flush):
        await pass_time(1.0)
        assert answers == []
        desk.take()
        await pass_time()
        assert answers == [True]
    desk.say("2")
    assert not await desk.dispatcher.flush(5.0)
    desk.dispatcher.close()


@virtual
async def test_a_topic_that_is_refused_waits_and_is_tried_again() -> None:
    desk = Desk()
    desk.dispatcher.connected()
    desk.say("1")
    desk.say("2", "utterance")
    entry = desk.dispatcher.next()
    assert entry is not None
    desk.dispatcher.refused(entry.message.topic)
    desk.say("3")
    desk.say("idle", "state", Delivery.LATEST)
    assert desk.take() == ["2", "idle"]
    assert not await desk.dispatcher.flush(5.0)
    assert desk.released == 0
    desk.dispatcher.wake.clear()
    await pass_time(RETRY_S)
    assert desk.released == 1
    assert desk.dispatcher.wake.is_set()
    assert desk.take() == ["1", "3"]
    assert await desk.dispatcher.flush(5.0)


@virtual
async def test_a_message_that_ends_every_connection_does_not_hold_up_the_rest() -> None:
    desk = Desk()
    desk.say("poison", "translation/de")
    desk.say("1")
    assert desk.break_connections(FATAL_TRIES) == [None] * (FATAL_TRIES - 1) + ["translation/de"]
    desk.dispatcher.connected()
    assert desk.take() == ["1"]
    assert desk.dispatcher.ended() is None
    await pass_time(RETRY_S)
    assert desk.take() == ["poison"]


@virtual
async def test_connections_that_end_with_different_messages_are_nobodys_fault() -> None:
    desk = Desk()
    for number in range(10):
        desk.say(str(number), f"translation/{number % 2}")
    for _ in range(5):
        assert desk.break_connections(FATAL_TRIES - 1) == [None] * (FATAL_TRIES - 1)
        desk.dispatcher.connected()
        assert len(desk.take(1)) == 1
        assert desk.dispatcher.ended() is None
    assert desk.take() == [str(number) for number in range(5, 10)]


@virtual
async def test_connections_that_are_not_made_say_nothing_about_a_message() -> None:
    desk = Desk()
    desk.say("1")
    for _ in range(FATAL_TRIES * 2):
        assert desk.dispatcher.ended() is None
    assert desk.break_connections(1) == [None]


@virtual
async def test_closing_leaves_no_timer() -> None:
    desk = Desk()
    desk.dispatcher.connected()
    desk.say("1")
    desk.dispatcher.refused("transcript")
    desk.dispatcher.close()
    await pass_time(RETRY_S * 2)
    assert desk.released == 0
    assert desk.stored.texts == []
