from typing import get_args, get_type_hints

import msgspec
import pytest

from satellite.backends import registry
from satellite.backends.deepl.options import DeepLOptions
from satellite.backends.loopback.options import LoopbackOptions
from satellite.config.fields import section_at
from satellite.config.model import Config, Mqtt, Satellite, Tls, Voice, id_of_host, name_of_id
from satellite.core.section import Secret, Section
from satellite.errors import LocalMisuse
from tests.fakes.sections import RefusedError, made


def message_of(section: type[Section], data: object) -> str:
    with pytest.raises(RefusedError) as caught:
        made(section, data)
    return str(caught.value)


def test_everything_has_a_default() -> None:
    config = Config()
    assert config.audio.input.rate_hz == 16_000
    assert config.audio.duplex == "consecutive"
    assert config.vad.hang_over_ms == 900
    assert config.voice.target_languages == ("de",)
    assert config.voice.speech_language == "de"
    assert config.mqtt.base_topic == "voice-satellite"
    assert config.mqtt.discovery_prefix == "homeassistant"
    assert not config.logging.transcripts


def test_values_do_not_change_and_copies_can_be_made() -> None:
    config = Config()
    with pytest.raises(AttributeError, match="immutable"):
        config.mqtt = Mqtt(host="other")  # type: ignore[misc]  # what is tried here
    assert msgspec.structs.replace(config, mqtt=Mqtt(host="other")).mqtt.host == "other"


@pytest.mark.parametrize(
    ("host", "satellite_id"),
    [
        ("kitchen", "kitchen"),
        ("Kitchen-Pi.local", "kitchen-pi"),
        ("Café Süd", "caf--s-d"),
        ("_x", "x"),
        ("---", "satellite"),
        ("", "satellite"),
        ("a" * 80, "a" * 63),
    ],
)
def test_an_id_is_made_from_any_host_name(host: str, satellite_id: str) -> None:
    assert id_of_host(host) == satellite_id
    assert Satellite(id=satellite_id).id == satellite_id


def test_the_name_is_the_id_in_title_case() -> None:
    assert name_of_id("living-room_2") == "Living Room 2"
    assert Satellite(id="living-room").name == "Living Room"
    assert Satellite(id="x", name="Wohnzimmer").name == "Wohnzimmer"


@pytest.mark.parametrize("bad", ["Kitchen", "-x", "", "a" * 64, "a b", "küche", "a\n"])
def test_an_id_that_cannot_stand_in_a_topic_is_refused(bad: str) -> None:
    assert "must begin with a small letter" in message_of(Satellite, {"id": bad})


def test_speech_follows_the_first_target_unless_chosen() -> None:
    assert Voice(target_languages=("fr", "de")).speech_language == "fr"
    assert Voice(target_languages=()).speech_language is None
    assert Voice(target_languages=("fr",), speech_language=None).speech_language is None


@pytest.mark.parametrize("tag", ["de", "en-GB", "zh-Hans", "zh-Hant-TW", "es-419", "fil", "ca-valencia", "no"])
def test_bcp_47_tags_are_taken_as_written(tag: str) -> None:
    voice = Voice(source_language=tag, target_languages=(tag,), speech_language=tag)
    assert (voice.source_language, *voice.target_languages, voice.speech_language) == (tag, tag, tag)


@pytest.mark.parametrize("tag", ["english", "d", "de_DE", "de-", "12", "de-DE-", ""])
def test_other_tags_are_refused(tag: str) -> None:
    for key, value in (("source_language", tag), ("target_languages", [tag]), ("speech_language", tag)):
        assert "BCP 47" in message_of(Voice, {key: value})


def test_auto_is_a_source_only() -> None:
    assert Voice(source_language="auto").source_language == "auto"
    assert "BCP 47" in message_of(Voice, {"speech_language": "auto"})


def test_off_is_not_a_language() -> None:
    assert "null for none" in message_of(Voice, {"speech_language": "off"})


def test_the_chosen_backends_options_are_at_hand() -> None:
    options = DeepLOptions(api_key=Secret("key"))
    assert Voice(deepl=options).options is options
    assert Voice(backend="loopback", deepl=options).options == LoopbackOptions()


def test_every_backend_can_be_chosen_with_its_own_options() -> None:
    assert get_args(get_type_hints(Voice)["backend"]) == registry.names()
    for name in registry.names():
        assert section_at(("voice", name)) is registry.load(name).options


def test_options_that_are_not_there_are_a_misuse() -> None:
    with pytest.raises(LocalMisuse, match="for deepl without its options"):
        _ = Voice().options


@pytest.mark.parametrize("topic", ["a", "home/voice", "ä b"])
def test_topics(topic: str) -> None:
    assert Mqtt(base_topic=topic, discovery_prefix=topic).base_topic == topic


@pytest.mark.parametrize("topic", ["", "/a", "a/", "a//b", "a/+", "#", "$SYS", "a\0"])
def test_topics_that_cannot_be_published_to_are_refused(topic: str) -> None:
    assert "MQTT topic" in message_of(Mqtt, {"base_topic": topic})
    assert "MQTT topic" in message_of(Mqtt, {"discovery_prefix": topic})


def test_the_port_follows_tls_unless_chosen() -> None:
    assert Mqtt().effective_port == 1883
    assert Mqtt(tls=Tls()).effective_port == 8883
    assert Mqtt(tls=Tls(), port=1884).effective_port == 1884


@pytest.mark.parametrize("host", ["broker.lan", "10.0.0.1", "::1", "fe80::1%eth0"])
def test_hosts(host: str) -> None:
    assert Mqtt(host=host).host == host


@pytest.mark.parametrize("host", ["", "mqtt://broker", "broker:1883", "a b", "user@broker", "a\0"])
def test_what_is_more_than_a_host_is_refused(host: str) -> None:
    assert "without scheme and port" in message_of(Mqtt, {"host": host})


@pytest.mark.parametrize(("device", "expected"), [(None, "null"), (3, 3), ("hw:0", "hw:0"), ("file:a b", "file:a b")])
def test_devices(device: object, expected: object) -> None:
    assert made(Config, {"audio": {"input": {"device": device}}}).audio.input.device == expected


@pytest.mark.parametrize(
    ("device", "words"),
    [
        (True, "must be a device name"),
        (1.5, "must be a device name"),
        ([], "must be a device name"),
        (-1, "index must be 0 or more"),
        ("", "must not be empty"),
        (" ", "must not be empty"),
        ("file:", "must not be empty"),
        ("file:a\0", "must be one line of text"),
    ],
)
def test_what_is_no_device_is_refused(device: object, words: str) -> None:
    assert words in message_of(Config, {"audio": {"output": {"device": device}}})


@pytest.mark.parametrize("section", Config.__struct_fields__)
def test_a_section_with_every_key_commented_out_is_all_defaults(section: str) -> None:
    assert made(Config, {section: None}) == Config()


def test_true_is_not_a_number() -> None:
    assert "must be a number, not true" in message_of(Config, {"audio": {"output": {"volume": True}}})
    assert "must be a number, not false" in message_of(Voice, {"idle_close_s": False})


def test_numbers_may_stand_in_quotes_as_templates_write_them() -> None:
    assert made(Mqtt, {"port": "1884", "publish_tentative": "no"}) == Mqtt(port=1884, publish_tentative=False)


def test_a_name_is_one_line() -> None:
    assert "one line of text" in message_of(Satellite, {"name": "a\nb"})
    assert "one line of text" in message_of(Satellite, {"area": " "})


def test_a_secret_never_prints() -> None:
    config = Config(mqtt=Mqtt(username="u", password=Secret("hunter2")))
    assert "hunter2" not in f"{config!r} {config} {msgspec.structs.asdict(config.mqtt)}"
    assert "4711" not in message_of(Config, {"mqtt": {"password": 4711}})


@pytest.mark.parametrize("place", ["/usr/share/sounds", "http://nas.lan/sounds/", "https://nas.lan:8443/chimes/"])
def test_sounds_may_be_played_from_directories_and_url_prefixes(place: str) -> None:
    config = made(Config, {"audio": {"output": {"play_from": [place]}}})
    assert config.audio.output.play_from == (place,)


@pytest.mark.parametrize("place", ["sounds", "https://nas.lan", "https://user@nas.lan/x/", "ftp://nas.lan/", ""])
def test_other_places_for_sounds_are_refused(place: str) -> None:
    assert "absolute directory" in message_of(Config, {"audio": {"output": {"play_from": [place]}}})


def test_no_satellite_is_called_all() -> None:
    assert "every satellite" in message_of(Config, {"satellite": {"id": "all"}})
