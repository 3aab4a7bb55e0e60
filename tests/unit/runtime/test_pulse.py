"""Health at a steady pace, and the watchdog fed while the pipeline moves."""

import asyncio

import pytest

from satellite.errors import StalledError
from satellite.runtime.pulse import FIRST_HEALTH_AFTER_S, HEALTH_EVERY_S, LOOK_EVERY_S, STATUS_EVERY_S, Pulse
from tests.fakes.virtual_time import pass_time, running, virtual


class Play:
    """A pulse with a watchdog; ports.ServiceNotifier."""

    def __init__(self, interval_s: float | None) -> None:
        self.interval_s = interval_s
        self.published = self.fed = 0
        self.stuck: str | None = None
        self.statuses: list[str] = []
        self.pulse = Pulse(self.publish, lambda: self.stuck, self, lambda: f"published {self.published}")

    def publish(self) -> None:
        self.published += 1

    def ready(self) -> None: ...

    def reloading(self) -> None: ...

    def stopping(self) -> None: ...

    def status(self, text: str) -> None:
        self.statuses.append(text)

    def watchdog(self) -> None:
        self.fed += 1

    def watchdog_interval_s(self) -> float | None:
        return self.interval_s


@virtual
@pytest.mark.parametrize(("interval_s", "fed"), [(None, 10), (10.0, 30), (60.0, 5), (0.2, 1502)])
async def test_the_watchdog_is_fed_as_often_as_it_wants(interval_s: float | None, fed: int) -> None:
    play = Play(interval_s)
    async with running(play.pulse.run):
        await pass_time(10 * HEALTH_EVERY_S + 0.5)
        assert (play.published, play.fed) == (10, fed)


@virtual
async def test_how_it_is_is_told_steadily() -> None:
    play = Play(None)
    async with running(play.pulse.run):
        await pass_time(HEALTH_EVERY_S + STATUS_EVERY_S + 0.5)
        assert play.statuses == ["published 1"] * 6 + ["published 2"]


@virtual
async def test_the_first_health_comes_soon_after_a_start() -> None:
    play = Play(None)
    async with running(play.pulse.run):
        await pass_time(FIRST_HEALTH_AFTER_S - 0.5)
        assert play.published == 0
        await pass_time(1.0)
        assert play.published == 1
        await pass_time(HEALTH_EVERY_S - 1.0)
        assert play.published == 1


@virtual
async def test_a_pipeline_that_stands_still_starves_it_at_once_and_ends_the_run() -> None:
    play = Play(10.0)
    run = asyncio.get_running_loop().create_task(play.pulse.run())
    await pass_time(30.5)
    assert (play.fed, run.done()) == (3, False)
    play.stuck = "capture"
    await pass_time(LOOK_EVERY_S)
    assert isinstance(error := run.exception(), StalledError)
    assert str(error).startswith("capture stands still")
    assert play.fed == 3
