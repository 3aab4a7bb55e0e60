import pytest

from satellite.backends.palabra import languages


def test_the_tables_are_those_that_are_published() -> None:
    assert len(languages.SOURCES) == 55
    assert {"ba", "yue", "zh"} <= languages.SOURCES
    assert "en" not in languages.TARGETS
    assert {"en-us", "zh-hans", "fil"} <= languages.TARGETS
    assert languages.DETECTABLE < languages.SOURCES


@pytest.mark.parametrize(("tag", "wire"), [("en", "en"), ("en-US", "en"), ("pt-BR", "pt"), ("nb", "no"), ("xx", "xx")])
def test_a_source_is_a_base_code(tag: str, wire: str) -> None:
    assert languages.wire_source(tag) == wire


@pytest.mark.parametrize(
    ("tag", "wire"),
    [("en", "en-us"), ("zh", "zh-hans"), ("en-GB", "en-gb"), ("DE", "de"), ("nn", "no"), ("xx-YY", "xx-yy")],
)
def test_a_target_is_as_exact_as_the_service_wants(tag: str, wire: str) -> None:
    assert languages.wire_target(tag) == wire


def test_known_targets() -> None:
    assert languages.is_known_target("en")
    assert languages.is_known_target("zh-Hant")
    assert not languages.is_known_target("ga")


def test_sentences_are_kept_apart_where_their_language_does() -> None:
    assert languages.blank_between("de") == " "
    assert languages.blank_between("zh-Hans") == ""
