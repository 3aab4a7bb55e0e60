"""Circles of what nothing uses any more do not stay."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from satellite.adapters.memory import SETTLED_AFTER_S, TIDY_EVERY_S, keep_tidy
from tests.fakes.virtual_time import pass_time, running, virtual


class Circle:
    """Refers to itself."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def nothing_is_collected_by_itself() -> Iterator[None]:
    gc.disable()
    yield
    gc.unfreeze()
    gc.enable()


@virtual
async def test_what_nothing_uses_any_more_is_gone_within_minutes() -> None:
    async with running(keep_tidy):
        for minutes_s in (SETTLED_AFTER_S, TIDY_EVERY_S, TIDY_EVERY_S):
            circle = weakref.ref(Circle())
            await pass_time(minutes_s)
            assert circle() is None
        assert gc.get_freeze_count() > 0


@virtual
async def test_what_an_earlier_run_in_this_process_used_is_gone_too() -> None:
    used = Circle()
    async with running(keep_tidy):
        await pass_time(SETTLED_AFTER_S)
    circle = weakref.ref(used)
    del used
    async with running(keep_tidy):
        await pass_time(SETTLED_AFTER_S)
    assert circle() is None
