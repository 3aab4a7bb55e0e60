"""One re-armable timer."""

import asyncio

from satellite.runtime.alarm import Alarm
from tests.fakes.virtual_time import pass_time, virtual


class Bell:
    """Remembers when it rang."""

    def __init__(self) -> None:
        self.rang: list[float] = []
        self.alarm = Alarm(self.ring)
        self.next: float | None = None

    def ring(self) -> None:
        self.rang.append(now())
        self.alarm.set(self.next)


def now() -> float:
    return asyncio.get_running_loop().time()


@virtual
async def test_it_rings_once_at_the_deadline() -> None:
    bell = Bell()
    bell.alarm.set(1005.0)
    await pass_time(60)
    assert bell.rang == [1005.0]


@virtual
async def test_setting_it_again_replaces_the_deadline() -> None:
    bell = Bell()
    bell.alarm.set(1005.0)
    bell.alarm.set(1003.0)
    await pass_time(3.5)
    assert bell.rang == [1003.0]
    bell.alarm.set(1004.0)
    bell.alarm.set(1008.0)
    await pass_time(60)
    assert bell.rang == [1003.0, 1008.0]


@virtual
async def test_none_disarms() -> None:
    bell = Bell()
    bell.alarm.set(1005.0)
    bell.alarm.set(None)
    bell.alarm.set(None)
    await pass_time(60)
    assert bell.rang == []


@virtual
async def test_the_same_deadline_again_keeps_the_timer() -> None:
    bell = Bell()
    for _ in range(3):
        bell.alarm.set(1005.0)
    await pass_time(60)
    assert bell.rang == [1005.0]


@virtual
async def test_a_deadline_that_passed_rings_at_once() -> None:
    bell = Bell()
    bell.alarm.set(900.0)
    await pass_time()
    assert bell.rang == [1000.0]


@virtual
async def test_it_can_be_set_for_the_same_moment_when_it_rings() -> None:
    bell = Bell()
    bell.next = 1009.0
    bell.alarm.set(1005.0)
    await pass_time(8)
    bell.next = None
    await pass_time(60)
    assert bell.rang == [1005.0, 1009.0]
