"""Language tags: as users write them, as the service wants them, and back."""

import pytest

from satellite.backends.vurbo.languages import (
    REGIONAL,
    configured_spelling,
    has_region,
    is_tag,
    primary,
    separator,
    unique,
    wire_code,
)


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("en", "en-US"),
        ("de", "de-DE"),
        ("DE", "de-DE"),
        ("pt", "pt-BR"),
        ("zh", "zh-CN"),
        ("zh-Hant", "zh-TW"),
        ("en-gb", "en-GB"),
        ("zh-TW", "zh-TW"),
        ("sr-Latn-rs", "sr-Latn-RS"),
        ("eo", "eo"),
    ],
)
def test_codes_have_a_region(tag: str, code: str) -> None:
    assert wire_code(tag) == code
    assert has_region(tag) is (tag != "eo")


def test_every_code_of_the_table_is_one() -> None:
    assert all(is_tag(code) and "-" in code for code in REGIONAL.values())
    assert not is_tag("no language")
    assert not is_tag(7)


@pytest.mark.parametrize(
    ("received", "configured", "spelled"),
    [
        ("de-DE", ("en", "de"), "de"),
        ("DE-de", ("en", "de"), "de"),
        ("de-AT", ("en", "de"), "de"),
        ("de-AT", ("de-DE", "de-CH"), "de-AT"),
        ("de-CH", ("de-DE", "de-CH"), "de-CH"),
        ("nb-NO", ("no",), "no"),
        ("fr-FR", ("de",), "fr-FR"),
    ],
)
def test_replies_come_back_under_the_configured_spelling(
    received: str, configured: tuple[str, ...], spelled: str
) -> None:
    assert configured_spelling(received, configured) == spelled


def test_two_tags_that_mean_the_same_are_one() -> None:
    assert unique(["de", "de-DE", "fr", "de-AT"]) == ("de", "fr", "de-AT")


def test_some_languages_have_no_blanks() -> None:
    assert [separator(tag) for tag in ("en", "zh-TW", "ja", "ko")] == [" ", "", "", " "]
    assert primary("ZH-tw") == "zh"
