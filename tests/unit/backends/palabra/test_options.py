from typing import Any

import pytest

from satellite.backends.base import Finding, Severity
from satellite.backends.palabra.options import PalabraOptions, check, wanted_targets
from tests.fakes.sections import RefusedError, made
from tests.unit.backends.palabra.stage import KEY, PAIR, setup


def findings(given: dict[str, Any] | None = None, **changes: Any) -> list[Finding]:
    return check(made(PalabraOptions, {"api_key": KEY} if given is None else given), setup(**changes))


def paths(found: list[Finding], severity: Severity) -> list[str]:
    return [finding.path for finding in found if finding.severity is severity]


def errors(given: dict[str, Any] | None = None, **changes: Any) -> list[str]:
    return paths(findings(given, **changes), Severity.ERROR)


def warnings(given: dict[str, Any] | None = None, **changes: Any) -> list[str]:
    return paths(findings(given, **changes), Severity.WARNING)


@pytest.mark.parametrize(
    "given",
    [
        {"api_key": " "},
        {"client_secret": "two words"},
        {"base_url": "http://api.palabra.ai"},
        {"base_url": "https://api.palabra.ai/?x=1"},
        {"base_url": "nonsense"},
        {"stream_url": "ws://streaming.palabra.ai"},
        {"stream_url": "https://streaming.palabra.ai"},
        {"transport": "smoke"},
        {"eos_timeout_s": 31},
        {"pause_after_s": -1},
    ],
)
def test_what_can_never_work_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(RefusedError):
        made(PalabraOptions, given)


def test_what_is_fine_has_no_findings() -> None:
    assert findings() == []
    assert findings(PAIR, target_languages=("en-GB", "zh"), source_language="de", speech_language="zh") == []
    assert findings({"api_key": KEY, "base_url": "http://127.0.0.1:1/", "stream_url": "ws://localhost:2"}) == []
    assert made(PalabraOptions, {"api_key": f" {KEY} ", "base_url": "https://a.b/"}).base_url == "https://a.b"


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({}, "api_key"),
        ({"api_key": KEY, **PAIR}, "api_key"),
        ({"api_key": KEY, "client_id": "x"}, "api_key"),
        ({"client_id": "x"}, "client_secret"),
        ({"client_secret": "x"}, "client_id"),
    ],
)
def test_exactly_one_kind_of_credentials(given: dict[str, Any], path: str) -> None:
    found = findings(given)
    assert [finding.path for finding in found] == [f"voice.palabra.{path}"]
    assert "api_key (plbr_…), or client_id with client_secret" in (found[0].hint or "")


def test_secrets_and_who_dials_by_itself() -> None:
    pair = made(PalabraOptions, PAIR)
    assert pair.secrets == ("the-client", "the-secret")
    assert not pair.dials_directly
    assert made(PalabraOptions, {"api_key": KEY}).dials_directly
    assert not made(PalabraOptions, {"api_key": KEY, "transport": "webrtc"}).dials_directly


def test_the_queue_must_have_room() -> None:
    queue = {"desired_queue_level_ms": 9000, "max_queue_level_ms": 9000, "min_tempo": 1.3, "max_tempo": 1.2}
    assert errors({"api_key": KEY, "queue": queue}) == [
        "voice.palabra.queue.max_queue_level_ms",
        "voice.palabra.queue.max_tempo",
    ]


def test_what_has_no_effect_is_said() -> None:
    assert warnings({**PAIR, "key_in_query": True}) == ["voice.palabra.key_in_query"]
    assert warnings({**PAIR, "transport": "webrtc", "speech_format": "zlib_pcm_s16le"}) == [
        "voice.palabra.speech_format"
    ]
    assert warnings(speech_voice="x", speech_language=None) == ["voice.speech_voice"]
    cloning = {"api_key": KEY, "translation": {"speech_generation": {"voice_cloning": True}}}
    assert warnings(cloning, speech_voice="x") == ["voice.speech_voice"]
    detectable = {"api_key": KEY, "transcription": {"detectable_languages": ["en"]}}
    assert warnings(detectable) == ["voice.palabra.transcription.detectable_languages"]
    assert warnings(detectable, source_language="auto") == []


def test_unknown_languages_are_the_services_business() -> None:
    assert warnings(source_language="xx") == ["voice.source_language"]
    assert warnings(target_languages=("xx",)) == ["voice.target_languages"]
    detectable = {"api_key": KEY, "transcription": {"detectable_languages": ["xx"]}}
    assert warnings(detectable, source_language="auto") == ["voice.palabra.transcription.detectable_languages"]
    assert warnings(target_languages=("en",), speech_language=None) == ["voice.target_languages"]


def test_something_must_be_translated_and_not_too_much() -> None:
    assert errors(target_languages=(), speech_language=None) == ["voice.target_languages"]
    many = ("ar", "az", "be", "bg", "bs", "ca", "cs", "cy", "da", "de", "el", "es", "et", "fi", "fil", "fr")
    assert errors(target_languages=many) == []
    assert errors(target_languages=(*many, "he")) == ["voice.target_languages"]


def test_variants_of_one_language_cannot_be_told_apart() -> None:
    assert errors(target_languages=("pt", "pt-BR"), speech_language="pt-br") == ["voice.target_languages"]


def test_a_voice_is_a_name() -> None:
    assert errors(speech_voice="two words") == ["voice.speech_voice"]
    assert errors(speech_voice="v" * 200) == ["voice.speech_voice"]
    assert findings(speech_voice="default_high") == []


def test_the_spoken_language_is_translated_to_as_well() -> None:
    assert wanted_targets(setup(target_languages=("fr",), speech_language="de")) == ("fr", "de")
    assert wanted_targets(setup(target_languages=("de",), speech_language="DE")) == ("de",)
