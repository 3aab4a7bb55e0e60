import pytest

from satellite.backends.tags import configured_spelling, is_tag, unique


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
