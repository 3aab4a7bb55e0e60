"""Turns in audio time: when they begin and end, and what is said of them."""

from typing import Any

import pytest

from satellite.emulator.deepgram.controls import UnparsableError, parse
from satellite.emulator.deepgram.dress import dress
from satellite.emulator.deepgram.pace import PaceRule
from satellite.emulator.deepgram.query import QueryError, parse_query
from satellite.emulator.deepgram.script import Event, Script
from satellite.emulator.deepgram.settings import DeepgramLimits, DeepgramVariants
from satellite.emulator.recogniser import HeardWord
from satellite.emulator.stalls import Stalls

PCM = [("model", "flux-general-en"), ("encoding", "linear16"), ("sample_rate", "16000")]


def script(variants: DeepgramVariants | None = None, **query: str) -> Script:
    return Script("en", parse_query([*PCM, *query.items()]), variants or DeepgramVariants())


def word(text: str, end_ms: int) -> HeardWord:
    return HeardWord(text, end_ms - 100, end_ms, (0, 0))


def told(events: list[Event]) -> list[tuple[str, str]]:
    return [(event["event"], event["transcript"]) for event in events]


def test_a_forced_end_leaves_out_what_was_not_told() -> None:
    turns = script()
    assert told(turns.audio([word("Turn", 500)], 520, is_mid_word=False)) == [("StartOfTurn", "Turn")]
    assert turns.audio([word("off", 600)], 620, is_mid_word=False) == []
    ended = turns.force()
    assert ended is not None
    assert told(ended) == [("EndOfTurn", "Turn")]
    assert turns.force() is None
    assert [turn.trigger for turn in turns.concluded] == ["manual"]


def test_the_model_is_surer_behind_a_sentence_and_never_quite_sure() -> None:
    for text, silence_ms in (("Yes.", 310), ("Yes", 1_450)):
        turns = script(eot_timeout_ms="60000")
        turns.audio([word(text, 500)], 500, is_mid_word=False)
        assert told(turns.audio([], 490 + silence_ms - 50, is_mid_word=False))[-1:] in ([], [("Update", text)])
        assert told(turns.audio([], 500 + silence_ms, is_mid_word=False)) == [("EndOfTurn", text)]
    turns = script(eot_threshold="1.0", eot_timeout_ms="60000")
    turns.audio([word("Yes.", 500)], 500, is_mid_word=False)
    assert told(turns.audio([], 50_000, is_mid_word=False)) == [("Update", "Yes.")]
    assert told(turns.audio([], 60_500, is_mid_word=False)) == [("EndOfTurn", "Yes.")]


def test_within_a_word_no_turn_ends() -> None:
    turns = script()
    turns.audio([word("Yes.", 500)], 500, is_mid_word=False)
    assert told(turns.audio([], 2_000, is_mid_word=True)) == [("Update", "Yes.")]


def test_the_next_turn_has_the_next_number_and_window() -> None:
    turns = script()
    turns.audio([word("Yes.", 500)], 500, is_mid_word=False)
    (end,) = turns.audio([], 900, is_mid_word=False)
    (start,) = turns.audio([word("No.", 1_500)], 1_500, is_mid_word=False)
    assert (end["turn_index"], end["audio_window_start"], end["audio_window_end"]) == (0, 0.0, 0.9)
    assert (start["turn_index"], start["audio_window_start"], start["audio_window_end"]) == (1, 0.9, 1.5)


def test_the_end_of_the_stream_tells_the_rest() -> None:
    turns = script()
    turns.audio([word("Turn", 500)], 520, is_mid_word=False)
    assert told(turns.finish([word("off", 600)])) == [("Update", "Turn off")]
    assert turns.finish([]) == []


def test_numbers_as_text_go_all_the_way_down() -> None:
    message: dict[str, Any] = {"a": 1, "b": [0.5, {"c": True}], "d": "x"}
    assert dress(message, DeepgramVariants(text_numbers=True)) == {"a": "1", "b": ["0.5", {"c": True}], "d": "x"}
    assert dress(message, DeepgramVariants()) == message


def test_the_pace_is_told_once_for_each_offence() -> None:
    rule = PaceRule(DeepgramLimits(jitter_s=0.0), Stalls())
    assert [rule.chunk(100, 0.0) for _ in range(5)] == [None] * 5
    assert rule.chunk(100, 0.0) == "100 ms more than 0.5 s ahead of 1.25 times real time"
    assert rule.chunk(100, 0.08) is None
    assert rule.chunk(100, 10.0) is None
    assert rule.pacing.longest_gap_s == pytest.approx(9.92)


def test_a_stall_of_the_double_is_no_fault_of_the_client() -> None:
    stalls = Stalls()
    stalls.start(0.0)
    rule = PaceRule(DeepgramLimits(jitter_s=0.0), stalls)
    rule.chunk(500, 0.0)
    stalls.beat(1.022)
    assert rule.chunk(1_250, 1.022) is None


@pytest.mark.parametrize("text", ["{", "[]", '{"type": 7}', '{"type":"CloseStream","x":1}'])
def test_control_messages_are_a_strict_enumeration(text: str) -> None:
    with pytest.raises(UnparsableError):
        parse(text)


def test_a_container_is_declared_by_nothing() -> None:
    assert parse_query([("model", "flux-general-multi")]).media == "audio/auto"
    with pytest.raises(QueryError, match="raw audio needs sample_rate"):
        parse_query([("model", "flux-general-en"), ("encoding", "mulaw")])
