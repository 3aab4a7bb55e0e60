import asyncio

from satellite.runtime.pulse import Pulse
from tests.fakes.virtual_time import run_virtual


class Notifier:
    def __init__(self, interval_s: float | None) -> None:
        self.interval_s = interval_s
        self.fed = 0

    def ready(self) -> None: ...

    def stopping(self) -> None: ...

    def status(self, text: str) -> None: ...

    def watchdog(self) -> None:
        self.fed += 1

    def watchdog_interval_s(self) -> float | None:
        return self.interval_s


async def beats(pulse: Pulse, for_s: float) -> None:
    try:
        async with asyncio.timeout(for_s):
            await pulse.run()
    except TimeoutError:
        return


def test_health_comes_every_thirty_seconds_and_the_watchdog_as_often_as_it_wants() -> None:
    published: list[float] = []
    notifier = Notifier(5.0)

    async def play() -> None:
        loop = asyncio.get_running_loop()
        await beats(Pulse(lambda: published.append(loop.time() - 1000), lambda: True, notifier), 61)

    run_virtual(play)
    assert published == [30.0, 60.0]
    assert notifier.fed == 12


def test_a_pipeline_that_stands_still_does_not_feed_the_watchdog() -> None:
    notifier = Notifier(None)
    published: list[int] = []
    run_virtual(lambda: beats(Pulse(lambda: published.append(1), lambda: False, notifier), 61))
    assert notifier.fed == 0
    assert len(published) == 2
