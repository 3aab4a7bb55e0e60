import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellite.core.backoff import MIN_DELAY_S, QUICK_S, RATE_LIMIT_FIRST_S, Backoff, Wait
from satellite.errors import ErrorCategory

WEATHER = ErrorCategory.CONNECTIVITY


def highest() -> float:
    return 1.0


def ceilings(backoff: Backoff, losses: int, category: ErrorCategory = WEATHER) -> list[float | None]:
    return [backoff.lost(category, now=0.0).delay_s for _ in range(losses)]


def test_the_ceiling_doubles_up_to_the_cap() -> None:
    assert ceilings(Backoff(highest), 8) == [1, 2, 4, 8, 16, 32, 60, 60]


def test_first_factor_and_cap_can_be_chosen() -> None:
    assert ceilings(Backoff(highest, first_s=3, factor=1.5, cap_s=5), 4) == [3, 4.5, 5, 5]


def test_the_delay_is_anywhere_below_the_ceiling() -> None:
    dice = iter([0.5, 0.75, 0.0625])
    assert ceilings(Backoff(lambda: next(dice)), 3) == [0.5, 1.5, MIN_DELAY_S]


def test_no_retry_comes_at_once() -> None:
    assert ceilings(Backoff(lambda: 0.0), 3) == [MIN_DELAY_S] * 3


def test_it_goes_on_for_ever() -> None:
    assert set(ceilings(Backoff(highest), 5000)[7:]) == {60}


def test_a_stable_connection_brings_the_ceiling_back() -> None:
    backoff = Backoff(highest)
    ceilings(backoff, 4)
    backoff.connected(100.0)
    assert backoff.lost(WEATHER, 160.0) == Wait(1.0, parked=False)


def test_a_connection_that_is_not_stable_counts_as_a_failure() -> None:
    backoff = Backoff(highest)
    ceilings(backoff, 2)
    backoff.connected(100.0)
    assert backoff.lost(WEATHER, 159.9).delay_s == 4


def test_a_connection_vouches_for_one_loss_only() -> None:
    backoff = Backoff(highest)
    backoff.connected(0.0)
    delays = [backoff.lost(WEATHER, 100.0).delay_s, backoff.lost(WEATHER, 200.0).delay_s]
    assert delays == [1, 2]


def test_the_latest_connection_counts() -> None:
    backoff = Backoff(highest)
    ceilings(backoff, 2)
    backoff.connected(0.0)
    backoff.connected(90.0)
    assert backoff.lost(WEATHER, 100.0).delay_s == 4


def test_a_service_that_accepts_and_closes_is_backed_off_from_and_counted() -> None:
    backoff, now, delays = Backoff(highest), 0.0, []
    for _ in range(6):
        backoff.connected(now)
        now += QUICK_S
        delays.append(backoff.lost(WEATHER, now).delay_s)
    assert delays == [1, 2, 4, 8, 16, 32]
    assert backoff.quick_failures == 6


def test_a_connection_of_some_length_is_no_quick_failure() -> None:
    backoff = Backoff(highest)
    backoff.connected(0.0)
    backoff.lost(WEATHER, QUICK_S + 0.1)
    assert backoff.quick_failures == 0


def test_a_stable_connection_forgets_quick_failures() -> None:
    backoff = Backoff(highest)
    backoff.connected(0.0)
    backoff.lost(WEATHER, 1.0)
    backoff.connected(10.0)
    backoff.lost(WEATHER, 100.0)
    assert backoff.quick_failures == 0


def test_a_rate_limit_starts_higher() -> None:
    assert ceilings(Backoff(highest), 3, ErrorCategory.RATE_LIMIT) == [RATE_LIMIT_FIRST_S, 10, 20]


def test_a_rate_limit_does_not_lower_what_was_reached() -> None:
    backoff = Backoff(highest)
    ceilings(backoff, 4)
    assert backoff.lost(ErrorCategory.RATE_LIMIT, 0.0).delay_s == 16


@pytest.mark.parametrize("category", [ErrorCategory.RATE_LIMIT, ErrorCategory.SERVER])
def test_the_wish_of_the_service_is_the_least_delay(category: ErrorCategory) -> None:
    assert Backoff(lambda: 0.1).lost(category, 0.0, retry_after_s=17.0) == Wait(17.0, parked=False)


def test_a_shorter_wish_than_our_delay_shortens_nothing() -> None:
    assert Backoff(highest).lost(ErrorCategory.RATE_LIMIT, 0.0, retry_after_s=1.0).delay_s == RATE_LIMIT_FIRST_S


def test_no_service_can_silence_us_for_longer_than_a_probe() -> None:
    backoff = Backoff(highest, park_probe_s=600)
    assert backoff.lost(ErrorCategory.RATE_LIMIT, 0.0, retry_after_s=1e9) == Wait(600, parked=False)


@pytest.mark.parametrize("wish", [math.nan, -5.0])
def test_a_nonsensical_wish_is_passed_over(wish: float) -> None:
    assert Backoff(highest).lost(ErrorCategory.SERVER, 0.0, retry_after_s=wish).delay_s == 1.0


@pytest.mark.parametrize("category", [ErrorCategory.QUOTA, ErrorCategory.AUTHENTICATION, ErrorCategory.AUTHORIZATION])
def test_wrong_setup_is_parked_and_probed_slowly(category: ErrorCategory) -> None:
    assert Backoff(highest).lost(category, 0.0) == Wait(3600.0, parked=True)
    assert Backoff(highest, park_probe_s=60).lost(category, 0.0) == Wait(60, parked=True)


def test_a_rejected_request_is_parked_until_somebody_mends_it() -> None:
    assert Backoff(highest).lost(ErrorCategory.INVALID_REQUEST, 0.0) == Wait(None, parked=True)


def test_parking_leaves_the_ceiling_alone() -> None:
    backoff = Backoff(highest)
    ceilings(backoff, 2)
    backoff.lost(ErrorCategory.QUOTA, 0.0)
    assert ceilings(backoff, 1) == [4]


@given(st.lists(st.tuples(st.floats(0, 1), st.sampled_from([WEATHER, ErrorCategory.RATE_LIMIT])), max_size=40))
def test_every_delay_lies_between_the_floor_and_the_cap(losses: list[tuple[float, ErrorCategory]]) -> None:
    dice = iter([die for die, _ in losses])
    backoff = Backoff(lambda: next(dice))
    for _, category in losses:
        delay_s = backoff.lost(category, 0.0).delay_s
        assert delay_s is not None
        assert MIN_DELAY_S <= delay_s <= 60
