"""What audio goes out when, the tail behind it, and when a session ends."""

import pytest

from satellite.backends.vurbo.arguments import Nothing, SetName, StartSpeaking
from satellite.backends.vurbo.sender import MAX_TAIL_S, STUCK_S
from satellite.backends.vurbo.timers import LONGEST_PAUSE_S
from satellite.core.events import UtteranceSent, UtteranceSettled
from tests.unit.backends.vurbo.stage import (
    Talking,
    asked,
    conversing,
    result,
    silences,
    spoken,
    status,
    streaming,
)


def test_live_audio_goes_out_as_it_comes() -> None:
    book = streaming()
    book.speaks("u1", 2.0)
    assert [chunk.seconds for chunk in spoken(book)] == pytest.approx([0.1] * 20)
    assert sum(chunk.seconds for chunk in spoken(book)) == pytest.approx(2.0)


def test_what_waited_goes_out_faster_but_no_faster_than_twice() -> None:
    book = streaming()
    book.waits("u1", 4000).hears("u1", 100).after(3.0)
    chunks = spoken(book)
    assert sum(chunk.seconds for chunk in chunks) == pytest.approx(4.1)
    assert max(chunk.seconds for chunk in chunks) == pytest.approx(0.2)
    took_s = chunks[-1].at - chunks[0].at
    assert 4.1 / 2 <= took_s <= 4.1 / 1.5


def test_crumbs_are_gathered_for_a_while() -> None:
    book = streaming()
    book.hears("u1", 100).after(0.1).hears("u1", 20).after(0.5)
    assert len(spoken(book)) == 1
    book.after(0.5)
    assert len(spoken(book)) == 2


def test_the_service_hears_silence_until_it_has_concluded() -> None:
    book = streaming()
    book.speaks("u1", 1.0).says(result(1, "One", final=False)).falls_silent("u1").after(0.55)
    assert len(silences(book)) == 5
    book.says(result(1, "One.")).after(3.0)
    assert len(silences(book)) == 5
    assert book.all(UtteranceSettled) == [UtteranceSettled("u1")]


def test_noise_costs_a_tail_and_no_session() -> None:
    book = streaming()
    book.speaks("u1", 1.0).falls_silent("u1").after(20.0)
    assert len(silences(book)) == MAX_TAIL_S * 10
    assert book.all(UtteranceSettled) == [UtteranceSettled("u1")]
    assert asked(book)[1:] == []


def test_text_that_stays_tentative_is_concluded_by_an_end() -> None:
    book = streaming()
    book.speaks("u1", 1.0).says(result(1, "One", final=False)).falls_silent("u1").after(MAX_TAIL_S + STUCK_S - 0.5)
    assert "stop" not in asked(book)
    book.after(1.0)
    assert asked(book)[-1] == "stop"
    assert len(silences(book)) == MAX_TAIL_S * 10


def test_while_a_command_is_under_way_no_end_is_begun() -> None:
    book = streaming()
    book.speaks("u1", 1.0).says(result(1, "One", final=False)).falls_silent("u1").after(9.0)
    book.asks("set_name", SetName(name="Kitchen")).after(4.0)
    assert "stop" not in asked(book)
    book.says(status()).after(0.1)
    assert asked(book)[-1] == "stop"


def test_no_tail_in_a_pause_nor_while_the_recogniser_is_changed() -> None:
    book = streaming()
    book.speaks("u1", 1.0).asks("pause", Nothing())
    book.falls_silent("u1").after(1.0)
    book.says(status()).after(1.0)
    assert silences(book) == []
    book.asks("resume", Nothing()).says(status()).after(3.0)
    assert len(silences(book)) == MAX_TAIL_S * 10


def test_a_session_ends_after_silence() -> None:
    book = streaming(idle_close_s=20.0)
    book.speaks("u1", 1.0).says(result(1, "One.")).falls_silent("u1").at(20.9)
    assert "stop" not in asked(book)
    book.at(21.1)
    assert asked(book)[-1] == "stop"


def test_a_pause_is_no_silence_but_ends_some_day() -> None:
    book = streaming(idle_close_s=20.0).asks("pause", Nothing())
    book.says(status()).at(300.0).hears("u1", 500).at(LONGEST_PAUSE_S - 1)
    assert "stop" not in asked(book)
    book.at(LONGEST_PAUSE_S + 1)
    assert asked(book)[-1] == "stop"
    assert book.backlog.seconds == 0.5, "it goes into the next session"


def test_a_pause_without_a_word_ends_as_well() -> None:
    book = streaming().asks("pause", Nothing())
    book.says(status()).at(LONGEST_PAUSE_S + 1)
    assert asked(book)[-1] == "stop"


def test_in_a_pause_a_command_under_way_puts_the_end_off() -> None:
    book = streaming().asks("pause", Nothing())
    book.says(status()).hears("u1", 500).at(LONGEST_PAUSE_S - 5)
    book.asks("set_name", SetName(name="Kitchen")).at(LONGEST_PAUSE_S + 1)
    assert "stop" not in asked(book)
    book.says(status()).after(0.1)
    assert asked(book)[-1] == "stop"


def test_the_end_takes_what_waited_in_a_pause_along() -> None:
    book = streaming().asks("pause", Nothing())
    book.says(status()).hears("u1", 500).falls_silent("u1").finish()
    assert asked(book)[-1] == "resume"
    book.says(status()).after(1.0)
    assert sum(chunk.seconds for chunk in spoken(book)) == pytest.approx(0.5)
    assert asked(book)[-1] == "stop"


def test_the_end_closes_a_turn_first() -> None:
    book = conversing().asks("start_speaking", StartSpeaking(speaker=1))
    book.says(status()).hears("u1", 200).after(0.5).finish()
    assert asked(book)[-1] == "stop_speaking"
    book.says(result(1, "One."))
    assert asked(book)[-1] == "stop"


def test_the_end_waits_for_a_turn_that_is_being_closed() -> None:
    book = conversing()
    book.hears("u1", 200).says(status()).after(0.5).falls_silent("u1").finish()
    assert asked(book)[-1] == "stop_speaking"
    book.says(result(1, "One."))
    assert asked(book)[-1] == "stop"


def test_an_idle_turn_is_closed_before_the_session_is() -> None:
    book = conversing().asks("start_speaking", StartSpeaking(speaker=1))
    book.says(status()).at(60.5)
    assert asked(book)[-1] == "stop_speaking"
    book.at(71.0)
    assert asked(book)[-1] == "stop"


def test_in_manual_mode_no_silence_is_sent() -> None:
    book = conversing()
    book.hears("u1", 200).says(status()).after(0.5).falls_silent("u1").after(5.0)
    assert silences(book) == []


def test_an_end_of_an_utterance_that_an_earlier_session_had_is_passed_on() -> None:
    book = streaming()
    book.ended_elsewhere("u0").hears("u1", 100)
    assert book.all(UtteranceSent) == [UtteranceSent("u0")]


def test_a_mark_in_front_of_audio_is_passed_in_its_turn() -> None:
    book = streaming()
    book.ended_elsewhere("u0").waits("u1", 300)
    book.session.audio_ready(book.now)
    book.after(1.0)
    assert book.all(UtteranceSent) == [UtteranceSent("u0")]
    assert len(spoken(book)) > 0


def test_nothing_is_due_before_the_session_is_open() -> None:
    book: Talking = streaming()
    assert book.session.next_deadline() is not None
    book.close()
    assert book.session.next_deadline() is None


def test_a_button_that_is_let_go_is_let_go_when_all_was_sent() -> None:
    book = conversing().asks("start_speaking", StartSpeaking(speaker=1))
    book.says(status()).waits("u1", 1000).asks("stop_speaking", Nothing()).after(2.0)
    assert asked(book)[1:] == ["start_speaking", "stop_speaking"]
    other = conversing().asks("start_speaking", StartSpeaking(speaker=1))
    other.says(status()).goes_deaf().waits("u1", 5000).asks("stop_speaking", Nothing()).after(3.1)
    assert asked(other)[1:] == ["start_speaking", "stop_speaking"]
