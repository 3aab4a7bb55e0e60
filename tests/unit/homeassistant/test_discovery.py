"""Discovery: what is announced, and how what was announced before is taken back."""

import json
from dataclasses import replace
from typing import Any

import pytest

from satellite.homeassistant.discovery import (
    GONE_MAX,
    Announced,
    Identity,
    Plan,
    announced_from,
    as_stored,
    plan,
    withdrawal,
)
from satellite.homeassistant.entities import Offer
from satellite.homeassistant.messages import Delivery, Message
from satellite.homeassistant.topics import Topics

IDENTITY = Identity(
    Topics("voice-satellite", "kitchen"), "Kitchen", "Kitchen", "1.2.3", "homeassistant", "device", True
)
SINGLE = replace(IDENTITY, style="components")
OFFER = Offer(("auto", "en"), ("de",), ("de", "fr"), translates=True, speaks=True)
DEVICE_TOPIC = "homeassistant/device/voice_satellite_kitchen/config"


def body(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(message.payload)
    return found


def stored(announced: Announced) -> Announced:
    """As a later process finds it."""
    found = announced_from(json.loads(json.dumps(as_stored(announced))))
    assert found is not None
    return found


def following(first: Plan, identity: Identity = IDENTITY, offer: Offer = OFFER) -> Plan:
    return plan(identity, offer, stored(first.announced))


def emptied(messages: tuple[Message, ...]) -> list[str]:
    return [message.topic for message in messages if not message.payload]


# --- announcing -----------------------------------------------------------------------------------------------------


def test_a_device_is_one_retained_message() -> None:
    ((message,),) = plan(IDENTITY, OFFER, None).steps
    assert (message.topic, message.retain, message.qos, message.delivery) == (DEVICE_TOPIC, True, 1, Delivery.LATEST)
    announced = body(message)
    assert announced["device"] == {
        "identifiers": ["voice_satellite_kitchen"],
        "name": "Kitchen",
        "manufacturer": "voice-satellite",
        "model": "Voice satellite",
        "sw_version": "1.2.3",
        "suggested_area": "Kitchen",
    }
    assert announced["origin"] == {"name": "voice-satellite", "sw_version": "1.2.3"}
    assert announced["availability"][0]["topic"] == "voice-satellite/kitchen/availability"
    assert announced["components"]["mute"]["platform"] == "switch"


def test_what_an_access_list_has_to_allow() -> None:
    assert IDENTITY.filter == "homeassistant/+/voice_satellite_kitchen/#"
    assert IDENTITY.trial_topic == "homeassistant/device/voice_satellite_kitchen/trial"
    assert IDENTITY.birth_topic == "homeassistant/status"


def test_no_area_is_suggested_where_none_is_configured() -> None:
    ((message,),) = plan(replace(IDENTITY, area=None), OFFER, None).steps
    assert "suggested_area" not in body(message)["device"]


def test_older_ones_are_told_of_each_component() -> None:
    first = plan(SINGLE, OFFER, None)
    topics = [message.topic for message in first.steps[0]]
    assert "homeassistant/switch/voice_satellite_kitchen/mute/config" in topics
    assert len(set(topics)) == len(first.announced.platforms)
    mute = body(next(message for message in first.steps[0] if message.topic.endswith("/mute/config")))
    assert "platform" not in mute
    assert mute["device"]["name"] == "Kitchen"
    assert mute["availability"][0]["payload_not_available"] == "offline"


# --- what is no longer there ----------------------------------------------------------------------------------------


def test_saying_the_same_again_clears_nothing() -> None:
    first = plan(IDENTITY, OFFER, None)
    again = following(first)
    assert again.steps == first.steps


def test_a_language_that_is_gone_takes_its_sensor_and_its_text_with_it() -> None:
    changed = following(plan(IDENTITY, OFFER, None), offer=replace(OFFER, targets=("de", "it")))
    components = body(changed.steps[0][0])["components"]
    assert components["translation_fr"] == {"platform": "sensor"}
    assert components["translation_it"]["name"] == "Italian translation"
    assert emptied(changed.steps[0]) == []
    assert emptied(changed.steps[1]) == ["voice-satellite/kitchen/translation/fr"]


def test_what_was_never_retained_needs_no_clearing() -> None:
    identity = replace(IDENTITY, retains_texts=False)
    first = plan(identity, OFFER, None)
    assert len(following(first, identity, replace(OFFER, targets=("de",))).steps) == 1


def test_that_it_is_gone_is_said_until_it_comes_back() -> None:
    changed = following(plan(IDENTITY, OFFER, None), offer=replace(OFFER, targets=("de",)))
    again = plan(IDENTITY, replace(OFFER, targets=("de",)), stored(changed.announced))
    assert body(again.steps[0][0])["components"]["translation_fr"] == {"platform": "sensor"}
    back = plan(IDENTITY, OFFER, stored(again.announced))
    assert body(back.steps[0][0])["components"]["translation_fr"]["name"] == "French translation"
    assert back.announced.gone == {}


def test_not_everything_that_ever_was_is_remembered() -> None:
    found = plan(IDENTITY, OFFER, None)
    for number in range(2 * GONE_MAX):
        found = plan(IDENTITY, replace(OFFER, targets=(f"x{number:03d}",)), found.announced)
    assert len(found.announced.gone) == GONE_MAX


def test_a_component_by_itself_is_cleared_at_its_topic() -> None:
    changed = following(plan(SINGLE, OFFER, None), SINGLE, replace(OFFER, targets=("de",)))
    assert emptied(changed.steps[0]) == ["homeassistant/sensor/voice_satellite_kitchen/translation_fr/config"]


@pytest.mark.parametrize(
    "other",
    [
        replace(IDENTITY, topics=Topics("voice-satellite", "study")),
        replace(IDENTITY, topics=Topics("house/voice", "kitchen")),
    ],
)
def test_somebody_else_is_announced_and_the_former_self_forgotten(other: Identity) -> None:
    changed = following(plan(IDENTITY, OFFER, None), other)
    assert emptied(changed.steps[0]) == [DEVICE_TOPIC]
    assert set(emptied(changed.steps[1])) >= {
        "voice-satellite/kitchen/availability",
        "voice-satellite/kitchen/translation/fr",
    }
    assert body(changed.steps[0][-1])["availability"][0]["topic"] == f"{other.topics.root}/availability"


def test_another_prefix_leaves_the_satellites_own_topics_alone() -> None:
    changed = following(plan(IDENTITY, OFFER, None), replace(IDENTITY, prefix="ha"))
    assert emptied(changed.steps[0]) == [DEVICE_TOPIC]
    assert len(changed.steps) == 1
    assert changed.steps[0][-1].topic == "ha/device/voice_satellite_kitchen/config"


# --- from one style to the other ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "after"), [(IDENTITY, SINGLE), (SINGLE, IDENTITY)])
def test_entities_are_handed_over(before: Identity, after: Identity) -> None:
    first = plan(before, OFFER, None)
    handed_over, announced, cleared = following(first, after).steps
    assert {message.payload for message in handed_over} == {b'{"migrate_discovery":true}'}
    assert [message.topic for message in handed_over] == list(first.announced.topics)
    assert announced == plan(after, OFFER, None).steps[0]
    assert emptied(cleared) == list(first.announced.topics)


def test_all_can_be_withdrawn() -> None:
    assert emptied(withdrawal(plan(IDENTITY, OFFER, None).announced)) == [DEVICE_TOPIC]
    single = plan(SINGLE, OFFER, None)
    assert emptied(withdrawal(single.announced)) == [message.topic for message in single.steps[0]]


# --- kept over a restart --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damaged",
    [None, [], {}, {"prefix": 1}, {**as_stored(plan(IDENTITY, OFFER, None).announced), "platforms": {"mute": 1}}],
)
def test_what_makes_no_sense_counts_as_nothing(damaged: object) -> None:
    assert announced_from(damaged) is None
