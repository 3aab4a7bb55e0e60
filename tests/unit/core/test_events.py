"""Events are plain values: frozen, compared by content, and all of them known to the union."""

import dataclasses
from typing import get_args

import pytest

from satellite.core import events
from satellite.core.events import SessionFailed, UtteranceSent, VoiceEvent
from satellite.errors import ErrorCategory

EVENTS = get_args(VoiceEvent)
PARTS = {"Segment"}
"""What events carry, and is no event itself."""


def test_the_union_knows_every_event() -> None:
    declared = {name for name, value in vars(events).items() if dataclasses.is_dataclass(value)}
    assert declared - PARTS == {event.__name__ for event in EVENTS}


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_can_neither_change_nor_grow(event: type) -> None:
    fields = dataclasses.fields(event)
    value = event(**{field.name: None for field in fields})
    for field in fields:
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, field.name, 1)
    assert not hasattr(value, "__dict__")


@pytest.mark.parametrize("event", EVENTS)
def test_numbers_carry_their_unit(event: type) -> None:
    numbers = [
        field.name for field in dataclasses.fields(event) if "int" in str(field.type) or "float" in str(field.type)
    ]
    assert [name for name in numbers if not name.endswith(("_s", "_ms", "samples"))] == []


def test_equal_content_is_equal() -> None:
    assert UtteranceSent("u1") == UtteranceSent("u1")
    assert SessionFailed(ErrorCategory.QUOTA, "empty") != SessionFailed(ErrorCategory.QUOTA, "spent")
