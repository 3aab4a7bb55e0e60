import dataclasses

import pytest

from satellite.backends.base import SendBytes, SessionCounters
from satellite.backends.lifecycle import Lifecycle
from satellite.backends.line import Line
from satellite.backends.progress import Progress
from satellite.core.timeline import Timeline
from tests.unit.backends.deepl.stage import setup


def test_the_parts_of_a_session_share_one_of_each() -> None:
    line = Line(setup(), Lifecycle(), SessionCounters(), Timeline(), Progress(), SendBytes)
    assert line.wrap(b"pcm") == SendBytes(b"pcm")
    with pytest.raises(dataclasses.FrozenInstanceError):
        line.timeline = Timeline()  # type: ignore[misc]  # what is forbidden is what is shown
