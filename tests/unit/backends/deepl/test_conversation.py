import dataclasses

import pytest

from satellite.backends.base import SessionCounters
from satellite.backends.deepl.conversation import Conversation
from satellite.backends.deepl.ending import Ending
from satellite.backends.deepl.messages import codec_for
from satellite.backends.deepl.progress import Progress
from satellite.backends.lifecycle import Lifecycle
from satellite.core.timeline import Timeline
from tests.unit.backends.deepl.stage import setup


def test_the_parts_share_one_of_each_for_the_whole_session() -> None:
    shared = Conversation(
        setup(), codec_for("json"), Lifecycle(), SessionCounters(), Timeline(), Progress(), Ending(speaks=False)
    )
    with pytest.raises(dataclasses.FrozenInstanceError):
        shared.timeline = Timeline()  # type: ignore[misc]  # what is forbidden is what is shown
