"""Vocabulary: its published limits, and how it is sent."""

from typing import Any

import pytest

from satellite.backends.vurbo.vocabulary import (
    Corrections,
    Dictionary,
    Terminology,
    Voices,
    corrections_message,
    dictionary_message,
    terminology_message,
    voices_message,
)
from satellite.core.section import Section
from tests.fakes.sections import RefusedError, made


class All(Section, frozen=True):
    terms: Terminology | None = None
    corrections: Corrections | None = None
    dictionary: Dictionary | None = None
    voices: Voices | None = None


def test_it_is_sent_with_the_codes_of_the_service() -> None:
    given = made(
        All,
        {
            "terms": {"en": [{"term": "Zigbee", "boost": 2}, {"term": "Matter"}]},
            "corrections": {"en-GB": [{"correct": "Zigbee", "incorrect": ["zig be"]}]},
            "dictionary": [{"source": "hub", "translations": {"de": "Zentrale"}}],
            "voices": {"de": {"voice": "de-DE-KatjaNeural", "speaking_rate": 1.1}, "en": {}},
        },
    )
    assert given.terms is not None
    assert given.corrections is not None
    assert given.dictionary is not None
    assert given.voices is not None
    assert terminology_message(given.terms) == {
        "en-US": [{"term": "Zigbee", "boost": 2.0}, {"term": "Matter", "boost": 1.0}]
    }
    assert corrections_message(given.corrections) == {"en-GB": [{"correct": "Zigbee", "incorrect": ["zig be"]}]}
    assert dictionary_message(given.dictionary) == [{"source": "hub", "translations": {"de-DE": "Zentrale"}}]
    assert voices_message(given.voices) == {
        "de-DE": {"voice": "de-DE-KatjaNeural", "speaking_rate": 1.1},
        "en-US": {"speaking_rate": 1.0},
    }


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"terms": {"en": [{"term": "x" * 101}]}}, "at most 100 characters"),
        ({"terms": {"en": [{"term": "x", "boost": 5.5}]}}, "5 or less"),
        ({"terms": {"en": [{"term": "x"}] * 501}}, "at most 500 entries"),
        ({"terms": {"no language": []}}, "BCP 47"),
        ({"terms": ["Zigbee"]}, "must be a section"),
        ({"corrections": {"en": [{"correct": "x", "incorrect": []}]}}, "must not be empty"),
        ({"dictionary": [{"source": "x", "translations": {"de": "y"}}] * 51}, "at most 50 entries"),
        ({"dictionary": [{"source": "x", "translations": {}}]}, "must not be empty"),
        ({"dictionary": [{"source": " ", "translations": {"de": "y"}}]}, "must not be empty"),
        ({"voices": {"de": {"speaking_rate": 3}}}, "2 or less"),
    ],
)
def test_what_is_over_a_limit_is_refused(data: dict[str, Any], reason: str) -> None:
    with pytest.raises(RefusedError, match=reason):
        made(All, data)
