import json
from typing import Any

import pytest

from satellite.backends.deepgram.messages import (
    MAX_TEXT_CHARACTERS,
    ConfigureFailure,
    ConfigureSuccess,
    Connected,
    Ignored,
    Malformed,
    ServiceError,
    ServiceWarning,
    TurnInfo,
    configure,
    decode,
)
from tests.unit.backends.deepgram.stage import REQUEST_ID, connected, error, message, turn, warning, words


def turn_info(**members: Any) -> TurnInfo:
    info = decode(message("TurnInfo", **members))
    assert isinstance(info, TurnInfo)
    return info


def test_a_turn_as_it_is_published() -> None:
    spans = words(("Turn", 0.48, 0.68), ("off", 0.7, 0.9))
    said = decode(turn("EndOfTurn", "Turn off", 3, 0.2, 1.84, words=spans, languages=["en", "de"], trigger="model"))
    assert said == TurnInfo("EndOfTurn", 3, "Turn off", (0.2, 1.84), (0.48, 0.9), "en")


def test_what_is_missing_is_nothing() -> None:
    assert turn_info() == TurnInfo("", None, None, None, None, None)


def test_numbers_may_be_written_as_text() -> None:
    spans = [{"word": "a", "start": "0.1", "end": "0.2"}]
    info = turn_info(turn_index="2", audio_window_start="0.0", audio_window_end="1.5", words=spans)
    assert (info.index, info.window_s, info.words_s) == (2, (0.0, 1.5), (0.1, 0.2))


@pytest.mark.parametrize("number", ["x", True, None, [1], float("inf"), -1, "nan", 10**400])
def test_what_is_no_number_is_nothing(number: object) -> None:
    info = turn_info(turn_index=number, audio_window_start=number, audio_window_end=1)
    assert (info.index, info.window_s) == (None, None)


def test_times_are_never_nonsense() -> None:
    info = turn_info(turn_index=1e300, audio_window_start=5, audio_window_end=1e300, words=words(("a", 3.0, 2.0)))
    assert info == TurnInfo("", 2**53, None, (5.0, 1e9), (3.0, 3.0), None)
    assert turn_info(audio_window_start=5, audio_window_end=1).window_s == (5.0, 5.0)


@pytest.mark.parametrize(
    "broken", [None, [], "words", [1], [{"start": 1}], [{"word": "a", "start": 0.1}, {"word": "b", "start": 0.2}]]
)
def test_words_without_times_say_nothing_of_them(broken: object) -> None:
    assert turn_info(words=broken).words_s is None


@pytest.mark.parametrize("languages", [None, [], "de", [7], ["d e"]])
def test_a_language_is_only_a_tag(languages: object) -> None:
    assert turn_info(languages=languages).language is None


def test_a_text_has_an_end() -> None:
    assert len(str(turn_info(transcript="x" * 100_000).text)) == MAX_TEXT_CHARACTERS


def test_the_other_messages() -> None:
    assert decode(connected()) == Connected(REQUEST_ID)
    assert decode(message("Connected", request_id="two\nlines")) == Connected(None)
    assert decode(message("ConfigureSuccess", keyterms=[])) == ConfigureSuccess()
    assert decode(message("ConfigureFailure", code="BAD", description="no")) == ConfigureFailure("BAD: no")
    assert decode(message("ConfigureFailure")) == ConfigureFailure("")
    assert decode(warning()) == ServiceWarning("FORCE_END_TURN_NO_ACTIVE_TURN")
    assert decode(error("X", description="d" * 1000)) == ServiceError("X", f"X: {'d' * 1000}"[:500])
    assert decode(message("FatalError", description=7)) == ServiceError(None, "")


@pytest.mark.parametrize("text", ["{}", '{"type":"Surprise"}', '{"type":["TurnInfo"]}'])
def test_an_unknown_message_is_left_out(text: str) -> None:
    assert decode(text) == Ignored()


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (b"{}", "a BINARY message where JSON was expected"),
        ("{", "a message that is no JSON"),
        ("[" * 100_000, "a message that is no JSON"),
        ('["TurnInfo"]', "a message that is no object"),
    ],
)
def test_what_is_no_message_is_told_apart(data: str | bytes, detail: str) -> None:
    assert decode(data) == Malformed(detail)


def test_settings_are_sent_as_they_are() -> None:
    assert json.loads(configure({"keyterms": ["a"], "numerals": True}).text) == {
        "type": "Configure",
        "keyterms": ["a"],
        "numerals": True,
    }
