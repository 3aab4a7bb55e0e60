"""How a turn is brought to its end when no more speech comes."""

import pytest

from satellite.backends.deepgram.closing import ANSWER_S, DANGLING_S, HOLD_S, MARGIN_MS
from satellite.backends.deepgram.force import ANSWER_S as FORCE_ANSWER_S
from satellite.backends.deepgram.manners import Manners
from satellite.core.events import SessionEnded, UtteranceSettled
from tests.fakes.playbook import Playbook
from tests.unit.backends.deepgram.stage import (
    CLOSE_STREAM,
    FORCE,
    audio,
    concluded,
    error,
    options,
    said,
    sent_s,
    silences,
    streaming,
    turn,
    warning,
)

SHORT = options(eot_timeout_ms=500)
MANUAL = Manners(forces_turns=False)


def forces(book: Playbook) -> list[float]:
    return [seen.at for seen in book.history if seen.what == FORCE]


def closes(book: Playbook) -> list[float]:
    return [seen.at for seen in book.history if seen.what == CLOSE_STREAM]


def test_a_turn_that_is_open_when_the_gate_closes_is_ended_at_once() -> None:
    book = said(streaming(), seconds=1.0).falls_silent("u1")
    assert forces(book) == [book.now]
    book.says(turn("EndOfTurn", "Hello there.", trigger="manual")).after(5.0)
    assert (forces(book), silences(book)) == ([1.25], [])
    assert book.all(UtteranceSettled) == [UtteranceSettled("u1")]


def test_a_turn_that_has_ended_by_itself_is_left_alone() -> None:
    book = said(streaming()).says(turn("EndOfTurn", "Hello there.")).falls_silent("u1").after(10.0)
    assert (forces(book), silences(book)) == ([], [])


def test_what_the_service_has_not_heard_yet_is_waited_for() -> None:
    book = streaming().speaks("u1", 2.0).says(turn("StartOfTurn", "Hello", end_s=1.0)).falls_silent("u1").after(0.1)
    assert forces(book) == []
    book.says(turn("Update", "Hello there.", end_s=sent_s(book)))
    assert forces(book) == [book.now]


def test_it_is_waited_for_no_longer_than_a_while() -> None:
    book = streaming().speaks("u1", 2.0).says(turn("StartOfTurn", "Hello", end_s=1.0)).falls_silent("u1")
    book.after(HOLD_S + 0.3)
    assert forces(book) == [pytest.approx(2.0 + HOLD_S, abs=0.2)]


def test_a_turn_that_opens_after_the_gate_has_closed_is_ended_too() -> None:
    book = streaming().speaks("u1", 1.0).falls_silent("u1").after(1.0)
    assert forces(book) == []
    book.says(turn("StartOfTurn", "Hello", end_s=sent_s(book)))
    assert forces(book) == [book.now]


def test_speech_that_goes_on_at_once_goes_on_in_its_turn() -> None:
    book = streaming().speaks("u1", 2.0).says(turn("StartOfTurn", "Hello", end_s=1.0)).falls_silent("u1")
    book.speaks("u2", 1.0)
    assert forces(book) == []
    book.falls_silent("u2").after(0.1).says(turn("Update", "Hello there", end_s=sent_s(book)))
    assert len(forces(book)) == 1


def test_a_turn_forced_in_vain_is_ended_by_silence_in_real_time() -> None:
    book = said(streaming(SHORT)).falls_silent("u1").after(FORCE_ANSWER_S - 0.1)
    assert silences(book) == []
    book.after(1.0)
    assert 8 <= len(silences(book)) <= 12
    gaps = [after - before for before, after in zip(silences(book), silences(book)[1:], strict=False)]
    assert all(gap == pytest.approx(0.08) for gap in gaps)
    count = len(silences(book))
    book.says(turn("EndOfTurn", "Hello there.", trigger="timeout")).after(5.0)
    assert len(silences(book)) == count


def test_silence_has_an_end_and_so_has_the_wait() -> None:
    book = said(streaming(SHORT, MANUAL)).falls_silent("u1").after(20.0)
    assert forces(book) == []
    assert sum(len(data) for _, data in audio(book) if not any(data)) / 32 == pytest.approx(500 + MARGIN_MS, abs=80)
    assert closes(book) == [pytest.approx(silences(book)[-1] + 0.08 + ANSWER_S)]
    assert [segment.text for segment in concluded(book)] == [" Hello there."]
    assert book.all(SessionEnded) == [SessionEnded("unconfirmed", expected=True)]


def test_where_it_cannot_be_forced_silence_comes_at_once() -> None:
    for book in (said(streaming(SHORT, MANUAL)), said(streaming(options(force_end_turn=False)))):
        book.falls_silent("u1").after(0.5)
        assert (forces(book), len(silences(book)) >= 4) == ([], True)


def test_a_turn_of_which_the_service_says_that_there_is_none_is_concluded() -> None:
    book = said(streaming()).falls_silent("u1").says(warning()).after(0.5)
    assert concluded(book) == [], "its end may have crossed with the warning"
    book.after(ANSWER_S)
    assert (silences(book), len(closes(book))) == ([], 1)
    assert [segment.text for segment in concluded(book)] == [" Hello there."]


def test_an_end_that_crossed_with_the_warning_counts() -> None:
    book = said(streaming()).falls_silent("u1").says(warning()).says(turn("EndOfTurn", "Hello there!")).after(5.0)
    assert [segment.text for segment in concluded(book)] == [" Hello there!"]
    assert closes(book) == []
    book.speaks("u2", 1.0).falls_silent("u2").after(0.1).says(turn("StartOfTurn", "Yes", index=1, end_s=sent_s(book)))
    assert len(forces(book)) == 2


def test_a_deployment_that_does_not_understand_force_costs_one_connection() -> None:
    manners = Manners()
    book = said(streaming(manners=manners)).falls_silent("u1").says(error("UNPARSABLE_CLIENT_MESSAGE"))
    assert [segment.text for segment in concluded(book)] == [" Hello there."]
    assert book.all(UtteranceSettled) == [UtteranceSettled("u1")]
    assert not manners.forces_turns


def test_audio_that_stays_away_in_mid_utterance_is_replaced_by_silence() -> None:
    book = said(streaming(SHORT)).after(DANGLING_S - 0.05)
    assert silences(book) == []
    book.after(0.5)
    assert len(silences(book)) >= 4
    assert forces(book) == []
    count = len(silences(book))
    book.speaks("u1", 1.0)
    assert len(silences(book)) <= count + 2, "but for the moment until it came"
    book.after(20.0)
    assert sum(len(data) for _, data in audio(book) if not any(data)) / 32 <= 2 * (500 + MARGIN_MS + 80)
    assert len(closes(book)) == 1


def test_no_silence_without_a_turn() -> None:
    book = streaming().speaks("u1", 1.0).after(20.0)
    assert silences(book) == []
