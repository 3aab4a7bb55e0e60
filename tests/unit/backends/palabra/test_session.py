import json

import pytest

from satellite.backends.base import (
    CloseSocket,
    HttpFailed,
    HttpRequest,
    OpenRoom,
    OpenSocket,
    SendText,
    SessionState,
)
from satellite.backends.palabra.jobs import Say
from satellite.core.events import (
    ActionAnswered,
    AudioLost,
    ConnectionLost,
    SessionEnded,
    SessionFailed,
    SessionOpened,
    SpeechChunk,
    TranscriptUpdated,
    UtteranceSent,
    UtteranceSettled,
)
from satellite.errors import ErrorCategory, LocalMisuse
from tests.fakes.playbook import WALL_S, Like, Playbook
from tests.unit.backends.palabra.stage import (
    DIRECT_URL,
    KEY,
    PAIR,
    SESSION_ID,
    beats,
    commands,
    confirmed,
    connected,
    created,
    deletions,
    error,
    heard,
    in_room,
    message,
    names,
    new_play,
    options,
    running,
    said,
    spoken,
    task_is,
    translated,
)

LOUD = b"\x00\x10" * 2400


def asked_by_pair() -> Playbook:
    return new_play(options(**PAIR)).start()


# --- the beginning -------------------------------------------------------------------------------------------------


def test_a_key_opens_its_stream_and_the_task_is_looked_up() -> None:
    book = new_play().start().expect(Like(OpenSocket, url=DIRECT_URL, headers={"Authorization": f"Bearer {KEY}"}))
    book.opens().expect(Like(SendText))
    assert names(book) == ["set_task"]
    book.at(2.09).expect()
    book.at(2.1).expect(SendText('{"message_type":"get_task","data":{}}'))
    book.says(error("NOT_FOUND", "no active task")).at(4.2)
    book.skip().says(task_is("running"))
    book.expect(Like(SendText), SessionOpened(resumed=False))
    assert book.session.state is SessionState.STREAMING
    assert book.session.counters.connections == 1


def test_audio_waits_until_the_task_runs() -> None:
    book = connected().speaks("u1", 2.0)
    assert beats(book) == []
    book.at(2.1).says(task_is("running")).after(7.0)
    assert sum(any(beat.audio) for beat in beats(book)) == 7


def test_a_pair_takes_a_session_and_gives_it_back() -> None:
    book = asked_by_pair().expect(Like(HttpRequest, method="POST"))
    book.answers(201, created()).expect(Like(OpenSocket))
    book.opens().at(2.1).says(task_is("running")).close()
    assert book.all(SessionEnded) == [SessionEnded("closed", expected=True)]
    (deletion,) = deletions(book)
    assert deletion.url.endswith("/session-storage/sessions/sess%2F81%2Bx")
    assert [seen.what for seen in book.history][-3:] == [CloseSocket(), deletion, SessionEnded("closed", expected=True)]


def test_a_key_gives_nothing_back() -> None:
    assert deletions(running().close()) == []


def test_a_refused_task_gives_the_session_back() -> None:
    book = asked_by_pair().answers(201, created()).opens().at(2.1)
    book.says(error("VALIDATION_ERROR", f"[{{'loc': ['{SESSION_ID}']}}]"))
    (failed,) = book.all(SessionFailed)
    assert failed.category is ErrorCategory.INVALID_REQUEST
    assert SESSION_ID not in failed.detail
    assert len(deletions(book)) == 1


def test_no_answer_and_no_dial() -> None:
    book = asked_by_pair().no_answer(HttpFailed("api.palabra.ai: no answer in time", was_sent=True))
    assert book.all(SessionFailed)[0].category is ErrorCategory.CONNECTIVITY
    book = new_play().start().dial_fails(403)
    assert book.all(SessionFailed)[0].category is ErrorCategory.AUTHENTICATION
    book = asked_by_pair().answers(201, created()).dial_fails()
    assert len(deletions(book)) == 1


def test_a_stream_that_ends_before_the_task_runs_is_a_failure() -> None:
    book = connected().closes(1011)
    assert book.all(SessionFailed)[0].category is ErrorCategory.SERVER
    assert len(book.all(ConnectionLost)) == 1


def test_it_is_started_once() -> None:
    book = running()
    with pytest.raises(LocalMisuse):
        book.start()


def test_marks_alone_need_no_session() -> None:
    book = new_play().ended_elsewhere("u0").start()
    book.expect(UtteranceSent("u0"), UtteranceSettled("u0"), SessionEnded("nothing to send", expected=True))


# --- text and speech -----------------------------------------------------------------------------------------------


def test_a_sentence_from_ear_to_mouth() -> None:
    book = said(running()).skip()
    book.says(confirmed("a", "Good.", (0.6, 1.2))).says(translated("a", "Gut.")).says(spoken("a", LOUD, last=True))
    texts = book.all(TranscriptUpdated)
    assert [update.concluded[0].text for update in texts] == [" Good.", " Gut."]
    assert texts[0].concluded[0].utterance_id == "u1"
    assert WALL_S + 2.0 < texts[0].concluded[0].start_s < WALL_S + 3.5
    assert texts[0].concluded[0].start_s == texts[1].concluded[0].start_s
    assert book.all(SpeechChunk)[0].text == "Gut."
    book.after(3.0)
    assert book.all(UtteranceSettled) == [UtteranceSettled("u1")]


def test_after_a_pause_the_service_may_count_anew() -> None:
    book = said(running(), seconds=6.0).says(confirmed("a", "Good.", (0.1, 6.0))).says(translated("a", "Gut."))
    book.says(spoken("a", b"", last=True)).after(8.0).says(task_is("paused")).speaks("u2", 3.0)
    book.says(task_is("running")).falls_silent("u2").after(9.0)
    book.says(confirmed("b", "Day.", (1.0, 2.5)))
    assert book.all(TranscriptUpdated)[-1].concluded[0].utterance_id == "u2"


def test_speech_that_waits_for_its_text_goes_on() -> None:
    book = running().says(spoken("a", LOUD)).after(2.0)
    assert len(book.all(SpeechChunk)) == 1


def test_before_the_end_a_track_puts_nothing_off() -> None:
    book = in_room()
    book.session.track_audio("translation_de", LOUD, book.now)
    assert book.session.state is SessionState.STREAMING


# --- the end -------------------------------------------------------------------------------------------------------


def test_an_end_in_order() -> None:
    book = said(running()).says(heard("a", "Good")).finish().after(0.4)
    assert commands(book)[-1][1:] == ("end_task", {"eos_timeout": 2})
    assert book.session.state is SessionState.ENDING
    book.says(confirmed("a", "Good.")).says(translated("a", "Gut.")).says(spoken("a", LOUD, last=True))
    book.skip().says(message("end_of_stream"))
    book.expect(CloseSocket(), UtteranceSettled("u1"), SessionEnded("finished", expected=True))
    assert book.session.next_deadline() is None


def test_finishing_twice_is_finishing_once() -> None:
    book = said(running()).finish().finish().after(1.0)
    assert names(book).count("end_task") == 1


def test_an_end_that_nobody_confirms_comes_all_the_same() -> None:
    book = said(running()).finish().after(0.4).skip().after(20.0)
    assert book.all(SessionEnded) == [SessionEnded("unconfirmed", expected=True)]


def test_words_put_it_off() -> None:
    book = said(running()).finish().after(11.0).says(heard("a", "x")).after(11.0)
    assert book.session.state is SessionState.ENDING


def test_a_close_behind_the_last_word_is_an_end() -> None:
    book = said(running()).says(confirmed("a", "Good.")).says(translated("a", "Gut."))
    book.says(spoken("a", b"", last=True)).after(3.0).finish().after(0.5).closes(1000)
    assert book.all(SessionEnded) == [SessionEnded("finished", expected=True)]
    assert book.all(SessionFailed) == []


def test_a_close_in_order_says_that_nothing_more_comes() -> None:
    book = said(running()).says(heard("a", "Good")).says(confirmed("a", "Good.")).finish().after(0.5).closes(1000)
    assert book.all(UtteranceSettled) == [UtteranceSettled("u1")]
    assert book.all(SessionEnded) == [SessionEnded("finished", expected=True)]


def test_a_close_before_it_is_a_failure() -> None:
    book = said(running()).says(heard("a", "Good")).finish().after(0.5).closes(1006)
    assert book.all(SessionFailed)[0].category is ErrorCategory.CONNECTIVITY


def test_an_end_that_the_service_wants_is_unexpected() -> None:
    book = said(running()).says(message("eos"))
    assert book.all(SessionEnded) == [SessionEnded("ended by the service", expected=False)]


def test_finishing_before_anything_began() -> None:
    book = new_play().finish().expect(SessionEnded("finished", expected=True))
    book = new_play().waits("u1", 500).finish()
    assert len(book.all(OpenSocket)) == 1
    book = asked_by_pair().finish()
    assert book.all(SessionEnded) == [SessionEnded("finished", expected=True)]


def test_finishing_while_the_task_is_asked_for_sends_what_waits() -> None:
    book = connected().waits("u1", 500)
    book.backlog.end_utterance("u1")
    book.finish().at(2.1).says(task_is("running")).after(1.5)
    assert names(book)[-1] == "end_task"
    assert sum(any(beat.audio) for beat in beats(book)) == 2


def test_finishing_is_bounded() -> None:
    book = new_play().waits("u1", 500).start().finish().at(60.0)
    assert book.all(SessionEnded) == [SessionEnded("unconfirmed", expected=True)]


# --- lost connections ----------------------------------------------------------------------------------------------


def test_what_was_under_way_is_lost_and_told() -> None:
    book = running().goes_deaf().speaks("u1", 1.0).closes(1006)
    assert [lost.utterance_id for lost in book.all(AudioLost)] == ["u1"] * len(book.all(AudioLost))
    assert sum(lost.samples for lost in book.all(AudioLost)) == 5120
    (failed,) = book.all(SessionFailed)
    assert failed.detail == "the stream ended with 1006"
    assert len(book.all(ConnectionLost)) == 1


def test_a_dead_link_is_cut() -> None:
    book = running().goes_deaf().speaks("u1", 10.0)
    assert Like(CloseSocket, at_once=True) in [seen.what for seen in book.history]


def test_a_connection_lost_while_nobody_speaks_is_an_end() -> None:
    book = running().after(2.0).closes(1006)
    assert book.all(SessionEnded) == [SessionEnded("lost while nobody spoke", expected=True)]


def test_so_is_one_that_is_lost_during_a_pause() -> None:
    book = said(running()).after(10.0)
    assert "pause_task" in names(book)
    book.closes(1008)
    assert book.all(SessionEnded) == [SessionEnded("lost while nobody spoke", expected=True)]
    assert book.all(SessionFailed) == []


def test_and_one_that_is_lost_before_the_task_runs_again() -> None:
    book = said(running()).after(10.0)
    assert "pause_task" in names(book)
    book.hears("u2", 400).closes(1008)
    assert book.all(SessionEnded) == [SessionEnded("lost while nobody spoke", expected=True)]
    assert book.backlog.samples == 6400


def test_what_comes_after_the_end_is_nobodys() -> None:
    book = running().close().skip()
    book.opens().says(task_is("running")).answers(200).no_answer(HttpFailed("x", was_sent=False)).closes()
    book.session.pong(1, book.now)
    book.session.track_audio("translation_de", LOUD, book.now)
    book.session.audio_ready(book.now)
    book.session.deadline_reached(book.now)
    book.finish().expect()


def test_inputs_that_nobody_asked_for_are_our_mistake() -> None:
    with pytest.raises(LocalMisuse):
        new_play().opens()
    with pytest.raises(LocalMisuse):
        new_play().answers(200)
    with pytest.raises(LocalMisuse):
        new_play().closes()


# --- what users ask for --------------------------------------------------------------------------------------------


def test_a_wish_is_carried_out() -> None:
    book = running()
    book.asks("tts_task", Say(text="Hallo."))
    book.after(3.0)
    assert names(book)[-1] == "tts_task"
    assert book.all(ActionAnswered) == [ActionAnswered("tts_task", {"command": "tts_task"})]


def test_a_wish_at_the_end_is_refused() -> None:
    book = said(running()).finish().after(1.0)
    book.asks("tts_task", Say(text="Hallo."))
    book.asks("flush_task", Say(text="Hallo."))
    book.after(0.0)
    book.after(0.1)
    assert {answer.reason for answer in book.all(ActionAnswered)} == {"the session ends"}


# --- in a room -----------------------------------------------------------------------------------------------------


def test_a_room_is_a_session_too() -> None:
    book = in_room()
    assert book.all(OpenRoom)[0].peer == "palabra_translator_"
    task = json.loads(next(text.text for text in book.all(SendText)))
    assert task["data"]["input_stream"]["source"] == {"type": "webrtc"}
    said(book)
    assert sum(any(beat.audio) for beat in beats(book)) == 10
    assert book.pings == []


def test_a_track_is_heard_to_its_end() -> None:
    book = said(in_room()).says(confirmed("a", "Good.")).says(translated("a", "Gut.")).finish().after(1.0)
    book.session.track_audio("translation_de", LOUD, book.now)
    book.after(0.1).says(message("eos"))
    assert book.session.state is SessionState.ENDING
    book.session.track_audio("translation_de", LOUD, book.now)
    book.after(0.3)
    assert book.session.state is SessionState.ENDING
    book.after(0.2)
    assert book.all(SessionEnded) == [SessionEnded("finished", expected=True)]
    assert len(deletions(book)) == 1


def test_a_long_tail_is_waited_for() -> None:
    book = said(in_room()).finish()
    for _ in range(200):
        book.after(0.1).session.track_audio("translation_de", LOUD, book.now)
    assert book.session.state is SessionState.ENDING


def test_in_a_room_what_was_said_since_the_last_word_is_lost() -> None:
    book = in_room().speaks("u1", 1.0).says(heard("a", "x", (0.0, 1.0))).speaks("u1", 0.5).closes(1006)
    assert sum(lost.samples for lost in book.all(AudioLost)) <= 0.6 * 16_000
    assert sum(lost.samples for lost in book.all(AudioLost)) >= 0.4 * 16_000
