"""Names of languages, for people."""

import pytest

from satellite.homeassistant.languages import language_name


@pytest.mark.parametrize(
    ("tag", "name"),
    [("de", "German"), ("EN", "English"), ("pt-BR", "Portuguese (BR)"), ("zh-HANT", "Chinese (HANT)"), ("tlh", "tlh")],
)
def test_a_language_has_a_name(tag: str, name: str) -> None:
    assert language_name(tag) == name
