from dataclasses import dataclass
from typing import Any

import pytest

from satellite.backends.base import Finding, Severity
from satellite.backends.deepl.options import DeepLOptions, check
from tests.fakes.sections import RefusedError, made
from tests.unit.backends.deepl.stage import KEY, options


@dataclass
class Voice:
    source_language: str = "en"
    target_languages: tuple[str, ...] = ("de",)
    speech_language: str | None = None
    speech_voice: str | None = None


def findings(voice: Voice, **changes: Any) -> list[Finding]:
    return check(options(**changes), voice)


def only(found: list[Finding]) -> tuple[str, Severity]:
    assert len(found) == 1, found
    return found[0].path, found[0].severity


def test_a_key_is_enough() -> None:
    usable = made(DeepLOptions, {"api_key": f" {KEY}\n"})
    assert usable.api_key.get_secret_value() == KEY
    assert usable.base_url == "https://api.deepl.com"
    assert (usable.message_format, usable.source_media) == ("msgpack", "pcm")
    assert usable.speech_media == "audio/pcm;encoding=s16le;rate=24000"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"api_key": "1234:fx"}, "API Free plan"),
        ({"api_key": "two words"}, "printable ASCII"),
        ({"api_key": ""}, "printable ASCII"),
        ({"base_url": "http://api.deepl.com"}, "loopback addresses only"),
        ({"base_url": "https://api-free.deepl.com"}, "without Voice"),
        ({"base_url": "https://api-us.deepl.com"}, "without Voice"),
        ({"base_url": "wss://api.deepl.com"}, "plain address"),
        ({"base_url": "https://api.deepl.com?x=1"}, "plain address"),
        ({"base_url": "api.deepl.com"}, "plain address"),
        ({"message_format": "xml"}, "msgpack"),
        ({"source_media": "flac"}, "pcm"),
        ({"speech_media": "audio/pcm;encoding=s16le;rate=48000"}, "audio/flac"),
        ({"formality": "prefer_more"}, "formal"),
        ({"glossary_ids": ["a", "b", "a"]}, "twice"),
        ({"glossary_ids": [str(n) for n in range(11)]}, "at most 10"),
        ({"glossary_ids": [""]}, "pattern"),
        ({"spoken_terms_id": "a b"}, "pattern"),
        ({"reporting_tag": "two words"}, "1 to 100 ASCII"),
        ({"reporting_tag": "x" * 101}, "1 to 100 ASCII"),
        ({"reporting_tag": " "}, "1 to 100 ASCII"),
        ({"glossary_id": "a"}, "unknown key"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_reason(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(RefusedError, match=says):
        options(**changes)


def test_the_key_is_never_shown() -> None:
    with pytest.raises(RefusedError) as caught:
        options(api_key="secret:fx")
    assert "secret" not in str(caught.value)
    assert KEY not in repr(options())


@pytest.mark.parametrize("url", ["http://127.0.0.1:8081/", "http://localhost:9", "https://api.deepl.com/"])
def test_a_base_url_loses_its_last_slash(url: str) -> None:
    assert options(base_url=url).base_url == url.rstrip("/")


def test_a_reporting_tag_is_trimmed() -> None:
    assert options(reporting_tag=" Kitchen ").reporting_tag == "Kitchen"
    assert options(reporting_tag=None).reporting_tag is None


@pytest.mark.parametrize(
    ("configured", "language", "mode"),
    [(None, "en", "fixed"), (None, "auto", "auto"), ("auto", "en", "auto"), ("fixed", "en", "fixed")],
)
def test_a_named_language_is_fixed_unless_said(configured: Any, language: str, mode: str) -> None:
    assert options(source_language_mode=configured).mode_for(language) == mode


def test_the_ordinary_case_has_no_findings() -> None:
    assert findings(Voice(target_languages=("de", "fr"), speech_language="de", speech_voice="male")) == []
    assert findings(Voice(source_language="auto", target_languages=())) == []


def test_at_most_five_targets_the_spoken_one_included() -> None:
    five = ("de", "fr", "it", "es", "nl")
    assert findings(Voice(target_languages=five, speech_language="DE")) == []
    assert only(findings(Voice(target_languages=five, speech_language="pl"))) == (
        "voice.target_languages",
        Severity.ERROR,
    )


@pytest.mark.parametrize(
    ("voice", "changes", "path", "severity"),
    [
        (Voice(source_language="auto"), {"source_language_mode": "fixed"}, "source_language", Severity.ERROR),
        (Voice(source_language="auto"), {"glossary_ids": ["g"]}, "source_language", Severity.WARNING),
        (Voice(source_language="ar"), {"source_language_mode": "auto"}, "source_language", Severity.ERROR),
        (Voice(source_language="xx"), {}, "source_language", Severity.WARNING),
        (Voice(target_languages=("en-AU",)), {}, "target_languages", Severity.WARNING),
        (Voice(target_languages=("EN",)), {}, "target_languages", Severity.WARNING),
        (Voice(speech_language="et"), {}, "speech_language", Severity.ERROR),
        (Voice(speech_language="xx"), {}, "speech_language", Severity.WARNING),
        (Voice(speech_language="de", speech_voice="robot"), {}, "speech_voice", Severity.ERROR),
        (Voice(speech_voice="male"), {}, "speech_voice", Severity.WARNING),
    ],
)
def test_combinations(voice: Voice, changes: dict[str, Any], path: str, severity: Severity) -> None:
    assert only(findings(voice, **changes)) == (f"voice.{path}", severity)


def test_a_language_that_cannot_be_detected_is_fine_when_named() -> None:
    assert findings(Voice(source_language="ar")) == []
