"""A session from birth to end."""

import json

import pytest

from satellite.backends.base import CloseSocket, HttpFailed, HttpRequest, SendText, SessionState
from satellite.backends.vurbo.arguments import SetName, SwitchLanguage
from satellite.backends.vurbo.session import FINISH_MARGIN_S, HURRIED_S, STORED_S
from satellite.core.events import (
    AudioLost,
    ConnectionLost,
    SessionEnded,
    SessionFailed,
    SessionOpened,
    UtteranceSent,
    UtteranceSettled,
)
from satellite.errors import ErrorCategory, LocalMisuse
from tests.fakes.playbook import Like
from tests.unit.backends.vurbo.stage import (
    DIAL,
    KEY,
    TASK,
    TICKET,
    PcmEncoder,
    Talking,
    asked,
    connected,
    new_play,
    result,
    segments,
    sent,
    spoken,
    started,
    status,
    streaming,
    ticket,
    translation,
)


def state(book: Talking) -> SessionState:
    return book.session.state


def test_a_session_from_ticket_to_end() -> None:
    book = new_play(target_languages=())
    book.waits("u1", 200)
    book.start().expect(Like(HttpRequest, method="POST"))
    book.answers(200, ticket()).expect(DIAL)
    book.opens().expect(Like(SendText))
    assert sent(book)[0]["action"] == "start"
    book.says(started())
    book.falls_silent("u1").after(0.5).says(result(1, "One.")).skip()
    book.finish().after(0.2).expect(SendText('{"type":"voice-translation","data":{"action":"stop"}}'))
    assert state(book) is SessionState.ENDING
    book.says(status()).hears_of("task_complete", task_id=TASK)
    assert book.all(SessionOpened) == [SessionOpened(resumed=False, trace_id=TASK)]
    assert book.all(UtteranceSent) == [UtteranceSent("u1")]
    assert book.all(UtteranceSettled) == [UtteranceSettled("u1")]
    assert book.all(SessionEnded) == [SessionEnded("finished", expected=True)]
    assert book.all(CloseSocket) == [CloseSocket()]
    assert (book.session.counters.connections, book.session.counters.sent_samples) == (1, 3200 + 4 * 1600)
    assert [segment.text for segment in segments(book)] == ["One."]
    assert state(book) is SessionState.CLOSED


def test_the_heart_beats_in_every_state() -> None:
    book = connected()
    book.says(started()).speaks("u1", 65.0)
    beats = [
        seen.at
        for seen in book.history
        if getattr(seen.what, "text", "") == '{"type":"health","data":{"action":"ping"}}'
    ]
    assert beats == pytest.approx([30.0, 60.0], abs=0.2)
    book.falls_silent("u1").says(result(1, "One.")).finish()
    book.says(status()).at(94.0)
    assert sent(book)[-1] == {"action": "ping"}


def test_no_audio_before_the_session_began() -> None:
    book = connected()
    book.hears("u1", 500).after(5.0)
    assert spoken(book) == []
    book.says(started()).after(1.0)
    assert sum(chunk.seconds for chunk in spoken(book)) == pytest.approx(0.5)


def test_a_service_that_does_not_start_is_left() -> None:
    book = connected()
    book.at(20.1)
    assert book.all(SessionFailed) == [SessionFailed(ErrorCategory.SERVER, "start: the service did not answer in time")]


@pytest.mark.parametrize(
    ("code", "category"),
    [
        ("invalid_summary_template", ErrorCategory.INVALID_REQUEST),
        ("auth_budget_exceeded", ErrorCategory.QUOTA),
        ("stt_init_failed", ErrorCategory.SERVER),
        ("ticket_invalid", ErrorCategory.SERVER),
        ("brand_new", ErrorCategory.SERVER),
    ],
)
def test_a_refused_start_is_sorted(code: str, category: ErrorCategory) -> None:
    book = connected().fails(code)
    (failed,) = book.all(SessionFailed)
    assert failed.category is category
    assert code in failed.detail
    assert book.all(CloseSocket) == [CloseSocket()]


def test_what_the_encoder_kept_back_goes_out_before_the_end() -> None:
    encoder = PcmEncoder()
    encoder.rest = b"\5\6"
    book = streaming(encoder=encoder)
    book.finish()
    payloads = [json.loads(action.text)["data"] for action in book.all(SendText)]
    assert [data["action"] for data in payloads][-2:] == ["audio", "stop"]


def test_only_ends_of_utterances_need_no_session() -> None:
    book = new_play().ended_elsewhere("u1").start()
    book.expect(UtteranceSent("u1"), UtteranceSettled("u1"), SessionEnded("nothing to send", expected=True))


def test_it_begins_once() -> None:
    with pytest.raises(LocalMisuse):
        new_play().start().start()


def test_a_finish_at_birth() -> None:
    new_play().finish().expect(SessionEnded("finished", expected=True))
    waiting = new_play().waits("u1", 200)
    waiting.finish().expect(Like(HttpRequest))
    waiting.finish().expect()


def test_a_finish_while_a_ticket_is_asked_for() -> None:
    empty = new_play().start().skip().finish()
    empty.expect(SessionEnded("finished", expected=True))
    waiting = new_play().waits("u1", 200).start().skip().finish().expect()
    waiting.answers(200, ticket()).opens()
    waiting.says(started()).after(1.0)
    assert asked(waiting) == ["start", "stop"]


def test_a_finish_while_it_begins_ends_what_began() -> None:
    book = connected()
    book.finish()
    assert book.all(SessionEnded) == []
    book.says(started())
    assert asked(book) == ["start", "stop"]


def test_a_finish_does_not_wait_for_ever() -> None:
    book = connected()
    book.waits("u1", 1800).finish().goes_deaf()
    book.says(started()).at(8.0)
    book.says(status()).at(16.0)
    book.says(status()).at(24.0)
    book.says(status()).at(FINISH_MARGIN_S + 0.9)
    assert book.all(SessionEnded) == []
    book.at(FINISH_MARGIN_S + 1.1)
    assert book.all(SessionEnded) == [SessionEnded("unconfirmed", expected=True)]


def test_a_recording_that_is_never_stored_is_not_waited_for_for_ever() -> None:
    book = streaming(idle_close_s=5.0)
    book.at(5.5).says(status()).at(5.0 + STORED_S + 1.0)
    assert book.all(SessionEnded) == [SessionEnded("unconfirmed", expected=True)]


def test_nor_for_long_when_somebody_speaks() -> None:
    book = streaming(idle_close_s=5.0)
    book.at(5.5).says(status()).at(20.0).hears("u1", 100).at(25.0).hears("u1", 100).at(20.0 + HURRIED_S + 0.1)
    assert book.all(SessionEnded) == [SessionEnded("unconfirmed", expected=True)]
    assert book.backlog.seconds == 0.2, "it is for the next session"


def test_a_close_is_at_once() -> None:
    book = streaming().close()
    assert book.all(SessionEnded) == [SessionEnded("closed", expected=True)]
    book.close().finish()
    assert len(book.all(SessionEnded)) == 1


def test_a_lost_connection_is_the_end_and_what_was_not_sent_waits() -> None:
    book = streaming()
    book.speaks("u1", 1.0).goes_deaf().hears("u1", 100).after(0.2).hears("u1", 300).closes(1006, "reset")
    assert book.all(ConnectionLost) == [ConnectionLost("closed with 1006 reset")]
    (failed,) = book.all(SessionFailed)
    assert failed.category is ErrorCategory.CONNECTIVITY
    assert book.backlog.seconds == pytest.approx(0.3)
    assert sum(lost.samples for lost in book.all(AudioLost)) > 0


def test_a_connection_that_is_lost_while_nobody_speaks_is_no_failure() -> None:
    book = streaming().closes()
    assert book.all(SessionFailed) == []
    assert book.all(SessionEnded) == [SessionEnded("lost while nobody spoke", expected=True)]


def test_a_link_on_which_nothing_arrives_is_cut() -> None:
    book = streaming()
    book.goes_deaf().hears("u1", 100).after(8.5)
    assert [action.at_once for action in book.all(CloseSocket)] == [True]


def test_a_close_before_the_session_began() -> None:
    book = connected().closes(1008, "policy")
    (failed,) = book.all(SessionFailed)
    assert failed.category is ErrorCategory.SERVER
    assert "before the session began (closed with 1008 policy)" in failed.detail


def test_a_close_at_the_end_is_the_end() -> None:
    book = streaming()
    book.speaks("u1", 1.0).falls_silent("u1").says(result(1, "One.")).says(translation(1, "Eins.")).finish()
    book.after(0.2).says(status()).closes(1000)
    assert book.all(SessionEnded) == [SessionEnded("unconfirmed", expected=True)]
    assert book.all(UtteranceSettled) == [UtteranceSettled("u1")]


def test_a_close_at_the_end_with_text_still_to_come_is_a_failure() -> None:
    book = streaming()
    book.speaks("u1", 1.0).falls_silent("u1").finish().after(0.2)
    book.says(status()).closes(1006)
    assert len(book.all(SessionFailed)) == 1
    assert sum(lost.samples for lost in book.all(AudioLost)) == 16_000


def test_what_comes_too_late_is_for_nobody() -> None:
    book = streaming().close()
    book.session.message(result(1, "One."), 1.0)
    book.session.pong(1, 1.0)
    book.session.socket_opened(1.0)
    book.session.http_failed(HttpFailed("x", was_sent=True), 1.0)
    book.answers(200, ticket()).closes()
    book.session.deadline_reached(99.0)
    book.skip().expect()


def test_inputs_in_the_wrong_order_are_a_bug() -> None:
    with pytest.raises(LocalMisuse):
        new_play().opens()


def test_neither_key_nor_ticket_is_ever_told() -> None:
    book = connected().closes(1008, f"{KEY} {TICKET}")
    (failed,) = book.all(SessionFailed)
    assert KEY not in failed.detail
    assert TICKET not in failed.detail


def test_what_was_asked_for_earlier_is_in_the_start() -> None:
    book = connected(standing={"switch_language": SwitchLanguage(translation_languages=("es",))})
    assert sent(book)[0]["translation_languages"] == ["es-ES"]
    named = connected(standing={"set_name": SetName(name="Kitchen")}).says(started())
    assert asked(named) == ["start", "set_name"]


def test_no_ticket_and_no_dial_are_no_session() -> None:
    unanswered = new_play().start().no_answer(HttpFailed("no route", was_sent=False))
    refused = new_play().start().answers(200, ticket()).dial_fails(503)
    for book, category in ((unanswered, ErrorCategory.CONNECTIVITY), (refused, ErrorCategory.SERVER)):
        assert [failed.category for failed in book.all(SessionFailed)] == [category]


def test_what_users_ask_for_goes_out_at_once() -> None:
    assert asked(streaming().asks("set_name", SetName(name="Kitchen"))) == ["start", "set_name"]
