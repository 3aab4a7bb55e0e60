from typing import Any

import pytest

from satellite.backends.deepgram.actions import ACTIONS, CONFIGURE, FORCE_END_TURN, Configure, changed, settings_of
from tests.fakes.sections import RefusedError, made
from tests.unit.backends.deepgram.stage import options


def test_settings_outlast_a_session_and_the_end_of_a_turn_does_not() -> None:
    assert {name: action.outlasts_session for name, action in ACTIONS.items()} == {
        CONFIGURE: True,
        FORCE_END_TURN: False,
    }
    assert made(ACTIONS[FORCE_END_TURN].arguments, {}) is not None


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"eot_threshold": 0.4}, "must be 0.5 or more"),
        ({"eager_eot_threshold": 0.1}, "must be 0.3 or more, or 0 for off"),
        ({"eager_eot_threshold": 0.95}, "must be 0.9 or less"),
        ({"keyterms": ["a,b"]}, "make a list of terms"),
        ({"language": "de"}, "unknown key"),
    ],
)
def test_arguments_are_held_against_what_the_service_takes(arguments: dict[str, Any], reason: str) -> None:
    with pytest.raises(RefusedError, match=reason):
        made(Configure, arguments)


def test_what_is_left_out_stays_as_it_is() -> None:
    settings = settings_of(options(keyterms=["zigbee"], eager_eot_threshold=0.5), ("de",))
    assert settings.eager_eot_threshold == 0.5
    after = changed(settings, made(Configure, {"eager_eot_threshold": 0, "keyterms": []}))
    assert (after.eager_eot_threshold, after.keyterms, after.language_hints) == (0.0, (), ("de",))
    assert settings_of(options(), ()).eager_eot_threshold == 0.0
