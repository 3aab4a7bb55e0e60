"""Whole conversations, illegal calls, and ends in every state."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from satellite.backends.base import CloseSocket, HttpFailed, OpenSocket, SendBytes, SessionState
from satellite.backends.deepgram.actions import CONFIGURE, FORCE_END_TURN, Configure, ForceEndTurn
from satellite.backends.deepgram.session import DRAIN_S, FINISH_MARGIN_S
from satellite.backends.flight import SILENT_S
from satellite.core.events import (
    ActionAnswered,
    AudioLost,
    SessionEnded,
    SessionFailed,
    SessionOpened,
    TranscriptUpdated,
    UtteranceSent,
    UtteranceSettled,
)
from satellite.errors import ErrorCategory, LocalMisuse
from tests.fakes.playbook import Like, Playbook
from tests.unit.backends.deepgram.stage import (
    CLOSE_STREAM,
    FORCE,
    REQUEST_ID,
    asks,
    concluded,
    connected,
    connecting,
    error,
    message,
    new_play,
    options,
    query,
    said,
    streaming,
    turn,
    warning,
)

TOKEN = b'{"access_token": "eyJh.JWT.sig", "expires_in": 30}'
REFUSED = HttpFailed("no route", was_sent=False)


def requesting() -> Playbook:
    return new_play(options(authentication="token")).start().skip()


def ending() -> Playbook:
    """Ended by finish, with nothing more to come but the close."""
    return said(streaming()).says(turn("EndOfTurn", "Hello there.")).falls_silent("u1").finish().skip()


def closed() -> Playbook:
    return streaming().close().skip()


def failed() -> Playbook:
    return streaming().says(error("INTERNAL_SERVER_ERROR")).skip()


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
    book = new_play().waits("u1", 80).start().expect(Like(OpenSocket))
    book.after(0.2).opens().expect()
    book.says(connected()).expect(Like(SendBytes), SessionOpened(resumed=False, trace_id=REQUEST_ID))
    book.says(turn("StartOfTurn", "Hi", end_s=0.08)).expect(Like(TranscriptUpdated, concluded=()))
    book.falls_silent("u1").expect(FORCE, UtteranceSent("u1"))
    book.says(turn("EndOfTurn", "Hi.", end_s=0.08, trigger="manual")).expect(Like(TranscriptUpdated, tentative=()))
    book.after(1.5).expect(UtteranceSettled("u1"))
    book.finish().expect(CLOSE_STREAM)
    book.closes(1005).expect(SessionEnded("finished", expected=True))
    assert (book.session.state, book.session.next_deadline()) == (SessionState.CLOSED, None)
    assert (book.session.counters.connections, book.session.counters.resumes) == (1, 0)


# --- calls in the wrong state ------------------------------------------------------------------------------------


def calls(book: Playbook) -> dict[str, tuple[Callable[[], object], set[SessionState]]]:
    """Each input with the states in which it is legal, the final ones apart."""
    open_states = {SessionState.STREAMING, SessionState.ENDING}
    return {
        "start": (book.start, {SessionState.IDLE}),
        "answers": (lambda: book.answers(200, TOKEN), {SessionState.REQUESTING}),
        "no_answer": (lambda: book.no_answer(REFUSED), {SessionState.REQUESTING}),
        "opens": (book.opens, {SessionState.CONNECTING}),
        "says": (lambda: book.says("{}"), open_states | {SessionState.CONNECTING}),
        "pong": (lambda: book.session.pong(1, book.now), open_states),
        "closes": (book.closes, open_states | {SessionState.CONNECTING}),
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
def test_audio_actions_finish_close_and_deadlines_are_legal_everywhere(state: SessionState) -> None:
    for end in (Playbook.finish, Playbook.close):
        book = EVERY_STATE[state]()
        book.session.deadline_reached(book.now)
        book.session.audio_ready(book.now)
        asks(asks(book, CONFIGURE, Configure(numerals=True)), FORCE_END_TURN, ForceEndTurn())
        end(book)
        end(book).after(300.0)
        assert book.session.state.is_final
        assert book.session.next_deadline() is None


def test_an_action_that_there_is_not_is_answered() -> None:
    book = asks(streaming(), "dance", ForceEndTurn())
    book.expect(ActionAnswered("dance", reason="this backend has no action dance"))


# --- ends --------------------------------------------------------------------------------------------------------


def test_only_ends_of_utterances_need_no_connection() -> None:
    new_play().ended_elsewhere("u1").start().expect(
        UtteranceSent("u1"), UtteranceSettled("u1"), SessionEnded("nothing to send", expected=True)
    )


def test_finishing_before_anything_was_sent() -> None:
    new_play().ended_elsewhere("u1").finish().expect(
        UtteranceSent("u1"), UtteranceSettled("u1"), SessionEnded("finished", expected=True)
    )
    connecting().finish().expect(CloseSocket(), SessionEnded("finished", expected=True))


def test_finishing_opens_a_connection_for_what_waits() -> None:
    book = new_play().waits("u1", 200).finish().expect(Like(OpenSocket))
    book.finish().expect()


def test_a_connection_that_never_comes_about_ends_the_wait() -> None:
    book = new_play().waits("u1", 200).finish().after(FINISH_MARGIN_S + 1)
    assert book.all(SessionEnded) == [SessionEnded("unconfirmed", expected=True)]


@pytest.mark.parametrize("code", [None, 1000, 1005, 1006])
def test_after_our_own_end_any_close_is_as_it_should_be(code: int | None) -> None:
    assert ending().closes(code).all(SessionEnded) == [SessionEnded("finished", expected=True)]


def test_a_service_that_does_not_close_is_not_waited_for() -> None:
    book = ending().after(DRAIN_S + 0.1)
    book.expect(CloseSocket(), Like(UtteranceSettled), SessionEnded("unconfirmed", expected=True))


def test_the_last_text_of_an_ending_connection_counts() -> None:
    book = ending().says(turn("Update", "And one more", index=1)).says(turn("Update", "And one more thing", index=1))
    assert [segment.text for segment in concluded(book.closes(1005))] == [" Hello there.", " And one more thing"]


def test_a_connection_lost_while_nobody_spoke_is_not_asked_for_again() -> None:
    streaming().closes(1006).expect(SessionEnded("lost while nobody spoke", expected=True))


@pytest.mark.parametrize(
    ("code", "category"),
    [
        (1006, ErrorCategory.CONNECTIVITY),
        (1011, ErrorCategory.SERVER),
        (1008, ErrorCategory.INVALID_REQUEST),
        (None, ErrorCategory.CONNECTIVITY),
    ],
)
def test_a_connection_lost_in_speech_fails_the_session(code: int | None, category: ErrorCategory) -> None:
    book = said(streaming()).closes(code, "NET-0000")
    (failure,) = book.all(SessionFailed)
    assert (failure.category, failure.detail) == (category, f"the connection was closed with {code} NET-0000")


def test_what_was_under_way_is_lost_and_what_was_not_sent_waits_for_the_next_session() -> None:
    book = streaming().speaks("u1", 1.0).says(turn("Update", "", end_s=1.0)).goes_deaf().speaks("u1", 0.4).closes()
    assert book.all(AudioLost) == [AudioLost("u1", 1280)]
    assert book.backlog.samples > 0


def test_a_dead_link_is_cut() -> None:
    book = streaming().speaks("u1", 0.5).goes_deaf().speaks("u1", 0.5).after(SILENT_S)
    assert book.all(CloseSocket) == [CloseSocket(reason="nothing arrived for 8 s", at_once=True)]


def deed(book: Playbook, step: int, index: int) -> None:
    """One thing that may happen, about this turn."""
    lines = {
        2: turn("StartOfTurn", f"Turn {index}", index=index),
        3: turn("Update", f"Turn {index}.", index=index),
        4: turn("EndOfTurn", f"Turn {index}!", index=index),
        5: warning(),
        6: message("ConfigureSuccess"),
        10: "{}",
    }
    if step in lines:
        book.says(lines[step])
    elif step in (0, 1):
        book.speaks(f"u{index}", 0.3)
    elif step == 7:
        asks(book, CONFIGURE, Configure(numerals=True, eager_eot_threshold=0.0))
    elif step == 8:
        asks(book, FORCE_END_TURN, ForceEndTurn())
    elif step == 9:
        book.after(3.0)
    else:
        book.goes_deaf()


@given(st.lists(st.integers(0, 11), max_size=40), st.integers(0, 2))
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_comes_in_whatever_order_ends(steps: list[int], kind: int) -> None:
    """Nothing raises, every utterance is sent and settled at most once, and no turn is concluded twice."""
    chosen = (options(), options(force_end_turn=False), options(eager_eot_threshold=0.5))[kind]
    book, index = streaming(chosen), 0
    for step in steps:
        if book.session.state not in (SessionState.STREAMING, SessionState.ENDING):
            break
        deed(book, step, index)
        if step == 4:
            book.backlog.end_utterance(f"u{index}")
            index += 1
    book.finish().after(300.0)
    assert book.session.state.is_final
    texts = [segment.text for segment in concluded(book)]
    assert len({text.rstrip("!.") for text in texts}) == len(texts)
    sent = [event.utterance_id for event in book.all(UtteranceSent)]
    settled = [event.utterance_id for event in book.all(UtteranceSettled)]
    assert (len(set(sent)), len(set(settled))) == (len(sent), len(settled))


def test_what_was_asked_for_earlier_is_what_it_begins_with() -> None:
    (dial,) = new_play(standing={CONFIGURE: Configure(keyterms=("zigbee",))}).start().all(OpenSocket)
    assert query(dial)["keyterm"] == ["zigbee"]


def test_a_token_opens_a_connection() -> None:
    book = requesting().answers(200, TOKEN).expect(Like(OpenSocket))
    assert book.session.state is SessionState.CONNECTING
    requesting().no_answer(REFUSED).expect(Like(SessionFailed))
    requesting().close().opens().expect(SessionEnded("closed", expected=True))


def test_a_refused_handshake_fails_the_session() -> None:
    (failure,) = new_play().start().dial_fails(403).all(SessionFailed)
    assert failure.category is ErrorCategory.AUTHORIZATION


def test_finishing_while_a_connection_is_asked_for_waits_for_it() -> None:
    book = connecting().waits("u1", 80).finish().expect()
    book.says(connected()).skip().after(0.1)
    assert book.session.state is SessionState.ENDING
