"""Whole conversations, illegal calls, and ends in every state."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from satellite.backends.base import (
    CloseSocket,
    HttpFailed,
    HttpRequest,
    HttpResponse,
    OpenSocket,
    SendBytes,
    SendText,
    SessionState,
)
from satellite.backends.flight import SILENT_S
from satellite.core.events import (
    AudioLost,
    ConnectionLost,
    SessionEnded,
    SessionFailed,
    SessionOpened,
    TranscriptUpdated,
    UtteranceSent,
    UtteranceSettled,
)
from satellite.errors import ErrorCategory, LocalMisuse
from tests.fakes.playbook import Like, Playbook
from tests.unit.backends.deepl.stage import (
    END,
    dial,
    end_of,
    error,
    media,
    new_play,
    options,
    said_and_answered,
    segment,
    source,
    spoken,
    streaming,
    target,
    ticket,
)

BASE = "https://api.deepl.com/v3/voice/realtime"
REFUSED = HttpFailed("no route", was_sent=False)


def requesting() -> Playbook:
    return new_play().start().skip()


def connecting() -> Playbook:
    return requesting().answers(200, ticket("t1")).skip()


def rejoining() -> Playbook:
    return streaming().hears("u1").closes().skip()


def ending() -> Playbook:
    """Ended by finish, with text still to come."""
    book = streaming().speaks("u1", 0.5).says(source([], [segment("Hel", 0, 400)])).falls_silent("u1")
    return book.finish().after(0.2).skip()


def closed() -> Playbook:
    return streaming().close().skip()


def failed() -> Playbook:
    return streaming().says(error(500)).skip()


EVERY_STATE: dict[SessionState, Callable[[], Playbook]] = {
    SessionState.IDLE: new_play,
    SessionState.REQUESTING: requesting,
    SessionState.CONNECTING: connecting,
    SessionState.STREAMING: streaming,
    SessionState.ENDING: ending,
    SessionState.CLOSED: closed,
    SessionState.FAILED: failed,
}


@pytest.mark.parametrize(("state", "arrive"), EVERY_STATE.items())
def test_every_state_can_be_reached(state: SessionState, arrive: Callable[[], Playbook]) -> None:
    assert arrive().session.state is state


def test_a_conversation_from_beginning_to_end() -> None:
    book = new_play().waits("u1", 100).start().expect(Like(HttpRequest, method="POST"))
    book.answers(200, ticket("t1"), {"x-trace-id": "trace-1"}).expect(dial("t1"))
    book.after(0.2).opens().expect(Like(SendText), SessionOpened(resumed=False, trace_id="trace-1"))
    book.falls_silent("u1").expect(UtteranceSent("u1"))
    book.says(source([segment("Hi.", 0, 90)], [])).expect(Like(TranscriptUpdated))
    book.after(1.5).expect(UtteranceSettled("u1"))
    book.says(target("de", [segment("Hallo.", 0, 90)], [])).expect(Like(TranscriptUpdated, language="de"))
    book.finish().expect(END)
    book.says(end_of("source_transcript")).says(end_of("target_transcript", language="de")).expect()
    book.says(end_of("stream")).expect(CloseSocket(), SessionEnded("finished", expected=True))
    book.closes(1000).expect()
    assert (book.session.state, book.session.next_deadline()) == (SessionState.CLOSED, None)
    assert (book.session.counters.connections, book.session.counters.resumes) == (1, 0)


def test_a_lost_connection_is_resumed() -> None:
    book = streaming().speaks("u1", 0.1).goes_deaf().speaks("u1", 0.4).skip()
    book.closes(1001, "going away t1").expect(
        Like(HttpRequest, method="GET", url=f"{BASE}?token=t1"),
        AudioLost("u1", 3200),
        ConnectionLost("closed with 1001 going away ****"),
    )
    book.answers(200, ticket("t2")).expect(dial("t2"))
    book.opens().expect(Like(SendText), SessionOpened(resumed=True))
    assert (book.session.counters.connections, book.session.counters.resumes) == (2, 1)


def test_text_that_an_outage_held_back_is_not_given_up_at_once() -> None:
    book = streaming().speaks("u1", 0.5).falls_silent("u1").closes()
    book.after(5.0).answers(200, ticket("t2")).opens().after(0.4)
    assert book.all(UtteranceSettled) == []
    book.says(source([segment("Late.", 0, 400)], [])).after(2.0)
    assert book.all(UtteranceSettled) == [UtteranceSettled("u1")]


def test_a_play_that_goes_otherwise_shows_where() -> None:
    with pytest.raises(AssertionError, match=r"(?s)at 0\.000 s:.*- SessionEnded.*\+ HttpRequest"):
        new_play().start().expect(SessionEnded("closed", expected=True))


def test_messagepack_goes_out_in_binary() -> None:
    book = streaming(options(message_format="msgpack")).hears("u1").finish().after(0.2)
    assert book.all(SendText) == []
    assert len(book.all(SendBytes)) == 2


def test_a_failure_closes_the_socket_and_is_the_last_word() -> None:
    streaming().says(error(429, "too fast")).expect(
        CloseSocket(), Like(SessionFailed, category=ErrorCategory.RATE_LIMIT, retry_after_s=5.0)
    ).says(end_of("stream")).closes().answers(200, ticket("t9")).no_answer(REFUSED).opens().finish().close().expect()


def test_no_reconnect_after_an_error_even_when_the_close_comes_first() -> None:
    book = streaming().says(error(400)).closes()
    assert [request.method for request in book.all(HttpRequest)] == ["POST"]


def test_unsent_audio_stays_for_the_next_session() -> None:
    book = streaming().hears("u1", 100).waits("u1", 500).says(error(503))
    assert book.backlog.samples == 8000


# --- calls in the wrong state ------------------------------------------------------------------------------------


def calls(book: Playbook) -> dict[str, tuple[Callable[[], object], set[SessionState]]]:
    """Each input with the states in which it is legal, the final ones apart."""
    return {
        "start": (book.start, {SessionState.IDLE}),
        "answers": (lambda: book.answers(200, ticket("t9")), {SessionState.REQUESTING}),
        "no_answer": (lambda: book.no_answer(REFUSED), {SessionState.REQUESTING}),
        "opens": (book.opens, {SessionState.CONNECTING}),
        "says": (lambda: book.says("{}"), {SessionState.STREAMING, SessionState.ENDING}),
        "pong": (lambda: book.session.pong(1, book.now), {SessionState.STREAMING, SessionState.ENDING}),
        "closes": (book.closes, {SessionState.CONNECTING, SessionState.STREAMING, SessionState.ENDING}),
    }


@pytest.mark.parametrize("call", ["start", "answers", "no_answer", "opens", "says", "pong", "closes"])
@pytest.mark.parametrize("state", SessionState)
def test_only_our_own_misuse_raises(state: SessionState, call: str) -> None:
    book = EVERY_STATE[state]()
    do, legal = calls(book)[call]
    if state in legal or (state.is_final and call != "start"):
        do()
        assert not state.is_final or book.session.state is state
    else:
        with pytest.raises(LocalMisuse):
            do()


@pytest.mark.parametrize("state", SessionState)
def test_audio_finish_close_and_deadlines_are_legal_everywhere(state: SessionState) -> None:
    for end in (Playbook.finish, Playbook.close):
        book = EVERY_STATE[state]()
        book.session.deadline_reached(book.now)
        book.session.audio_ready(book.now)
        end(book)
        end(book).after(300.0)
        assert book.session.state.is_final
        assert book.session.next_deadline() is None


# --- ends ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arrive", [requesting, connecting, new_play])
def test_finishing_without_audio_and_connection_just_ends(arrive: Callable[[], Playbook]) -> None:
    book = arrive()
    had_socket = book.session.state is SessionState.CONNECTING
    end = SessionEnded("finished", expected=True)
    book.finish().expect(*([CloseSocket(), end] if had_socket else [end]))


def test_finishing_before_the_start_sends_what_waits() -> None:
    book = new_play().waits("u1", 300)
    book.backlog.end_utterance("u1")
    book.finish().expect(Like(HttpRequest, method="POST"))
    book.answers(200, ticket("t1")).opens().after(1.0).says(end_of("stream"))
    assert sum(chunk.seconds for chunk in spoken(book)) == pytest.approx(0.3)
    assert [*book.all(UtteranceSettled), *book.all(SessionEnded)] == [
        UtteranceSettled("u1"),
        SessionEnded("finished", expected=True),
    ]


@pytest.mark.parametrize("arrive", [requesting, connecting, rejoining])
def test_finishing_on_the_way_sends_what_waits(arrive: Callable[[], Playbook]) -> None:
    book = arrive().waits("u1", 100).finish()
    sent = len(spoken(book))
    if book.session.state is SessionState.REQUESTING:
        book.answers(200, ticket("t5"))
    book.opens().after(1.0)
    assert len(spoken(book)) == sent + 1
    assert book.history[-1].what == END


def test_finishing_while_text_is_to_come_waits_for_the_way_back() -> None:
    book = streaming().speaks("u1", 0.5).says(source([], [segment("Hel", 0, 400)])).closes().finish().skip()
    book.answers(200, ticket("t2")).opens().after(0.2).expect(dial("t2"), SessionOpened(resumed=True), END)


def test_only_ends_of_utterances_need_no_session() -> None:
    book = new_play().ended_elsewhere("u1")
    book.start().expect(UtteranceSent("u1"), UtteranceSettled("u1"), SessionEnded("nothing to send", expected=True))


def test_nor_does_finishing_with_them() -> None:
    book = new_play().ended_elsewhere("u1")
    book.finish().expect(UtteranceSent("u1"), UtteranceSettled("u1"), SessionEnded("finished", expected=True))


def test_what_was_asked_is_not_asked_when_all_is_over_before() -> None:
    book = new_play()
    book.session.start(0.0)
    book.session.close(0.0)
    assert book.session.actions() == []


def test_the_last_words_are_waited_for_as_long_as_some_come() -> None:
    book = ending().after(9.0).says(source([], [segment("Hello", 0, 400)])).after(9.0).expect(Like(TranscriptUpdated))
    book.after(2.0).expect(CloseSocket(), SessionEnded("unconfirmed", expected=True))
    assert book.all(UtteranceSettled) == []


def test_speech_is_waited_for_longer() -> None:
    book = streaming(speech_language="de").hears("u1").finish().after(19.0)
    assert book.session.state is SessionState.ENDING
    assert book.after(2.0).session.state is SessionState.CLOSED


def test_finishing_is_bounded_whatever_happens() -> None:
    book = rejoining().waits("u1", 100).finish().no_answer(REFUSED).after(0.5)
    assert book.session.state is SessionState.REQUESTING
    talking = ending()
    for _ in range(20):
        talking.after(5.0)
        if not talking.session.state.is_final:
            talking.says("{}")
    assert talking.session.state is SessionState.CLOSED


def test_a_close_instead_of_the_end_of_the_stream_is_an_end_when_nothing_is_to_come() -> None:
    book = streaming(idle_close_s=5.0).at(5.5).skip()
    book.closes(1000).expect(SessionEnded("unconfirmed", expected=True))


def test_a_connection_lost_while_nobody_speaks_is_not_asked_for() -> None:
    book = said_and_answered().after(12.0).skip()
    book.closes().expect(ConnectionLost("closed with 1006"), SessionEnded("lost while nobody spoke", expected=True))


@pytest.mark.parametrize("still", ["waits", "finishing", "answer"])
def test_where_something_is_left_to_do_it_is(still: str) -> None:
    book = said_and_answered().after(12.0).goes_deaf().skip()
    if still == "waits":
        book.hears("u2").after(0.1).hears("u2")
    elif still == "answer":
        book.says(target("de", [], [segment("Ha", 0, 10)]))
    else:
        book.says(source([], [segment("Late", 0, 10)])).finish()
    book.skip().closes()
    assert book.all(HttpRequest)[-1].method == "GET"


def test_soon_after_speech_a_translation_may_be_on_its_way() -> None:
    assert said_and_answered().after(8.0).closes().all(HttpRequest)[-1].method == "GET"


def test_a_dead_link_is_noticed_while_the_last_words_are_waited_for() -> None:
    book = streaming(speech_language="de")
    book.round_trip_s = 0.3
    book.speaks("u1", 3.0).says(source([], [segment("Hel", 0, 400)])).falls_silent("u1").finish().after(0.1)
    assert book.session.state is SessionState.ENDING
    book.session.pong(len(book.pings) - 1, book.now)
    book.goes_deaf().after(SILENT_S - 0.1)
    assert book.all(CloseSocket) == []
    book.after(0.2)
    assert [close.at_once for close in book.all(CloseSocket)] == [True]


def test_a_connection_lost_before_the_last_words_is_resumed_once() -> None:
    book = ending().closes().expect(Like(HttpRequest, method="GET"), Like(ConnectionLost))
    book.answers(200, ticket("t2")).opens().expect(dial("t2"), SessionOpened(resumed=True))
    assert book.session.state is SessionState.ENDING
    book.closes().expect(SessionEnded("unconfirmed", expected=True))


def test_on_the_resumed_connection_five_seconds_are_waited_and_nothing_is_sent() -> None:
    book = ending().closes().answers(200, ticket("t2")).opens().skip()
    book.after(4.5).hears("u2").expect()
    book.after(1.0).expect(CloseSocket(), SessionEnded("unconfirmed", expected=True))


def test_a_translation_that_is_still_tentative_is_worth_the_way_back_too() -> None:
    book = streaming(idle_close_s=5.0).says(target("de", [], [segment("Ha", 0, 10)])).at(5.5).skip()
    book.closes().expect(Like(HttpRequest, method="GET"), Like(ConnectionLost))


def test_a_dial_that_fails_is_followed_by_a_get() -> None:
    book = rejoining().answers(200, ticket("t2")).skip()
    book.dial_fails().after(1.0).expect(Like(HttpRequest, method="GET", url=f"{BASE}?token=t2"))


def test_asking_again_is_a_deadline() -> None:
    book = rejoining().no_answer(REFUSED).expect()
    assert book.session.next_deadline() == 1.0
    book.at(1.0).expect(Like(HttpRequest, method="GET"))


# --- whatever comes ------------------------------------------------------------------------------------------------

TEXT = st.sampled_from(["a", " b", ""])
TIMES = st.integers(-10, 100_000)
SEGMENTS = st.lists(st.builds(segment, TEXT, TIMES, TIMES), max_size=2)
MESSAGES = st.one_of(
    st.builds(source, SEGMENTS, SEGMENTS),
    st.builds(target, st.sampled_from(["de", "DE", "fr", "/"]), SEGMENTS, SEGMENTS),
    st.builds(media, st.lists(st.binary(max_size=5), max_size=3), headers=st.none() | st.integers(-1, 5), text=TEXT),
    st.sampled_from(
        [end_of("source_transcript"), end_of("target_media", language="de"), "{}", '{"x":1}', '{"error":1}']
    ),
    st.sampled_from([end_of("stream"), error(500), error(None), "", "[]", "{"]),
    st.text(max_size=10),
    st.binary(max_size=10),
)
ANSWERS = st.builds(
    HttpResponse,
    st.sampled_from([200, 200, 200, 400, 401, 429, 500, 503, 0]),
    st.sampled_from([{}, {"retry-after": "2"}]),
    st.sampled_from([ticket("t"), ticket("u"), b"", b"{}", ticket("t", "wss://evil.example/")]),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["start", "opens", "finish", "close", "mark"]), st.none()),
        st.tuples(st.just("answers"), ANSWERS),
        st.tuples(st.just("no_answer"), st.builds(HttpFailed, st.just("lost"), was_sent=st.booleans())),
        st.tuples(st.just("says"), MESSAGES),
        st.tuples(st.just("closes"), st.sampled_from([None, 1000, 1006, 1008])),
        st.tuples(st.just("hears"), st.sampled_from([20, 100, 1000])),
        st.tuples(st.just("after"), st.floats(0.0, 40.0)),
    ),
    max_size=40,
)


def take_step(book: Playbook, what: str, value: Any) -> None:
    match what:
        case "answers":
            book.answers(value.status, value.body, value.headers)
        case "mark":
            book.falls_silent("u1")
        case "hears":
            book.hears("u1", value)
        case _:
            getattr(book, what)(*([] if value is None and what != "closes" else [value]))


class Watch:
    """What no order of events may bring about (§25 of the reference)."""

    def __init__(self, book: Playbook) -> None:
        self.book = book
        self.seen = 0
        self.in_flight = 0
        self.has_ended_source = False

    def look(self, what: str) -> None:
        new = [seen.what for seen in self.book.history[self.seen :]]
        self.seen = len(self.book.history)
        requests = [each for each in new if isinstance(each, HttpRequest)]
        dials = [each for each in new if isinstance(each, OpenSocket)]
        self.in_flight += len(requests) - (what in ("answers", "no_answer"))
        if not self.book.session.state.is_final:
            assert self.in_flight in (0, 1), "two requests in flight"
        assert len(dials) <= (what == "answers"), "a dial without a fresh token"
        for each in new:
            assert not (self.has_ended_source and isinstance(each, SendText)), "sent after the end"
            self.has_ended_source = self.has_ended_source or each == END


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS, st.booleans())
def test_nothing_but_our_own_misuse_raises_and_every_session_ends(steps: list[tuple[str, Any]], speaks: bool) -> None:
    book = new_play(speech_language="de" if speaks else None)
    watch = Watch(book)
    for what, value in [("start", None), ("answers", HttpResponse(200, {}, ticket("first"))), ("opens", None), *steps]:
        was_final = book.session.state.is_final
        try:
            take_step(book, what, value)
        except LocalMisuse:
            assert what not in ("finish", "close", "hears", "mark", "after")
        else:
            if not was_final:
                watch.look(what)
    before = len(book.history)
    if book.session.state.is_final:
        book.finish().close().after(100.0)
        assert len(book.history) == before
    else:
        book.finish().after(200.0).close()
    assert book.session.state.is_final
    assert len(book.all(SessionEnded)) + len(book.all(SessionFailed)) == 1
    assert len(book.all(UtteranceSettled)) <= len(book.all(UtteranceSent))
