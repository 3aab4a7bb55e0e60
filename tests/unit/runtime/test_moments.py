"""Moments follow a clock that is set, and nothing else."""

import pytest

from satellite.runtime.moments import SET_S, Moments
from tests.fakes.virtual_time import VirtualClock, pass_time, virtual

BEGAN = 1_700_000_000.0


@virtual
async def test_a_moment_stays_where_it_was() -> None:
    moments = Moments(VirtualClock(BEGAN))
    moment = moments.now()
    told = moments.wall(moment)
    assert told == pytest.approx(BEGAN)
    await pass_time(600)
    assert moments.wall(moment) == told
    assert moments.wall(moments.now()) == pytest.approx(BEGAN + 600)


@virtual
async def test_it_moves_with_a_clock_that_is_set_also_in_small_steps() -> None:
    clock = VirtualClock(0.0)
    moments = Moments(clock)
    moment = moments.now()
    assert moments.wall(moment) == pytest.approx(0.0)
    clock.wall_s = BEGAN
    assert moments.wall(moment) == pytest.approx(BEGAN)
    seen = []
    for _ in range(30):
        clock.wall_s += SET_S / 10
        seen.append(moments.wall(moment) - BEGAN)
    assert sorted(set(seen)) == pytest.approx([0.0, 1.1, 2.2], abs=1e-3)


@virtual
async def test_sleep_is_time_that_has_passed() -> None:
    clock = VirtualClock(BEGAN)
    moments = Moments(clock)
    moment = moments.now()
    clock.sleep(8 * 3600.0)
    assert moments.wall(moment) == pytest.approx(BEGAN)
    assert moments.wall(moments.now()) == pytest.approx(BEGAN + 8 * 3600)
