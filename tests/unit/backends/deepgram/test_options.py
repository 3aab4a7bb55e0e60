from typing import Any

import pytest

from satellite.backends.base import Severity
from satellite.backends.deepgram.options import DeepgramOptions, check
from tests.fakes.sections import RefusedError
from tests.unit.backends.deepgram.stage import KEY, options, setup

TARGETS = "voice.target_languages"
SPEECH = "voice.speech_language"
HINTS = "voice.deepgram.language_hints"
MODEL = "voice.deepgram.model"


def test_the_smallest_options_are_a_key() -> None:
    made_options = options()
    assert made_options.api_key.get_secret_value() == KEY
    assert (made_options.base_url, made_options.model) == ("wss://api.deepgram.com", None)
    assert (made_options.eot_threshold, made_options.eager_eot_threshold, made_options.eot_timeout_ms) == (
        0.7,
        None,
        5000,
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"api_key": "two words"}, "printable ASCII characters without blanks"),
        ({"api_key": "Bearer:x"}, "must be the key alone"),
        ({"base_url": "https://api.deepgram.com"}, "must be a plain address such as wss://api.deepgram.com"),
        ({"base_url": "wss://api.deepgram.com?model=x"}, "must be a plain address"),
        ({"base_url": "nonsense"}, "must be a plain address"),
        ({"base_url": "ws://example.com"}, "must begin with wss://"),
        ({"base_url": "wss://api.deepgram.com/v1/listen"}, "must end before the version"),
        ({"rest_url": "http://example.com"}, "must begin with https://"),
        ({"model": "flux"}, "must be flux-general-en or flux-general-multi"),
        ({"eot_threshold": 0.49}, "must be 0.5 or more"),
        ({"eot_threshold": 1.01}, "must be 1 or less"),
        ({"eager_eot_threshold": 0.2}, "must be 0.3 or more"),
        ({"eot_timeout_ms": 499}, "must be 500 or more"),
        ({"eot_timeout_ms": 60001}, "must be 60000 or less"),
        ({"token_ttl_s": 3601}, "must be 3600 or less"),
        ({"keyterms": [" "]}, "must be a word or a few"),
        ({"keyterms": ["a\x07b"]}, "must be a word or a few"),
        ({"keyterms": ["zigbee, matter"]}, "make a list of terms"),
        ({"keyterms": ["zigbee:0.5"]}, "has a weight"),
        ({"keyterms": ["a"] * 101}, "must have at most 100 entries"),
        ({"keyterms": ["a b c d e f"] * 100}, "at most 500 words"),
        ({"language_hints": ["auto"]}, "must be a BCP 47 language tag"),
        ({"language_hints": ["d e"]}, "must be a BCP 47 language tag"),
        ({"redact": "all"}, "must be aggressive_numbers or numbers"),
        ({"tags": ["x" * 129]}, "1 to 128 characters"),
        ({"tags": [" "]}, "1 to 128 characters"),
    ],
)
def test_what_the_service_would_refuse_is_refused_with_a_sentence(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(RefusedError, match=reason):
        options(**changes)


def test_values_are_taken_in_their_clean_form() -> None:
    clean = options(
        api_key=f" {KEY} ",
        base_url="ws://127.0.0.1:8000/",
        rest_url="https://api.eu.deepgram.com",
        keyterms=["  living \n room "],
        tags=[" kitchen "],
    )
    assert clean.api_key.get_secret_value() == KEY
    assert (clean.base_url, clean.rest_url) == ("ws://127.0.0.1:8000", "https://api.eu.deepgram.com")
    assert (clean.keyterms, clean.tags) == (("living room",), ("kitchen",))


# --- with the languages ------------------------------------------------------------------------------------------


def findings(session_options: DeepgramOptions | None = None, **voice: Any) -> list[tuple[str, bool]]:
    """Where something is wrong, and whether it keeps the configuration from being used."""
    found = check(session_options or options(), setup(**voice))
    return [(finding.path, finding.severity is Severity.ERROR) for finding in found]


def test_a_configuration_made_for_another_backend_is_told_what_to_write() -> None:
    found = check(options(), setup(target_languages=("de", "fr"), speech_language="de"))
    assert [(finding.path, finding.severity) for finding in found] == [
        (TARGETS, Severity.ERROR),
        (SPEECH, Severity.ERROR),
    ]
    assert found[0].message == "the backend deepgram does not translate (to de, fr): it only transcribes"
    assert found[1].message == "the backend deepgram does not speak (de): it only transcribes"
    for finding in found:
        assert "write `target_languages: []` and `speech_language: null`" in str(finding.hint)
        assert "deepl, vurbo and palabra" in str(finding.hint)


@pytest.mark.parametrize(
    ("changes", "voice", "expected"),
    [
        ({}, {}, []),
        ({}, {"source_language": "auto"}, []),
        ({}, {"source_language": "de-CH"}, []),
        ({}, {"speech_voice": "male"}, [("voice.speech_voice", False)]),
        ({}, {"source_language": "pl"}, [("voice.source_language", True)]),
        ({"model": "flux-general-en"}, {"source_language": "de"}, [(MODEL, True)]),
        ({"model": "flux-general-en"}, {"source_language": "auto"}, [(MODEL, True)]),
        ({"model": "flux-general-en"}, {"source_language": "en-US"}, []),
        ({"model": "flux-general-multi"}, {"source_language": "en"}, []),
        ({"model": "flux-general-en", "language_hints": ["en"]}, {}, [(HINTS, True)]),
        ({"language_hints": ["tlh"]}, {"source_language": "auto"}, [(HINTS, False)]),
        ({"language_hints": ["de", "en"]}, {}, []),
        ({"language_hints": ["en-GB"]}, {}, [(HINTS, False)]),
        ({"numerals": True}, {"source_language": "ja"}, [("voice.deepgram.numerals", False)]),
        ({"numerals": True}, {"source_language": "de"}, []),
        ({"eager_eot_threshold": 0.8}, {}, [("voice.deepgram.eager_eot_threshold", True)]),
        ({"eager_eot_threshold": 0.6}, {}, []),
        ({"eager_eot_threshold": 0.6, "eot_threshold": 1.0}, {}, [("voice.deepgram.eager_eot_threshold", False)]),
    ],
)
def test_options_are_held_against_the_languages(
    changes: dict[str, Any], voice: dict[str, Any], expected: list[tuple[str, bool]]
) -> None:
    assert findings(options(**changes), **voice) == expected
