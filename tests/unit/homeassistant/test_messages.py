"""Message: what it is when nobody says otherwise."""

import dataclasses

import pytest

from satellite.homeassistant.messages import Delivery, Message


def test_text_is_the_product_unless_said_otherwise() -> None:
    message = Message("voice-satellite/kitchen/transcript", b"{}")
    assert (message.retain, message.qos, message.delivery) == (False, 1, Delivery.CONCLUDED)


def test_a_message_is_not_changed_on_its_way() -> None:
    message = Message("a/b", b"")
    with pytest.raises(dataclasses.FrozenInstanceError):
        message.payload = b"x"  # type: ignore[misc]  # that it is refused is the point
