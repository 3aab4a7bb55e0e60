"""Recent percentiles."""

from satellite.runtime.meter import Percentiles


def test_nothing_measured_is_none() -> None:
    assert Percentiles().at(0.5) is None


def test_shares_of_what_was_measured() -> None:
    meter = Percentiles()
    for value in (5.0, 1.0, 4.0, 2.0, 3.0):
        meter.add(value)
    assert [meter.at(share) for share in (0.0, 0.5, 0.95, 1.0)] == [1.0, 3.0, 5.0, 5.0]


def test_old_values_are_forgotten() -> None:
    meter = Percentiles(keep=3)
    for value in (100.0, 1.0, 2.0, 3.0):
        meter.add(value)
    assert meter.at(1.0) == 3.0
