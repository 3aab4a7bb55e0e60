"""What is said about turns, as text: replaced and never added to, concluded once."""

from typing import Any

import pytest

from satellite.backends.base import SendBytes, SessionCounters
from satellite.backends.deepgram.messages import TurnInfo
from satellite.backends.deepgram.turns import Turns
from satellite.backends.lifecycle import Lifecycle
from satellite.backends.line import Line
from satellite.backends.progress import Progress
from satellite.core.events import AudioLost, TranscriptUpdated, UtteranceSettled
from satellite.core.timeline import Timeline
from tests.fakes.playbook import WALL_S, Playbook
from tests.unit.backends.deepgram.stage import (
    concluded,
    options,
    said,
    sent_s,
    setup,
    streaming,
    tentative,
    turn,
    words,
)


def spoken(**changes: Any) -> Playbook:
    """A second of speech, about which nothing was said yet."""
    return streaming(**changes).speaks("u1", 1.0).skip()


def test_the_text_of_a_turn_is_said_again_as_a_whole() -> None:
    book = spoken().says(turn("Update", "")).says(turn("StartOfTurn", "Turn")).says(turn("Update", "Turn off the"))
    book.says(turn("Update", "Turn off the")).says(turn("EndOfTurn", "Turn off the lamp.", trigger="model"))
    assert tentative(book) == ["Turn", "Turn off the", ""]
    (segment,) = concluded(book)
    assert (segment.text, segment.language, segment.utterance_id) == (" Turn off the lamp.", "en", "u1")


def test_a_turn_that_goes_on_after_an_early_guess() -> None:
    book = spoken().says(turn("StartOfTurn", "Turn off")).says(turn("EagerEndOfTurn", "Turn off"))
    book.says(turn("TurnResumed", "Turn off")).says(turn("Update", "Turn off it"))
    book.says(turn("EagerEndOfTurn", "Turn off it")).says(turn("EndOfTurn", "Turn off it"))
    assert tentative(book) == ["Turn off", "Turn off it", ""]
    assert [segment.text for segment in concluded(book)] == [" Turn off it"]


def test_an_event_of_a_name_to_come_is_an_update() -> None:
    book = (
        spoken()
        .says(turn("StartOfTurn", "Turn"))
        .says(turn("Refinement", "Turn it"))
        .says(turn("EndOfTurn", "Turn it"))
    )
    assert tentative(book) == ["Turn", "Turn it", ""]


def test_text_without_a_beginning_is_a_turn_all_the_same() -> None:
    book = spoken().says(turn("Update", "Turn"))
    assert tentative(book) == ["Turn"]
    assert [segment.text for segment in concluded(book.says(turn("EndOfTurn", "Turn.")))] == [" Turn."]


def test_an_end_says_whole_what_nothing_was_said_of_before() -> None:
    assert [segment.text for segment in concluded(spoken().says(turn("EndOfTurn", "Yes.")))] == [" Yes."]


def test_an_end_without_its_text_concludes_what_was_said_last() -> None:
    book = spoken().says(turn("StartOfTurn", "Yes")).says(turn("EndOfTurn"))
    assert [segment.text for segment in concluded(book)] == [" Yes"]


def test_an_empty_end_takes_the_text_back() -> None:
    book = spoken().says(turn("StartOfTurn", "Hm")).says(turn("EndOfTurn", ""))
    assert (tentative(book), concluded(book)) == (["Hm", ""], [])
    assert len(book.says(turn("EndOfTurn", "", index=1)).all(TranscriptUpdated)) == 2


def test_no_turn_ends_twice() -> None:
    book = spoken().says(turn("EndOfTurn", "Yes.")).says(turn("EndOfTurn", "Yes!")).says(turn("Update", "Yes"))
    assert [segment.text for segment in concluded(book)] == [" Yes."]
    assert book.session.counters.ignored_messages == 2


def test_a_turn_whose_end_never_came_is_concluded_by_the_next_one() -> None:
    book = spoken().says(turn("StartOfTurn", "One")).says(turn("StartOfTurn", "Two", index=1))
    assert [segment.text for segment in concluded(book)] == [" One"]
    assert tentative(book) == ["One", "", "Two"]


def test_events_without_a_number_are_about_the_present_turn() -> None:
    book = spoken().says(turn("StartOfTurn", "One", None)).says(turn("EndOfTurn", "One.", None))
    book.says(turn("StartOfTurn", "Two", None)).says(turn("EndOfTurn", "Two.", None))
    assert [segment.text for segment in concluded(book)] == [" One.", " Two."]


# --- times -------------------------------------------------------------------------------------------------------


def times(book: Playbook) -> tuple[float, float]:
    """Of the concluded segment, in seconds since the play began."""
    (segment,) = concluded(book)
    return round(segment.start_s - WALL_S, 3), round(segment.end_s - WALL_S, 3)


def test_words_say_when_they_were_spoken() -> None:
    spans = words(("Turn", 0.3, 0.4), ("off", 0.5, 0.7))
    book = spoken().says(turn("EndOfTurn", "Turn off", end_s=0.96, words=spans))
    assert times(book) == (0.4, 0.8), "what was heard first was spoken at 0.1 s"


def test_without_times_of_words_a_turn_began_shortly_before_it_was_heard_of() -> None:
    book = spoken().says(turn("StartOfTurn", "Turn", end_s=0.5)).says(turn("Update", "Turn off", end_s=0.7))
    book.says(turn("Update", "Turn off", end_s=0.9)).says(turn("EndOfTurn", "Turn off", end_s=0.95))
    assert times(book) == (0.35, 0.8)


def test_a_turn_begins_no_earlier_than_its_window() -> None:
    book = spoken().says(turn("StartOfTurn", "Turn", start_s=0.4, end_s=0.5)).says(turn("EndOfTurn", "Turn", end_s=0.9))
    assert times(book) == (0.5, 0.6)


def test_without_any_times_text_is_put_to_the_first_audio() -> None:
    book = spoken().says('{"type":"TurnInfo","event":"EndOfTurn","transcript":"Yes."}')
    assert times(book) == (0.1, 0.1)


def test_text_of_a_later_utterance_has_its_time_and_its_utterance() -> None:
    book = spoken().falls_silent("u1").at(20.0).speaks("u2", 1.0)
    spans = words(("Yes.", 1.2, 1.5))
    book.says(turn("EndOfTurn", "Yes.", start_s=0.96, end_s=sent_s(book), words=spans))
    assert times(book) == pytest.approx((20.3, 20.6), abs=0.02)
    assert concluded(book)[0].utterance_id == "u2"


# --- languages ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "heard", "told"),
    [
        ("de-AT", ["de"], "de-AT"),
        ("de", ["en"], "en"),
        ("de", [], "de"),
        ("auto", ["fr"], "fr"),
        ("auto", [], "und"),
        ("en", None, "en"),
    ],
)
def test_the_language_is_the_one_heard_as_it_is_configured(source: str, heard: list[str] | None, told: str) -> None:
    more: dict[str, Any] = {} if heard is None else {"languages": heard}
    book = spoken(source_language=source).says(turn("StartOfTurn", "Ja", **more)).says(turn("EndOfTurn", "Ja"))
    assert [segment.language for segment in concluded(book)] == [told]


def test_hints_are_spelled_as_they_are_configured() -> None:
    book = streaming(options(language_hints=["pt-BR"]), source_language="de").speaks("u1", 1.0)
    assert [each.language for each in concluded(book.says(turn("EndOfTurn", "Sim", languages=["pt"])))] == ["pt-BR"]


def test_japanese_has_no_blanks() -> None:
    book = spoken(source_language="ja").says(turn("EndOfTurn", "はい。"))
    assert [segment.text for segment in concluded(book)] == ["はい。"]


# --- the end of a connection -------------------------------------------------------------------------------------


def test_what_is_left_of_a_turn_is_told_once_as_concluded() -> None:
    book = said(streaming(), "Turn off", 1.0).closes(1006)
    assert [segment.text for segment in concluded(book)] == [" Turn off"]
    assert book.all(UtteranceSettled) == [], "the next session may have more of it"


def test_an_utterance_that_was_sent_in_whole_is_settled_at_the_end() -> None:
    book = said(streaming(), "Turn off", 1.0).falls_silent("u1").closes(1006)
    assert book.all(UtteranceSettled) == [UtteranceSettled("u1")]
    assert concluded(book)[0].utterance_id == "u1"


def test_audio_that_the_service_has_not_listened_to_is_lost() -> None:
    book = streaming().speaks("u1", 1.0).says(turn("Update", "", end_s=0.25)).closes(1006)
    assert sum(lost.samples for lost in book.all(AudioLost)) == round((sent_s(book) - 0.25) * 16_000)


def test_it_is_known_since_when_a_turn_is_open() -> None:
    turns = Turns(Line(setup(), Lifecycle(), SessionCounters(), Timeline(), Progress(), SendBytes), ("en",))
    assert (turns.is_open, turns.opened_at) == (False, 0.0)
    turns.take(TurnInfo("StartOfTurn", 0, "Hi", (0.0, 1.0), None, None), 7.0)
    assert (turns.is_open, turns.opened_at, turns.heard_s) == (True, 7.0, 1.0)
