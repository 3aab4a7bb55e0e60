"""Figures about work done, and whether the pipeline moves."""

import pytest

from satellite.errors import DeviceError
from satellite.ports import ProcessFigures
from satellite.runtime.health import ALIVE_WITHIN_S, HealthMeter
from tests.fakes.stage import Stage
from tests.fakes.virtual_time import pass_time, running, virtual


class Play(Stage):
    """A satellite with a meter."""

    def __init__(self) -> None:
        super().__init__()
        self.meter = HealthMeter(
            self.listener, self.uplink, lambda: 7, lambda: ProcessFigures(cpu_s=1.5, rss_bytes=50_000_000), self.clock
        )

    def is_alive(self, *, is_muted: bool = False) -> bool:
        return self.meter.is_alive(is_muted=is_muted)


@virtual
async def test_at_first_there_is_nothing_to_measure() -> None:
    figures = Play().meter.figures("1.0", 0.0)
    assert (figures.version, figures.uptime_s, figures.captured_s, figures.outbox) == ("1.0", 0.0, 0.0, 7)
    assert (figures.capture_age_ms, figures.uplink_p50_ms, figures.uplink_p95_ms) == (None, None, None)


@virtual
async def test_the_figures_are_those_of_the_services() -> None:
    play = Play()
    play.room.speak(2.0, in_s=1.0)
    async with play.on():
        await pass_time(10.05)
        figures = play.meter.figures("1.0", 120.0)
    assert figures.uptime_s == pytest.approx(10.05)
    assert figures.captured_s == pytest.approx(10.0)
    assert figures.streamed_s == figures.billed_s == pytest.approx(3.3)
    assert (figures.utterances, figures.sessions, figures.resumes, figures.reconnects) == (1, 1, 0, 0)
    assert (figures.lost_audio_ms, figures.cpu_s, figures.rss_bytes) == (120.0, 1.5, 50_000_000)
    assert figures.capture_age_ms == pytest.approx(50)
    assert (figures.uplink_p50_ms, figures.uplink_p95_ms) == (0.0, 500.0), "half a second waited for the session"


@virtual
async def test_it_is_alive_while_audio_flows() -> None:
    play = Play()
    seen = [play.is_alive()]
    async with running(play.listener.run):
        await pass_time(0.05)
        seen.append(play.is_alive())
        await pass_time(100)
        seen.append(play.is_alive())
        play.room.capture.skip(1e6)
        await pass_time(ALIVE_WITHIN_S - 1)
        seen.append(play.is_alive())
        await pass_time(1.1)
        seen.append(play.is_alive())
    assert seen == [False, True, True, True, False], "a silent device that nobody noticed is no life"


@virtual
async def test_muted_it_is_alive_without_audio_and_for_a_while_after() -> None:
    play = Play()
    async with running(play.listener.run):
        await pass_time(1)
        play.listener.mute(is_muted=True)
        await pass_time(100)
        seen = [play.is_alive(is_muted=True), play.is_alive()]
        play.listener.mute(is_muted=False)
        await pass_time()
        seen.append(play.is_alive())
    assert seen == [True, False, True]


@virtual
async def test_a_device_that_is_known_to_be_gone_is_no_reason_for_a_restart() -> None:
    play = Play()
    play.room.refusals.extend([DeviceError("pulled out")] * 100)
    async with running(play.listener.run):
        for _ in range(60):
            await pass_time(1.7)
            assert play.is_alive()
