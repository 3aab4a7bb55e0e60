import os
from collections.abc import Callable, Iterator

import pytest

NOBODY = 65534


@pytest.fixture
def as_nobody() -> Iterator[Callable[[], None]]:
    """Called, it makes `os.access` answer for a user without root's rights; nothing to do for anybody else."""
    real, effective, saved = os.getresuid()

    def drop() -> None:
        if real == 0:
            os.setresuid(NOBODY, effective, saved)

    yield drop
    os.setresuid(real, effective, saved)
