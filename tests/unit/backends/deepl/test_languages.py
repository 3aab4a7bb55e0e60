import pytest

from satellite.backends.deepl import languages
from satellite.backends.deepl.languages import configured_spelling, is_known_target, is_tag, unique, wire_source


def test_the_tables_have_the_size_that_is_published() -> None:
    assert len(languages.SOURCES) == 43
    assert len(languages.TARGETS) == 51
    assert languages.DETECTABLE < languages.SOURCES
    assert languages.UNSPOKEN < languages.SOURCES


@pytest.mark.parametrize(("tag", "wire"), [("en", "en"), ("en-US", "en"), ("pt-BR", "pt"), ("xx-Latn", "xx-Latn")])
def test_a_source_is_sent_as_base_code(tag: str, wire: str) -> None:
    assert wire_source(tag) == wire


@pytest.mark.parametrize(
    ("tag", "wire"), [("zh-Hans", "zh-HANS"), ("EN-gb", "en-GB"), ("DE", "de"), ("xx-YY", "xx-YY")]
)
def test_a_target_is_sent_as_the_service_spells_it(tag: str, wire: str) -> None:
    assert languages.wire_target(tag) == wire


def test_known_targets_in_any_case() -> None:
    assert is_known_target("ZH-hant")
    assert not is_known_target("en-AU")


@pytest.mark.parametrize(
    ("received", "configured", "expected"),
    [
        ("zh-HANS", ["zh-Hans", "zh-Hant"], "zh-Hans"),
        ("en", ["en-GB", "de"], "en-GB"),
        ("en-US", ["en-GB"], "en-GB"),
        ("zh", ["zh-Hans", "zh-Hant"], None),
        ("fr", ["de"], None),
        ("fr", [], None),
    ],
)
def test_a_reply_is_told_by_case_then_by_language(received: str, configured: list[str], expected: str | None) -> None:
    assert configured_spelling(received, configured) == expected


def test_the_first_spelling_of_a_tag_stays_in_its_place() -> None:
    assert unique(["de", "en-GB", "fr", "DE", "en-gb"]) == ("de", "en-GB", "fr")
    assert unique(["en-gb", "zh-Hans", "EN-GB"]) == ("en-gb", "zh-Hans")
    assert unique([]) == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("zh-Hans-CN", True), ("de/#", False), ("", False), ("de-", False), (None, False), (7, False)],
)
def test_only_tags_are_tags(text: object, expected: bool) -> None:
    assert is_tag(text) is expected
