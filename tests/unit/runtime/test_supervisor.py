"""Services live and die together."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from satellite.runtime.supervisor import FAULTS_MAX, Endings, StopCause, Supervisor
from tests.fakes.virtual_time import VirtualLoop, pass_time, virtual


class Services:
    """Three services, what they went through, and an ordered stop that a test can change."""

    def __init__(self) -> None:
        self.story: list[str] = []
        self.fault: Exception | None = None
        self.stop_fault: Exception | None = None
        self.goodbye_fault: Exception | None = None
        self.stop_s = 1.0
        self.finish = asyncio.Event()
        services = {"ears": self.ears, "link": self.link, "mouth": self.mouth}
        self.supervisor = Supervisor(services, Endings(self.stop_in_order, self.say_goodbye))

    async def ears(self) -> None:
        await self.live("ears")

    async def mouth(self) -> None:
        await self.live("mouth")

    async def link(self) -> None:
        await self.finish.wait()
        self.story.append("link finished")
        if self.fault is not None:
            raise self.fault

    async def live(self, name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.story.append(f"{name} ended")

    async def stop_in_order(self, cause: StopCause) -> None:
        self.story.append(f"stopping: {cause.value}")
        await asyncio.sleep(self.stop_s)
        if self.stop_fault is not None:
            raise self.stop_fault
        self.story.append("stopped")

    async def say_goodbye(self) -> None:
        self.story.append("goodbye")
        await asyncio.sleep(0.5)
        if self.goodbye_fault is not None:
            raise self.goodbye_fault


@contextlib.asynccontextmanager
async def ending_in(*faults: str) -> AsyncIterator[Services]:
    """A run that has begun, and ends with these faults."""
    services = Services()

    async def run() -> list[str]:
        with pytest.raises(ExceptionGroup) as raised:
            await services.supervisor.run()
        return [type(error).__name__ for error in raised.value.exceptions]

    async with asyncio.TaskGroup() as group:
        running = group.create_task(run())
        await pass_time()
        yield services
    assert running.result() == [*faults]


@virtual
async def test_an_ordered_stop_comes_before_the_end_of_the_services() -> None:
    services = Services()
    async with asyncio.TaskGroup() as group:
        run = group.create_task(services.supervisor.run())
        await pass_time(5)
        assert services.story == []
        services.supervisor.stop(StopCause.SIGNAL)
    assert run.result() is StopCause.SIGNAL
    assert services.story == ["stopping: signal", "stopped", "ears ended", "mouth ended"]


@virtual
async def test_the_first_cause_counts() -> None:
    services = Services()
    async with asyncio.TaskGroup() as group:
        run = group.create_task(services.supervisor.run())
        await pass_time()
        services.supervisor.stop(StopCause.RELOAD)
        services.supervisor.stop(StopCause.SIGNAL)
        await pass_time(0.5)
        services.supervisor.stop(StopCause.RESTART)
    assert run.result() is StopCause.RELOAD


@virtual
async def test_a_stop_before_the_start_has_nothing_to_stop() -> None:
    services = Services()
    services.supervisor.stop(StopCause.SIGNAL)
    assert services.story == []


@virtual
async def test_a_service_that_raises_ends_all_and_is_raised() -> None:
    async with ending_in("KeyError") as services:
        services.fault = KeyError("a bug")
        await pass_time(1)
        services.finish.set()
    assert services.story[:2] == ["link finished", "goodbye"], "the others still run: one of them says goodbye"
    assert sorted(services.story[2:]) == ["ears ended", "mouth ended"]


@virtual
async def test_a_service_that_raises_during_the_stop_cuts_it_short() -> None:
    async with ending_in("KeyError") as services:
        services.fault = KeyError("a bug")
        services.supervisor.stop(StopCause.SIGNAL)
        await pass_time(0.5)
        services.finish.set()
    assert "stopped" not in services.story
    assert "goodbye" in services.story


@virtual
async def test_a_bug_in_the_ordered_stop_ends_all_too() -> None:
    async with ending_in("OverflowError") as services:
        services.stop_fault = OverflowError("a bug")
        services.supervisor.stop(StopCause.SIGNAL)
    assert services.story[-3:] == ["goodbye", "ears ended", "mouth ended"]


@virtual
async def test_all_that_went_wrong_is_raised_together() -> None:
    async with ending_in("KeyError", "IndexError", "ValueError") as services:
        services.fault = KeyError("a bug")
        services.goodbye_fault = ValueError("another")
        services.finish.set()
        await pass_time(0.2)
        asyncio.get_running_loop().call_soon([].pop)


@virtual
async def test_a_call_back_that_raises_ends_all_too() -> None:
    async with ending_in("IndexError") as services:
        asyncio.get_running_loop().call_soon([].pop)
    assert services.story == ["goodbye", "ears ended", "mouth ended"]


@virtual
async def test_a_call_back_that_raises_during_the_stop_is_not_forgotten() -> None:
    async with ending_in("IndexError") as services:
        services.supervisor.stop(StopCause.SIGNAL)
        await pass_time(0.5)
        asyncio.get_running_loop().call_soon([].pop)
    assert "stopped" not in services.story


@virtual
async def test_a_call_back_that_raises_on_and_on_is_told_a_few_times() -> None:
    async with ending_in(*["IndexError"] * FAULTS_MAX):
        for _ in range(10 * FAULTS_MAX):
            asyncio.get_running_loop().call_soon([].pop)


def test_what_the_loop_complains_about_otherwise_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    services = Services()
    loop = VirtualLoop()
    services.supervisor.complaint(loop, {"message": "something odd"})
    loop.close()
    assert [record.message.splitlines()[0] for record in caplog.records] == ["something odd"]


@virtual
async def test_what_goes_wrong_after_the_end_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    services = Services()
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        group.create_task(services.supervisor.run())
        await pass_time()
        services.supervisor.stop(StopCause.SIGNAL)
    services.supervisor.complaint(loop, {"message": "too late", "exception": KeyError("a bug")})
    assert [record.message.splitlines()[0] for record in caplog.records if record.name == "asyncio"] == ["too late"]


@virtual
async def test_the_end_of_one_service_can_be_waited_for() -> None:
    services = Services()
    async with asyncio.TaskGroup() as group:
        group.create_task(services.supervisor.run())
        await pass_time()
        began = asyncio.get_running_loop().time()
        assert not await services.supervisor.ended("link", 2.0)
        assert asyncio.get_running_loop().time() == began + 2
        services.finish.set()
        assert await services.supervisor.ended("link", 2.0)
        assert asyncio.get_running_loop().time() == began + 2
        services.supervisor.stop(StopCause.INPUT_ENDED)


@virtual
async def test_cancelling_the_run_leaves_nothing_behind() -> None:
    services = Services()
    async with asyncio.TaskGroup() as group:
        run = group.create_task(services.supervisor.run())
        await pass_time()
        run.cancel()
    assert run.cancelled()
    assert sorted(services.story) == ["ears ended", "mouth ended"]
