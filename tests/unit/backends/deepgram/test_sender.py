"""What goes out and when: paced audio, nothing between utterances, and the end."""

from itertools import pairwise

import pytest

from satellite.backends.base import SessionState
from satellite.backends.deepgram.actions import CONFIGURE, Configure
from satellite.backends.deepgram.pace import CHUNK_S, GATHER_S
from satellite.backends.deepgram.sender import STALLED_S, UNANSWERED_S
from satellite.core.events import SessionEnded, SessionFailed, UtteranceSent, UtteranceSettled
from satellite.errors import ErrorCategory
from tests.unit.backends.deepgram.stage import (
    CLOSE_STREAM,
    FORCE,
    asks,
    audio,
    connected,
    connecting,
    options,
    said,
    sent_s,
    silences,
    streaming,
    texts,
    turn,
)


def test_live_audio_goes_out_in_chunks_of_80_ms() -> None:
    book = streaming().speaks("u1", 2.0)
    lengths = {len(data) / 32 for _, data in audio(book)}
    assert lengths == {CHUNK_S * 1000}
    assert sent_s(book) >= 1.9


def test_what_waits_is_caught_up_below_the_pace_that_is_allowed() -> None:
    book = connecting().waits("u1", 4000).says(connected()).after(2.0)
    times = [at for at, _ in audio(book)]
    assert all(after - before >= CHUNK_S / 1.25 for before, after in pairwise(times))
    assert 2.3 <= sent_s(book) <= 2.0 * 1.25 + CHUNK_S


def test_on_a_long_way_live_audio_keeps_up() -> None:
    book = streaming()
    book.round_trip_s = 0.15
    book.speaks("u1", 5.0)
    assert sent_s(book) >= 4.5


def test_no_audio_before_the_service_is_ready() -> None:
    book = connecting().speaks("u1", 1.0)
    assert audio(book) == []
    book.says(connected())
    assert len(audio(book)) == 1


def test_a_rest_waits_for_more_only_a_moment() -> None:
    book = streaming().hears("u1", 100)
    assert sent_s(book) == CHUNK_S
    book.after(GATHER_S + 0.01)
    assert sent_s(book) == 0.1


def test_the_end_of_an_utterance_sends_its_rest_and_is_told() -> None:
    book = streaming().hears("u1", 100).after(0.1).falls_silent("u1")
    assert sent_s(book) == 0.1
    assert book.all(UtteranceSent) == [UtteranceSent("u1")]
    book.after(6.0)
    assert book.all(UtteranceSettled) == [UtteranceSettled("u1")], "no text: it was no speech"


def test_an_end_that_comes_in_front_of_audio_is_passed() -> None:
    book = connecting().ended_elsewhere("u0").waits("u1", 200).says(connected())
    assert book.all(UtteranceSent) == [UtteranceSent("u0")]


def test_between_utterances_nothing_is_sent() -> None:
    book = said(streaming()).says(turn("EndOfTurn", "Hello there.")).falls_silent("u1").after(0.2)
    count = len(audio(book))
    book.after(50.0)
    assert (len(audio(book)), silences(book)) == (count, [])
    assert book.session.state is SessionState.STREAMING


def test_an_idle_connection_is_ended_in_order() -> None:
    book = said(streaming(idle_close_s=10.0)).says(turn("EndOfTurn", "Hello there.")).falls_silent("u1")
    book.at(10.5)
    assert texts(book, "CloseStream") == []
    book.at(11.5)
    assert len(texts(book, "CloseStream")) == 1
    assert book.closes(1005).all(SessionEnded) == [SessionEnded("idle", expected=True)]


def test_an_utterance_that_stalls_keeps_the_session_for_a_while() -> None:
    book = streaming(idle_close_s=1.0).speaks("u1", 1.0).at(STALLED_S - 1)
    assert texts(book, "CloseStream") == []
    assert len(texts(book.at(STALLED_S + 2), "CloseStream")) == 1


def test_a_service_that_says_nothing_about_audio_is_left() -> None:
    book = streaming().speaks("u1", UNANSWERED_S - 1)
    assert book.all(SessionFailed) == []
    book.speaks("u1", 2.0)
    (failure,) = book.all(SessionFailed)
    assert (failure.category, failure.detail) == (ErrorCategory.SERVER, "the service said nothing about 10 s of audio")


def test_a_service_that_says_something_now_and_then_is_not() -> None:
    book = streaming()
    for _ in range(4):
        book.speaks("u1", UNANSWERED_S - 1).says(turn("Update", "", end_s=sent_s(book)))
    assert book.all(SessionFailed) == []


# --- finish ------------------------------------------------------------------------------------------------------


def test_finishing_ends_the_turn_first_and_then_the_connection() -> None:
    book = said(streaming()).falls_silent("u1").finish()
    assert book.all(type(FORCE))[-1] == FORCE
    book.says(turn("EndOfTurn", "Hello there.", trigger="manual"))
    assert [seen.what for seen in book.history if seen.what == CLOSE_STREAM] == [CLOSE_STREAM]
    assert book.session.state is SessionState.ENDING


def test_finishing_in_mid_utterance_ends_the_turn_too() -> None:
    book = said(streaming()).finish()
    assert len(texts(book, "ForceEndTurn")) == 1


def test_finishing_waits_for_a_forced_end_no_longer_than_a_while() -> None:
    book = said(streaming()).falls_silent("u1").finish().after(2.1)
    assert len(texts(book, "CloseStream")) == 1
    assert silences(book) == [], "what was said last is the text"


def test_finishing_sends_what_waits() -> None:
    book = connecting().waits("u1", 500).finish().says(connected()).after(1.0)
    assert sent_s(book) == 0.5
    assert len(texts(book, "CloseStream")) == 1


@pytest.mark.parametrize("seconds", [0.0, 1.0])
def test_a_pump_in_any_other_state_sends_nothing(seconds: float) -> None:
    book = connecting().after(seconds).hears("u1")
    assert audio(book) == []


# --- ends of its own ---------------------------------------------------------------------------------------------


def test_a_session_makes_room_for_the_next_when_all_is_said() -> None:
    book = said(streaming(options(eager_eot_threshold=0.5))).says(turn("EndOfTurn", "Hello there."))
    asks(book, CONFIGURE, Configure(eager_eot_threshold=0.0)).falls_silent("u1")
    assert texts(book, "CloseStream") == []
    book.after(1.5)
    assert book.all(UtteranceSettled) == [UtteranceSettled("u1")]
    assert book.closes(1005).all(SessionEnded) == [SessionEnded("renewed", expected=True)]


def test_a_turn_that_never_ends_ends_the_session() -> None:
    book = said(streaming(options(eot_timeout_ms=500, force_end_turn=False))).falls_silent("u1").after(3.0)
    assert len(texts(book, "CloseStream")) == 1
    assert book.closes(1005).all(SessionEnded) == [SessionEnded("concluded", expected=True)]
