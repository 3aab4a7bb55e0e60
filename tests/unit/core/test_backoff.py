import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellite.core.backoff import (
    JITTER,
    MAX_QUICK_FAILURES,
    NO_ANSWER_CAP_S,
    QUICK_S,
    RATE_LIMIT_FIRST_S,
    Backoff,
    SlowPace,
    Wait,
)
from satellite.errors import ErrorCategory

WEATHER = ErrorCategory.SERVER


def highest() -> float:
    return 1.0


def ceilings(backoff: Backoff, losses: int, category: ErrorCategory = WEATHER) -> list[float | None]:
    return [backoff.lost(category, now=0.0).delay_s for _ in range(losses)]


def test_the_ceiling_doubles_up_to_the_cap() -> None:
    assert ceilings(Backoff(highest), 8) == [2, 4, 8, 16, 32, 60, 60, 60]


def test_where_nobody_answers_the_cap_is_low() -> None:
    assert ceilings(Backoff(highest), 7, ErrorCategory.CONNECTIVITY) == [1, 2, 4, 8, 10, 10, NO_ANSWER_CAP_S]
    assert ceilings(Backoff(highest, cap_s=5), 4, ErrorCategory.CONNECTIVITY) == [1, 2, 4, 5]


def test_what_was_reached_is_remembered_over_a_change_of_the_weather() -> None:
    backoff = Backoff(highest)
    ceilings(backoff, 6, ErrorCategory.CONNECTIVITY)
    assert ceilings(backoff, 1) == [60]


def test_first_and_cap_can_be_chosen() -> None:
    assert ceilings(Backoff(highest, first_s=3, cap_s=10), 4) == [3, 6, 10, 10]


def test_half_of_a_delay_is_certain_and_half_is_chance() -> None:
    dice = iter([0.0, 0.5, 1.0])
    assert ceilings(Backoff(lambda: next(dice)), 3) == [1, 3, 8]


def test_it_goes_on_for_ever() -> None:
    assert set(ceilings(Backoff(highest), 5000)[7:]) == {60}


def test_a_stable_connection_brings_the_ceiling_back() -> None:
    backoff = Backoff(highest)
    ceilings(backoff, 4)
    backoff.connected(100.0)
    assert backoff.lost(WEATHER, 160.0) == Wait(2.0, parked=False)


def test_a_connection_that_is_not_stable_counts_as_a_failure() -> None:
    backoff = Backoff(highest)
    ceilings(backoff, 2)
    backoff.connected(100.0)
    assert backoff.lost(WEATHER, 107.9).delay_s == 8
    assert backoff.lost(WEATHER, 110.0).delay_s == 16


def test_a_connection_that_lived_longer_than_the_wait_for_it_does_not_make_the_next_wait_longer() -> None:
    backoff = Backoff(highest)
    ceilings(backoff, 2)
    delays = []
    for now in (100.0, 200.0, 300.0):
        backoff.connected(now)
        delays.append(backoff.lost(WEATHER, now + 20.0).delay_s)
    assert delays == [8, 8, 8]
    assert ceilings(backoff, 2) == [8, 16]


def test_a_connection_vouches_for_one_loss_only() -> None:
    backoff = Backoff(highest)
    backoff.connected(0.0)
    delays = [backoff.lost(WEATHER, now).delay_s for now in (100.0, 200.0, 300.0)]
    assert delays == [2, 2, 4]


def test_the_latest_connection_counts() -> None:
    backoff = Backoff(highest)
    ceilings(backoff, 2)
    backoff.connected(0.0)
    backoff.connected(90.0)
    assert backoff.lost(WEATHER, 100.0).delay_s == 8


def test_a_service_that_accepts_and_closes_is_backed_off_from_and_counted() -> None:
    backoff, now, delays = Backoff(highest), 0.0, []
    for _ in range(6):
        backoff.connected(now)
        now += QUICK_S
        delays.append(backoff.lost(WEATHER, now).delay_s)
    assert delays == [2, 4, 8, 16, 32, 60]
    assert backoff.quick_failures == 6


def quick_failures(backoff: Backoff, times: int) -> list[float]:
    delays = []
    for number in range(times):
        backoff.connected(1000.0 * number)
        delays.append(backoff.lost(WEATHER, 1000.0 * number + QUICK_S).delay_s)
    return delays


def test_a_service_that_does_not_want_us_is_asked_slowly() -> None:
    backoff = Backoff(lambda: 0.0, slow_pace=SlowPace())
    assert quick_failures(backoff, 8) == [1, 2, 60, 120, 240, 480, 900, 900]
    assert backoff.lost(ErrorCategory.CONNECTIVITY, 0.0).delay_s == 900, "until a connection lives"
    assert quick_failures(Backoff(highest, slow_pace=SlowPace(30, 40)), 5) == [2, 4, 60, 80, 80]


def test_no_delay_is_too_large_to_be_counted() -> None:
    assert quick_failures(Backoff(lambda: 0.0, slow_pace=SlowPace()), 5000)[-1] == 900


def test_a_connection_of_some_length_ends_the_row() -> None:
    backoff = Backoff(highest, slow_pace=SlowPace())
    quick_failures(backoff, MAX_QUICK_FAILURES - 1)
    backoff.connected(0.0)
    backoff.lost(WEATHER, QUICK_S + 0.1)
    assert backoff.quick_failures == 0
    assert quick_failures(backoff, 1) == [16]
    assert backoff.quick_failures == 1


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
    assert backoff.lost(ErrorCategory.RATE_LIMIT, 0.0).delay_s == 32


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
    assert Backoff(highest).lost(ErrorCategory.SERVER, 0.0, retry_after_s=wish).delay_s == 2.0


@pytest.mark.parametrize("category", [ErrorCategory.QUOTA, ErrorCategory.AUTHENTICATION, ErrorCategory.AUTHORIZATION])
def test_wrong_setup_is_parked_and_probed_slowly(category: ErrorCategory) -> None:
    assert Backoff(highest).lost(category, 0.0) == Wait(3600.0, parked=True)
    assert Backoff(highest, park_probe_s=60).lost(category, 0.0) == Wait(60, parked=True)


def test_a_rejected_request_is_parked_and_probed_slowly() -> None:
    assert Backoff(highest).lost(ErrorCategory.INVALID_REQUEST, 0.0) == Wait(3600.0, parked=True)


def test_a_request_that_was_let_in_before_it_was_rejected_is_tried_once_more() -> None:
    backoff = Backoff(highest)
    waits = []
    for now in (0.0, 10.0, 20.0, 100.0):
        backoff.connected(now)
        waits.append(backoff.lost(ErrorCategory.INVALID_REQUEST, now + 5))
    assert [wait.parked for wait in waits] == [False, True, True, True]
    assert waits[0].delay_s == 1.0


def test_a_stable_connection_earns_another_try_after_a_rejection() -> None:
    backoff = Backoff(highest)
    waits = []
    for now in (0.0, 100.0):
        backoff.connected(now)
        waits.append(backoff.lost(ErrorCategory.INVALID_REQUEST, now + 60).parked)
    assert waits == [False, False]


def test_parking_leaves_the_ceiling_alone() -> None:
    backoff = Backoff(highest)
    ceilings(backoff, 2)
    backoff.lost(ErrorCategory.QUOTA, 0.0)
    assert ceilings(backoff, 1) == [8]


@given(
    st.lists(
        st.tuples(
            st.floats(0, 1),
            st.sampled_from([WEATHER, ErrorCategory.CONNECTIVITY, ErrorCategory.RATE_LIMIT]),
        ),
        max_size=40,
    )
)
def test_every_delay_lies_between_its_certain_part_and_the_cap(losses: list[tuple[float, ErrorCategory]]) -> None:
    dice = iter([die for die, _ in losses])
    backoff = Backoff(lambda: next(dice))
    for _, category in losses:
        assert 1.0 - JITTER <= backoff.lost(category, 0.0).delay_s <= 60
