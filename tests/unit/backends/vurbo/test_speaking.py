"""Push-to-talk in a conversation: whose turn it is, and audio inside of turns only."""

import pytest

from satellite.backends.lifecycle import Lifecycle
from satellite.backends.vurbo.arguments import Nothing, StartSpeaking, SwitchConversationMode
from satellite.backends.vurbo.commands import Commander, Outcome
from satellite.backends.vurbo.speaking import SEND_FIRST_S, Interval, Speaking
from satellite.backends.vurbo.wishes import Wishes
from satellite.core.events import SessionFailed
from satellite.errors import ErrorCategory
from tests.unit.backends.vurbo.stage import answer, asked, conversing, options, result, sent, setup, spoken, status


def test_the_first_audio_opens_and_the_end_of_the_utterance_closes() -> None:
    book = conversing()
    book.speaks("u1", 0.5)
    assert sent(book)[1:] == [{"action": "start_speaking", "speaker": 1}]
    assert spoken(book) == [], "audio waits for the answer"
    book.says(status()).after(0.2)
    book.speaks("u1", 0.5).falls_silent("u1").after(0.2)
    assert asked(book)[1:] == ["start_speaking", "stop_speaking"]
    assert sum(chunk.seconds for chunk in spoken(book)) == pytest.approx(1.0)
    book.hears("u2")
    assert len(spoken(book)) == len(spoken(book))
    assert asked(book)[1:] == ["start_speaking", "stop_speaking"], "one at a time"
    book.says(result(1, "One.")).says(status())
    assert asked(book)[1:] == ["start_speaking", "stop_speaking", "start_speaking"]


def test_a_speech_in_which_nothing_was_heard_does_not_hold_up_the_next() -> None:
    book = conversing()
    book.hears("u1", 200).says(status()).after(0.5).falls_silent("u1").after(0.1)
    book.hears("u2", 200).after(5.0)
    assert asked(book).count("start_speaking") == 1
    book.after(6.0)
    assert asked(book).count("start_speaking") == 2


def test_a_button_says_who_speaks() -> None:
    book = conversing()
    book.asks("start_speaking", StartSpeaking(speaker=2)).says(status())
    assert answer(book).reason is None
    book.hears("u1", 200).after(0.1).falls_silent("u1").after(0.3)
    assert [data.get("speaker") for data in sent(book)[1:]] == [2, None]
    book.says(result(1, "Eins.", language="de-DE")).hears("u2", 200)
    assert sent(book)[-1] == {"action": "start_speaking", "speaker": 2}, "who spoke last speaks next"


def test_a_button_that_is_let_go_waits_for_the_audio() -> None:
    book = conversing()
    book.asks("start_speaking", StartSpeaking()).says(status())
    book.waits("u1", 1000).asks("stop_speaking", Nothing())
    assert asked(book)[1:] == ["start_speaking"]
    book.after(2.0)
    assert asked(book)[1:] == ["start_speaking", "stop_speaking"]
    assert sum(chunk.seconds for chunk in spoken(book)) == pytest.approx(1.0)
    book.says(result(1, "One."))
    assert answer(book).action == "stop_speaking"
    assert answer(book).result == {"sid": 1}


def test_it_does_not_wait_for_ever() -> None:
    book = conversing()
    book.asks("start_speaking", StartSpeaking()).says(status())
    book.goes_deaf()
    book.waits("u1", 5000).asks("stop_speaking", Nothing()).after(SEND_FIRST_S - 0.1)
    assert "stop_speaking" not in asked(book)
    book.after(0.2)
    assert asked(book)[-1] == "stop_speaking"


def test_let_go_twice_is_let_go() -> None:
    book = conversing()
    book.asks("stop_speaking", Nothing()).fails("conversation_not_speaking")
    assert answer(book).reason is None
    assert answer(book).result["note"]


def test_somebody_is_speaking_already() -> None:
    book = conversing()
    book.hears("u1", 200).fails("conversation_speaking").after(0.2)
    assert len(spoken(book)) > 0
    other = conversing()
    other.asks("start_speaking", StartSpeaking(speaker=1)).fails("conversation_speaking")
    other.hears("u1", 200).after(0.2)
    assert len(spoken(other)) > 0
    assert answer(other).reason is not None


def test_a_turn_that_is_refused_is_no_turn() -> None:
    book = conversing()
    book.asks("start_speaking", StartSpeaking(speaker=2)).fails("conversation_invalid_speaker")
    book.hears("u1", 200)
    assert asked(book)[1:] == ["start_speaking", "start_speaking"]


def test_the_service_may_be_in_automatic_mode_already() -> None:
    book = conversing()
    book.hears("u1", 200).fails("conversation_not_manual_mode").after(0.5)
    assert len(spoken(book)) > 0
    assert asked(book)[1:] == ["start_speaking"]


def test_a_service_that_does_not_answer_is_left() -> None:
    book = conversing()
    book.hears("u1", 200).after(10.1)
    (failed,) = book.all(SessionFailed)
    assert failed.category is ErrorCategory.SERVER
    assert book.backlog.samples == 3200, "nothing of it was sent"


def test_a_turn_that_ends_before_it_began() -> None:
    book = conversing()
    book.hears("u1", 200)
    book.backlog.discard_audio()
    book.backlog.take(1)
    book.asks("switch_conversation_mode", SwitchConversationMode(conversation_mode="auto"))
    book.says(status()).hears_of("conversation_mode_changed", conversation_mode="auto")
    book.hears("u2", 200).after(0.2)
    assert len(spoken(book)) > 0


def test_the_end_of_an_utterance_of_which_nothing_is_left_closes_a_turn_that_is_being_opened() -> None:
    book = conversing()
    book.hears("u1", 200).backlog.end_utterance("u1")
    book.backlog.discard_audio()
    book.ended_elsewhere("u1").session.audio_ready(book.now)
    book.says(status()).after(0.1)
    assert asked(book)[1:] == ["start_speaking", "stop_speaking"]


def test_in_automatic_mode_there_are_no_turns() -> None:
    book = conversing("auto")
    book.speaks("u1", 0.5).falls_silent("u1").after(0.5)
    assert asked(book)[1:] == []
    assert len(spoken(book)) > 0


def test_what_nobody_wished_is_not_sent() -> None:
    sent_actions: list[str] = []
    commander = Commander(lambda command, _now: sent_actions.append(command.action))
    commander.open(0.0)
    speaking = Speaking(Wishes(options(), setup()), commander, Lifecycle())
    speaking.sent_all(0.0)
    speaking.close(0.0)
    assert sent_actions == []
    assert speaking.is_closed
    speaking.open(0.0)
    speaking.close(0.0)
    commander.replied("status", {}, 0.1)
    assert sent_actions == ["start_speaking", "stop_speaking"]
    assert speaking.interval is Interval.CLOSING, "it was closed before it was open"
    speaking.answered("pause", Outcome())
    assert speaking.interval is Interval.CLOSING


def test_another_one_takes_the_turn() -> None:
    book = conversing()
    book.hears("u1", 200).says(status()).after(0.2)
    book.asks("start_speaking", StartSpeaking(speaker=2)).hears("u1", 100)
    assert asked(book)[1:] == ["start_speaking", "stop_speaking"]
    book.says(result(1, "One."))
    assert [data.get("speaker") for data in sent(book)[1:]] == [1, None, 2]
    before = len(spoken(book))
    book.after(0.2)
    assert len(spoken(book)) == before, "the turn is not there yet"
    book.says(status()).after(0.2)
    assert answer(book).reason is None
    assert len(spoken(book)) > before
    assert asked(book)[1:] == ["start_speaking", "stop_speaking", "start_speaking"]


def test_whoever_speaks_already_speaks() -> None:
    book = conversing()
    book.hears("u1", 200).asks("start_speaking", StartSpeaking(speaker=1))
    assert answer(book).result == {"note": "this one is speaking already"}
    assert spoken(book) == [], "but not yet"
    book.says(status()).after(0.2)
    assert len(spoken(book)) > 0
    assert asked(book)[1:] == ["start_speaking"]
