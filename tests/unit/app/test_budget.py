from pathlib import Path

from satellite.adapters.clock import SystemClock
from satellite.app.budget import DayBudget


def test_without_a_limit_it_is_counted_and_never_spent(tmp_path: Path) -> None:
    clock = SystemClock()
    budget = DayBudget(None, clock, tmp_path)
    assert not budget.is_spent(1e9)
    assert list(tmp_path.iterdir()) == [], "nothing is written before the end"
    budget.save(30.0)
    assert DayBudget(None, clock, tmp_path).today(12.0) == (clock.day(), 42.0)


def test_where_nothing_was_streamed_nothing_is_written(tmp_path: Path) -> None:
    DayBudget(None, SystemClock(), tmp_path).save(0.0)
    assert list(tmp_path.iterdir()) == []


def test_a_limit_outlasts_the_process(tmp_path: Path) -> None:
    budget = DayBudget(1.0, SystemClock(), tmp_path)
    assert not budget.is_spent(40.0)
    budget.save(40.0)
    following = DayBudget(1.0, SystemClock(), tmp_path)
    assert not following.is_spent(19.0)
    assert following.is_spent(20.0)


def test_without_a_state_directory_it_holds_for_the_process() -> None:
    budget = DayBudget(1.0, SystemClock(), None)
    budget.save(40.0)
    assert budget.is_spent(60.0)
