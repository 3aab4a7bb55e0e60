"""What goes out, when: pace, tail, keep-alive, the end, and what is lost with a connection."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from satellite.backends.base import SessionState
from satellite.backends.deepl.timers import GATHER_S, RENEW_AT_LATEST_S, RENEW_S
from satellite.core.events import AudioLost, SessionEnded, UtteranceSent, UtteranceSettled
from tests.fakes.playbook import Playbook
from tests.unit.backends.deepl.stage import (
    END,
    Chunk,
    HoldingEncoder,
    PcmEncoder,
    answered,
    chunks,
    end_of,
    new_play,
    resumed,
    said_and_answered,
    segment,
    silences,
    source,
    spoken,
    streaming,
    ticket,
)


def ends(book: Playbook) -> list[float]:
    return [seen.at for seen in book.history if seen.what == END]


# --- pace ------------------------------------------------------------------------------------------------------


def test_live_audio_goes_out_two_blocks_at_a_time() -> None:
    book = streaming().speaks("u1", 0.9)
    sent = [(round(chunk.at, 3), round(chunk.seconds, 3)) for chunk in chunks(book)]
    assert sent == [(0.1, 0.1), (0.3, 0.2), (0.5, 0.2), (0.7, 0.2), (0.9, 0.2)]


def test_what_is_too_short_for_a_chunk_goes_out_when_no_more_comes() -> None:
    book = streaming().speaks("u1", 1.0)
    assert book.backlog.samples == 1600
    book.after(GATHER_S)
    assert [round(chunk.at, 3) for chunk in chunks(book)][-1] == 1.9
    book.hears("u1").after(0.2).falls_silent("u1")
    assert [round(chunk.at, 3) for chunk in chunks(book)][-1] == 2.2


def test_what_waited_is_merged_and_caught_up_at_one_and_a_half_times_real_time() -> None:
    book = new_play().waits("u1", 1000).start().answers(200, ticket()).opens().at(1.0)
    sent = spoken(book)
    assert [chunk.seconds for chunk in sent] == [0.25] * 4
    assert [round(after.at - before.at, 4) for before, after in pairwise(sent)] == [0.1667] * 3


def test_utterances_are_not_merged() -> None:
    book = streaming().waits("u1", 60)
    book.backlog.end_utterance("u1")
    book.hears("u2", 60).falls_silent("u2").at(0.2)
    assert [round(chunk.seconds, 3) for chunk in spoken(book)] == [0.06, 0.06]
    assert book.times(UtteranceSent) == [pytest.approx(0.05), pytest.approx(0.05)]


def test_marks_alone_are_passed_at_once() -> None:
    book = streaming().hears("u1", 100).falls_silent("u1")
    assert book.times(UtteranceSent) == [0.0]


def test_a_stalled_clock_does_not_make_a_burst() -> None:
    book = streaming().hears("u1", 100).waits("u1", 2000).stalls_until(5.0).at(5.51)
    late = spoken(book)[1:]
    assert [round(chunk.at, 3) for chunk in late] == [5.0, 5.167, 5.333, 5.5]


# --- tail and settling -------------------------------------------------------------------------------------------


def test_no_tail_is_sent_when_all_is_concluded_and_quiet_settles() -> None:
    book = said_and_answered().at(5.0)
    assert silences(book) == []
    assert book.times(UtteranceSettled) == [pytest.approx(2.0, abs=0.05)]


def test_tentative_text_gets_silence_until_it_is_concluded() -> None:
    book = streaming().speaks("u1", 1.0).says(source([], [segment("Hello", 0, 900)])).falls_silent("u1")
    answered(book.at(1.65)).at(5.0)
    assert [round(at, 2) for at in silences(book)] == [1.13, 1.23, 1.33, 1.43, 1.53, 1.63]
    assert book.times(UtteranceSettled) == [pytest.approx(2.65, abs=0.05)]
    assert ends(book) == []


def test_text_that_stays_tentative_is_concluded_by_ending_the_stream() -> None:
    book = streaming().speaks("u1", 1.0).says(source([], [segment("Hello", 0, 900)])).falls_silent("u1").at(3.0)
    assert len(silences(book)) == 15
    assert ends(book) == [pytest.approx(2.6, abs=0.05)]
    answered(book).says(end_of("stream"))
    assert book.all(UtteranceSettled) == [UtteranceSettled("u1")]
    assert book.all(SessionEnded) == [SessionEnded("concluded", expected=True)]


def test_what_was_no_speech_gets_one_tail_and_is_settled() -> None:
    book = streaming().speaks("u1", 1.0).falls_silent("u1").at(8.0)
    assert len(silences(book)) == 15
    assert book.times(UtteranceSettled) == [pytest.approx(6.0, abs=0.05)]
    assert ends(book) == []


def test_new_speech_interrupts_the_tail_and_earns_another() -> None:
    book = streaming().speaks("u1", 1.0).falls_silent("u1").at(1.75).hears("u2", 200).at(1.85)
    assert len(silences(book)) == 7
    assert spoken(book)[-1].at == pytest.approx(1.733 + 0.1 / 1.5, abs=0.001)  # as soon as the pace allows
    book.falls_silent("u2").at(8.0)
    assert len(silences(book)) == 7 + 15


def test_a_pause_inside_an_utterance_gets_no_tail() -> None:
    book = streaming().speaks("u1", 1.0).says(source([], [segment("Hello", 0, 900)])).at(9.0)
    assert silences(book) == []


def test_each_utterance_is_settled_once() -> None:
    book = said_and_answered().at(4.0).says(source([segment(" Late.", 900, 950)], [])).at(9.0)
    assert book.all(UtteranceSettled) == [UtteranceSettled("u1")]


# --- keep-alive and idle close ---------------------------------------------------------------------------------


def test_an_idle_session_gets_a_tenth_of_a_second_of_silence_every_ten() -> None:
    book = said_and_answered().at(59.0)
    assert [round(at, 1) for at in silences(book)] == [11.0, 21.0, 31.0, 41.0, 51.0]


def test_keep_alive_goes_on_until_the_encoder_lets_something_out() -> None:
    book = streaming(encoder=HoldingEncoder(page_samples=4000)).at(11.0)
    assert [round(at, 2) for at in silences(book)] == [10.13]


def test_an_idle_session_ends_in_order() -> None:
    book = said_and_answered(idle_close_s=5.0).at(6.5)
    assert ends(book) == [pytest.approx(6.0, abs=0.05)]
    assert book.session.state is SessionState.ENDING
    book.says(end_of("stream"))
    assert book.all(SessionEnded) == [SessionEnded("idle", expected=True)]


def test_an_open_utterance_without_audio_holds_the_session_for_half_a_minute_only() -> None:
    book = streaming(idle_close_s=5.0).hears("u1").at(29.0)
    assert ends(book) == []
    assert ends(book.at(31.0)) == [pytest.approx(30.0)]


# --- renewal -----------------------------------------------------------------------------------------------------


def talking(book: Playbook, minutes: float, *, pauses: bool) -> Playbook:
    """Sentences of ten seconds, each answered, with pauses of five between them or none."""
    until, number = book.now + minutes * 60, 0
    while book.now < until and book.session.state is SessionState.STREAMING:
        number += 1
        start_ms = book.session.counters.sent_samples // 16
        book.speaks(f"u{number}", 10.0).says(source([segment("x", start_ms, start_ms + 9000)], []))
        if pauses:
            book.falls_silent(f"u{number}").after(5.0)
    return book


def test_an_old_connection_ends_in_the_next_pause() -> None:
    book = talking(streaming(), 55.0, pauses=True)
    (ended_at,) = ends(book)
    assert RENEW_S <= ended_at <= RENEW_S + 15.0
    book.says(end_of("stream"))
    assert book.all(SessionEnded) == [SessionEnded("renewed", expected=True)]
    assert book.all(AudioLost) == []


def test_without_a_pause_it_ends_in_mid_speech_and_what_comes_is_kept() -> None:
    book = streaming()
    talking(book, 57.0, pauses=False)
    assert ends(book) == []
    talking(book, 2.0, pauses=False)
    assert ends(book) == [pytest.approx(RENEW_AT_LATEST_S, abs=0.2)]
    sent_s = sum(chunk.seconds for chunk in chunks(book))
    book.hears("u2", 500).says(end_of("stream"))
    assert sent_s + book.backlog.seconds == pytest.approx(RENEW_AT_LATEST_S, abs=11.0)
    assert book.all(AudioLost) == []


def test_a_resumed_connection_is_a_young_one() -> None:
    book = talking(streaming(), 40.0, pauses=True).hears("u0")
    resumed(book).falls_silent("u0")
    assert ends(talking(book, 15.0, pauses=True)) == []


def test_after_the_end_nothing_is_sent() -> None:
    book = said_and_answered(idle_close_s=5.0).at(6.5)
    before = len(book.history)
    book.hears("u2").falls_silent("u2").at(9.0)
    assert len(book.history) == before
    assert book.backlog.samples == 1600


def test_finishing_sends_what_waits_and_then_ends() -> None:
    book = streaming().waits("u1", 500)
    book.backlog.end_utterance("u1")
    book.finish().at(1.0)
    assert [chunk.seconds for chunk in spoken(book)] == [0.25, 0.25]
    assert ends(book) == [pytest.approx(0.5 / 1.5)]
    assert book.all(UtteranceSent) == [UtteranceSent("u1")]


# --- lost connections --------------------------------------------------------------------------------------------


def test_a_session_resumed_late_is_kept_alive_at_once() -> None:
    book = said_and_answered().at(10.0).closes().at(13.0).answers(200, ticket("t2")).opens()
    assert silences(book) == [13.0]


# --- whatever comes ----------------------------------------------------------------------------------------------


def worst_speed(sent: list[Chunk]) -> float:
    """The most audio per second at any moment since the connection's start, with a third of a second of allowance."""
    total, worst = 0.0, 0.0
    for chunk in sent:
        total += chunk.seconds
        worst = max(worst, (total - 0.35) / (chunk.at + 0.001))
    return worst


PIECES = st.lists(
    st.tuples(
        st.floats(0.0, 1.5),
        st.sampled_from([20, 60, 100, 100, 100, 250, 900, 3000]),
        st.booleans(),
        st.sampled_from(["", "", "", "tentative", "concluded", "lost"]),
    ),
    min_size=1,
    max_size=40,
)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(PIECES, st.sampled_from([None, 1600, 4000]))
def test_the_rules_of_pace_hold_whatever_comes(pieces: list[Any], page_samples: int | None) -> None:
    encoder = HoldingEncoder(page_samples=page_samples) if page_samples else PcmEncoder()
    book = streaming(encoder=encoder, idle_close_s=500.0)
    offered = 0
    connections = 1
    for number, (pause_s, ms, is_last, answer) in enumerate(pieces):
        book.after(pause_s)
        if book.session.state is not SessionState.STREAMING:
            break
        if answer in ("tentative", "concluded"):
            text = [segment("x", 0, book.session.counters.sent_samples // 16)]
            book.says(source(text, []) if answer == "concluded" else source([], text))
        elif answer == "lost" and page_samples is None and connections < 5:
            connections += 1
            resumed(book, f"t{connections}")
        offered += ms * 16
        book.hears(f"u{number}", ms)
        if is_last:
            book.falls_silent(f"u{number}")
    book.after(40.0)
    sent = chunks(book)
    for before, after in pairwise(sent):
        assert after.at - before.at >= before.seconds / 2
    assert worst_speed(sent) <= 2.0
    assert all(0 < chunk.seconds <= 1.0 and len(chunk.audio) <= 100_000 for chunk in sent)
    assert all(len(chunk.audio) % 2 == 0 for chunk in sent)
    # No sample is sent twice or lost: what was offered is what was sent, and what still waits.
    if page_samples is None:
        voice = b"".join(chunk.audio for chunk in sent if any(chunk.audio))
        assert len(voice) // 2 == offered - book.backlog.samples
