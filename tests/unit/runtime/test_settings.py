"""What commands can change."""

import pytest

from satellite.runtime.settings import RuntimeSettings

SETTINGS = RuntimeSettings(mute=False, volume=80, source_language="en", target_languages=("de",), speech_language="de")


def test_a_change_leaves_the_rest_and_the_original_alone() -> None:
    changed = SETTINGS.changed(volume=10)
    assert (changed.volume, changed.source_language, SETTINGS.volume) == (10, "en", 80)


@pytest.mark.parametrize(
    ("changes", "differs"),
    [
        ({"volume": 1}, False),
        ({"mute": True}, False),
        ({"source_language": "fr"}, True),
        ({"target_languages": ("de", "fr")}, True),
        ({"speech_language": None}, True),
    ],
)
def test_which_changes_a_session_cannot_follow(changes: dict[str, object], differs: bool) -> None:
    assert SETTINGS.changed(**changes).differs_in_languages(SETTINGS) is differs
