import pytest

from satellite.backends.deepl import languages
from satellite.backends.deepl.languages import is_known_target, wire_source


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
