from pathlib import Path

from satellite.adapters.clock import SystemClock
from satellite.app.budget import DayBudget


def test_without_a_limit_nothing_is_counted_or_written(tmp_path: Path) -> None:
    budget = DayBudget(None, SystemClock(), tmp_path)
    assert not budget.is_spent(1e9)
    budget.save(1e9)
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
