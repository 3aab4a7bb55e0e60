"""Entities: each with what Home Assistant needs of it."""

import pytest

from satellite.homeassistant.entities import Component, Offer, components, translation_key, with_present
from satellite.homeassistant.topics import Topics

TOPICS = Topics("voice-satellite", "kitchen")
OFFER = Offer(sources=("auto", "en", "it"), spoken=("de", "fr"), targets=("de", "pt-BR"), translates=True, speaks=True)


def found(offer: Offer = OFFER) -> dict[str, Component]:
    return components(TOPICS, "voice_satellite_kitchen", offer)


def test_every_entity_has_an_id_of_its_own_and_a_name() -> None:
    entities = [each for each in found().values() if each["platform"] != "device_automation"]
    ids = [each["unique_id"] for each in entities]
    assert len(set(ids)) == len(ids) == len({each["name"] for each in entities}) == 25
    assert all(str(each).startswith("voice_satellite_kitchen_") for each in ids)


def test_what_a_backend_cannot_do_is_not_offered() -> None:
    listening = found(Offer(("auto", "en"), (), (), translates=False, speaks=False))
    assert set(found()) - set(listening) == {
        "translation_de",
        "translation_pt_br",
        "target_languages",
        "speech_language",
    }
    assert listening["source_language"]["options"] == ["auto", "en"]


def test_each_language_has_its_sensor() -> None:
    sensors = found()
    assert sensors["translation_pt_br"]["name"] == "Portuguese (BR) translation"
    assert "translations.get('pt-BR')" in str(sensors["translation_pt_br"]["value_template"])
    assert "language='pt-BR'" in str(sensors["translation_pt_br"]["json_attributes_template"])


def test_speech_can_be_switched_off() -> None:
    select = found()["speech_language"]
    assert select["options"] == ["off", "de", "fr"]
    assert select["value_template"] == "{{ value_json.speech_language or 'off' }}"


def test_commands_go_where_they_are_taken() -> None:
    commands = {str(each["command_topic"]) for each in found().values() if "command_topic" in each}
    assert {topic.removeprefix("voice-satellite/kitchen/set/") for topic in commands} == {
        "mute",
        "volume",
        "source_language",
        "speech_language",
        "target_languages",
        "stop_speech",
        "restart_session",
        "restart",
    }


def test_a_device_trigger_has_no_id_but_a_kind() -> None:
    triggers = [each for each in found().values() if each["platform"] == "device_automation"]
    assert {(each["subtype"], each["type"]) for each in triggers} == {
        ("utterance", "said"),
        ("speech", "started"),
        ("speech", "finished"),
        ("problem", "raised"),
    }
    assert not any("unique_id" in each for each in triggers)


@pytest.mark.parametrize(
    ("tag", "key"),
    [("de", "translation_de"), ("zh-Hant", "translation_zh_hant"), ("??", "translation_other")],
)
def test_a_key_has_letters_and_digits(tag: str, key: str) -> None:
    assert translation_key(tag) == key


@pytest.mark.parametrize(
    ("present", "detects", "options"),
    [
        ("auto", True, ("auto", "de", "en")),
        ("auto", False, ("auto", "de", "en")),
        ("en", True, ("auto", "de", "en")),
        ("pt-BR", False, ("de", "en", "pt-BR")),
        (None, False, ("de", "en")),
    ],
)
def test_what_is_set_can_be_chosen(present: str | None, detects: bool, options: tuple[str, ...]) -> None:
    assert with_present(("en", "de"), present, detects=detects) == options
