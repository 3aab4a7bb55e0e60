import dataclasses

import pytest

from satellite.backends.base import SessionCounters
from satellite.backends.deepl.conversation import Conversation
from satellite.backends.deepl.messages import codec_for
from satellite.backends.ending import Ending
from satellite.backends.lifecycle import Lifecycle
from satellite.backends.progress import Progress
from satellite.core.timeline import Timeline
from tests.unit.backends.deepl.stage import setup

CODEC = codec_for("json")


def test_the_parts_share_one_of_each_for_the_whole_session() -> None:
    shared = Conversation(
        setup(), Lifecycle(), SessionCounters(), Timeline(), Progress(), CODEC.chunk, CODEC, Ending(10.0, 5.0)
    )
    with pytest.raises(dataclasses.FrozenInstanceError):
        shared.timeline = Timeline()  # type: ignore[misc]  # what is forbidden is what is shown
