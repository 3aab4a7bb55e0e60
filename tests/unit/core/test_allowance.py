from satellite.core.allowance import Allowance


def test_a_day_has_its_limit() -> None:
    allowance = Allowance(60.0, "2026-11-21")
    assert not allowance.is_spent(59.9, "2026-11-21")
    assert allowance.is_spent(60.0, "2026-11-21")
    assert allowance.used_s(61.5, "2026-11-21") == 61.5


def test_what_an_earlier_process_used_counts() -> None:
    allowance = Allowance(60.0, "2026-11-21", carried_s=50.0)
    assert not allowance.is_spent(9.0, "2026-11-21")
    assert allowance.is_spent(10.0, "2026-11-21")


def test_a_new_day_begins_anew() -> None:
    allowance = Allowance(60.0, "2026-11-21", carried_s=50.0)
    assert allowance.is_spent(30.0, "2026-11-21")
    assert not allowance.is_spent(30.0, "2026-11-22")
    assert allowance.used_s(45.0, "2026-11-22") == 15.0
    assert allowance.is_spent(90.0, "2026-11-22")
