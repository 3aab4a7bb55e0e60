"""Health at a steady pace, and the watchdog fed while the pipeline moves."""

import pytest

from satellite.runtime.pulse import HEALTH_EVERY_S, Pulse
from tests.fakes.virtual_time import pass_time, running, virtual


class Play:
    """A pulse with a watchdog; ports.ServiceNotifier."""

    def __init__(self, interval_s: float | None) -> None:
        self.interval_s = interval_s
        self.published = self.fed = 0
        self.is_alive = True
        self.pulse = Pulse(self.publish, lambda: self.is_alive, self)

    def publish(self) -> None:
        self.published += 1

    def ready(self) -> None: ...

    def stopping(self) -> None: ...

    def status(self, text: str) -> None: ...

    def watchdog(self) -> None:
        self.fed += 1

    def watchdog_interval_s(self) -> float | None:
        return self.interval_s


@virtual
@pytest.mark.parametrize(("interval_s", "fed"), [(None, 10), (10.0, 30), (60.0, 10)])
async def test_the_watchdog_is_fed_as_often_as_it_wants(interval_s: float | None, fed: int) -> None:
    play = Play(interval_s)
    async with running(play.pulse.run):
        await pass_time(10 * HEALTH_EVERY_S + 0.5)
        assert (play.published, play.fed) == (10, fed)


@virtual
async def test_a_pipeline_that_stands_still_does_not_feed_it_but_is_still_told_of() -> None:
    play = Play(10.0)
    play.is_alive = False
    async with running(play.pulse.run):
        await pass_time(60.5)
        assert (play.published, play.fed) == (2, 0)
        play.is_alive = True
        await pass_time(10)
        assert play.fed == 1
