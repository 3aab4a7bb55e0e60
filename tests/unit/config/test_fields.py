import pytest
from msgspec import inspect

from satellite.backends.vurbo.vocabulary import Entry, Term
from satellite.config.fields import (
    all_paths,
    did_you_mean,
    dotted,
    hint_for_key,
    is_secret,
    secrets_in,
    section_at,
)
from satellite.config.model import AudioInput, Config, Mqtt, Tls
from satellite.core.section import Path, Secret, fields_of


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("voice",), "voice"),
        (("voice", "target_languages", 1), "voice.target_languages[1]"),
        (("a", 0, "b"), "a[0].b"),
    ],
)
def test_paths_are_written_as_people_write_them(path: Path, text: str) -> None:
    assert dotted(path) == text


def test_sections_are_found_however_they_are_wrapped() -> None:
    assert section_at(()) is Config
    assert section_at(("audio", "input")) is AudioInput
    assert section_at(("mqtt", "tls")) is Tls
    assert section_at(("mqtt", "port")) is None
    assert section_at(("mqtt", "port", "x")) is None
    assert section_at(("nothing",)) is None
    assert section_at(("voice", "target_languages", 0)) is None
    assert section_at(("voice", "vurbo", "terminology", "en", 3)) is Term
    assert section_at(("voice", "vurbo", "dictionary", 3)) is Entry
    assert section_at(("voice", "vurbo", "dictionary", 3, "translations", "de")) is None


def test_secret_fields_are_known() -> None:
    secret = {dotted(path) for path in all_paths() if is_secret(path)}
    palabra = {f"voice.palabra.{name}" for name in ("api_key", "client_id", "client_secret")}
    single = {f"voice.{name}.api_key" for name in ("deepl", "deepgram", "vurbo")}
    assert secret == {"mqtt.password"} | palabra | single
    assert not is_secret(("nothing", "here"))


def test_secrets_that_are_set_are_found() -> None:
    assert list(secrets_in(Config(mqtt=Mqtt(password=Secret("a b"))))) == [(("mqtt", "password"), "a b")]
    assert list(secrets_in(Config(mqtt=Mqtt(password=Secret(""))))) == []


def test_only_what_is_near_is_suggested() -> None:
    assert did_you_mean("TARGET-LANGUAGE", ["source_language", "target_languages"]) == "did you mean target_languages?"
    assert did_you_mean("xyz", ["source_language"]) is None


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        (("audoi",), "did you mean audio?"),
        (("voice", "deepl", "apikey"), "did you mean api_key?"),
        (("voice", "vurbo", "terminology", "en", 0, "trem"), "did you mean term?"),
        (("voice", "boost"), "it belongs under voice.vurbo.terminology.…[0]"),
        (("mqtt", "device"), "it belongs under audio.input or audio.output"),
        (("audio", "mqtt"), "it belongs under the top level"),
        (("voice", "nothing_like_it"), None),
        (("unknown", "thing"), None),
    ],
)
def test_an_unknown_key_gets_a_hint_where_there_is_one(path: Path, hint: str | None) -> None:
    assert hint_for_key(path) == hint


def test_a_description_stands_at_every_key() -> None:
    for path in all_paths():
        section = section_at(path[:-1])
        assert section is not None
        kind = fields_of(section)[str(path[-1])].type
        assert isinstance(kind, inspect.Metadata)
        assert (kind.extra_json_schema or {}).get("description"), dotted(path)
