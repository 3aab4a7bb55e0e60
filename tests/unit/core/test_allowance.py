from satellite.core.allowance import Allowance

MONDAY, TUESDAY, EPOCH = "2026-11-23", "2026-11-24", "1970-01-01"


def test_a_day_has_its_limit() -> None:
    allowance = Allowance(60.0, MONDAY)
    assert not allowance.is_spent(59.9, MONDAY)
    assert allowance.is_spent(60.0, MONDAY)
    assert allowance.days(61.5, MONDAY) == {MONDAY: 61.5}


def test_what_an_earlier_process_used_counts() -> None:
    allowance = Allowance(60.0, MONDAY, {MONDAY: 50.0})
    assert not allowance.is_spent(9.0, MONDAY)
    assert allowance.is_spent(10.0, MONDAY)


def test_a_new_day_begins_anew() -> None:
    allowance = Allowance(60.0, MONDAY, {MONDAY: 50.0})
    assert allowance.is_spent(30.0, MONDAY)
    assert not allowance.is_spent(30.0, TUESDAY)
    assert allowance.days(45.0, TUESDAY) == {MONDAY: 80.0, TUESDAY: 15.0}
    assert allowance.is_spent(90.0, TUESDAY)


def test_a_clock_that_is_set_late_finds_what_the_day_has_used() -> None:
    allowance = Allowance(60.0, EPOCH, {MONDAY: 50.0})
    assert not allowance.is_spent(5.0, EPOCH)
    assert not allowance.is_spent(5.0, MONDAY)
    assert allowance.is_spent(15.0, MONDAY)


def test_a_clock_that_goes_to_another_day_and_back_gives_nothing_away() -> None:
    allowance = Allowance(60.0, MONDAY)
    assert allowance.is_spent(60.0, MONDAY)
    assert not allowance.is_spent(65.0, TUESDAY)
    assert allowance.is_spent(65.0, MONDAY)
    assert allowance.days(70.0, TUESDAY) == {TUESDAY: 0.0, MONDAY: 70.0}


def test_only_a_few_days_are_remembered() -> None:
    allowance = Allowance(60.0, "a", {"d": 1.0, "c": 2.0, "b": 3.0})
    allowance.days(4.0, "a")
    assert allowance.days(9.0, "e") == {"b": 3.0, "a": 9.0, "e": 0.0}
