from typing import Any

import pytest

from satellite.config.model import Config
from satellite.config.sentences import sentence, shown
from satellite.core.section import Fault, Wrong, read


def first_fault(path: str, value: Any) -> Fault:
    data: Any = value
    for key in reversed(path.split(".")):
        data = {key: data}
    _, faults = read(Config, data)
    return faults[0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (1.5, "1.5"),
        ("a", '"a"'),
        ("a\nb", '"a?b"'),
        ("x" * 41, '"' + "x" * 39 + '…"'),
        ({"a": 1}, "a section"),
        ([1], "a list"),
    ],
)
def test_values_are_shown_short_and_on_one_line(value: object, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(
    ("path", "value", "message", "hint"),
    [
        ("audio.output.volume", "loud", 'must be a whole number, not "loud"', None),
        ("audio.output.volume", 1.5, "must be a whole number, not 1.5", None),
        ("audio.output.volume", None, "must be a whole number, not null", None),
        ("audio.output.volume", 101, "must be 100 or less, not 101", None),
        ("audio.output.volume", -1, "must be 0 or more, not -1", None),
        ("audio.output.volume", "9" * 39, 'must be 100 or less, not "' + "9" * 39 + '"', None),
        ("audio.input.gain_db", "x", 'must be a number, not "x"', None),
        ("audio.input.gain_db", [], "must be a number, not a list", None),
        ("audio.input.gain_db", float("nan"), "must be a finite number, not nan", None),
        ("audio.barge_in", "maybe", 'must be true or false, not "maybe"', None),
        ("audio.barge_in", [], "must be true or false, not a list", None),
        ("voice.daily_limit_min", 0, "must be more than 0, not 0", None),
        ("satellite.name", 5, "must be text, not 5", "put it in quotes"),
        ("voice.target_languages", "de", 'must be a list ([a, b], or one `- entry` per line), not "de"', None),
        ("audio", "x", "must be a section: indented `key: value` lines", None),
        ("audio.driver", "als", 'must be alsa, auto or portaudio, not "als"', "did you mean alsa?"),
        ("audio.driver", 5, "must be alsa, auto or portaudio, not 5", None),
        (
            "voice.backend",
            "vosk",
            'must be deepgram, deepl, loopback, palabra or vurbo, not "vosk"',
            None,
        ),
        (
            "voice.backend",
            "depl",
            'must be deepgram, deepl, loopback, palabra or vurbo, not "depl"',
            "did you mean deepl?",
        ),
        ("voice.bakcend", "deepl", "unknown key", "did you mean backend?"),
        (
            "voice.deepl",
            {},
            "is missing",
            "write `api_key: !secret NAME` and put NAME into secrets.yaml",
        ),
        ("voice.deepl.api_key", 12345, "must be text", "put it in quotes"),
        ("mqtt.host", "a b", "must be a host name or an address, without scheme and port", None),
    ],
)
def test_every_error_is_a_plain_sentence(path: str, value: object, message: str, hint: str | None) -> None:
    assert sentence(first_fault(path, value), masked=False) == (message, hint)


def test_a_masked_value_is_left_out_with_all_hints() -> None:
    assert sentence(first_fault("audio.driver", "alsaa"), masked=True) == ("must be alsa, auto or portaudio", None)


def test_a_missing_key_that_is_no_secret_has_no_advice() -> None:
    assert sentence(Fault(("voice", "x"), Wrong.MISSING), masked=False) == ("is missing", None)
