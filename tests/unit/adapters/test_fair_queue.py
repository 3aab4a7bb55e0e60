"""A full queue keeps what came last of each topic."""

import asyncio

import aiomqtt

from satellite.adapters.fair_queue import FairQueue


def message(topic: str, payload: int) -> aiomqtt.Message:
    return aiomqtt.Message(topic, str(payload).encode(), 1, retain=False, mid=1, properties=None)


def drained(queue: FairQueue) -> list[tuple[str, int]]:
    found = []
    while not queue.empty():
        one = queue.get_nowait()
        found.append((one.topic.value, int(bytes(one.payload))))
    return found


def test_within_its_bound_it_is_a_queue() -> None:
    queue = FairQueue(maxsize=4)
    for number in range(4):
        queue.put_nowait(message(f"t{number % 2}", number))
    assert queue.qsize() == 4
    assert drained(queue) == [("t0", 0), ("t1", 1), ("t0", 2), ("t1", 3)]
    assert queue.dropped == 0


def test_a_flood_on_one_topic_costs_that_topic_only() -> None:
    queue = FairQueue(maxsize=8)
    queue.put_nowait(message("mute", 1))
    for number in range(10_000):
        queue.put_nowait(message("volume", number))
    queue.put_nowait(message("mute", 2))
    assert drained(queue) == [("mute", 1), *(("volume", number) for number in range(9_994, 10_000)), ("mute", 2)]
    assert queue.dropped == 9_994


def test_with_as_many_topics_as_messages_the_oldest_goes() -> None:
    queue = FairQueue(maxsize=3)
    for number in range(5):
        queue.put_nowait(message(f"t{number}", number))
    assert drained(queue) == [("t2", 2), ("t3", 3), ("t4", 4)]


async def test_who_waits_is_woken() -> None:
    queue = FairQueue(maxsize=1)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(queue.get())
        await asyncio.sleep(0)
        queue.put_nowait(message("mute", 1))
        queue.put_nowait(message("mute", 2))
    assert waiting.result().payload == b"2"
