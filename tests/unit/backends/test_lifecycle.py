import re

import pytest

from satellite.backends.base import CloseSocket, HttpRequest, OpenRoom, OpenSocket, SendText, SessionState
from satellite.backends.lifecycle import TRANSITIONS, Lifecycle
from satellite.core.events import (
    ActionAnswered,
    ConnectionLost,
    SessionEnded,
    SessionFailed,
    SessionOpened,
    UtteranceSent,
)
from satellite.errors import ErrorCategory, LocalMisuse

FAILURE = SessionFailed(ErrorCategory.SERVER, "down")


def life_in(*states: SessionState) -> Lifecycle:
    life = Lifecycle()
    for state in states:
        life.move(state)
    return life


def connected() -> Lifecycle:
    life = life_in(SessionState.REQUESTING, SessionState.CONNECTING)
    life.act(OpenSocket("wss://example.org"))
    life.move(SessionState.STREAMING)
    life.take_actions()
    return life


@pytest.mark.parametrize("before", SessionState)
@pytest.mark.parametrize("after", SessionState)
def test_moves_follow_the_table(before: SessionState, after: SessionState) -> None:
    life = Lifecycle()
    life.state = before
    if after in TRANSITIONS[before]:
        life.move(after)
        assert life.state is after
    else:
        with pytest.raises(LocalMisuse):
            life.move(after)


def test_the_table_has_no_way_out_of_a_final_state_and_a_way_to_close_from_any_other() -> None:
    for state, ways in TRANSITIONS.items():
        assert (SessionState.CLOSED in ways) is not state.is_final


def test_an_input_in_the_wrong_state_is_a_bug_but_a_late_one_is_not() -> None:
    life = Lifecycle()
    with pytest.raises(LocalMisuse, match="message while idle"):
        life.require("message", SessionState.STREAMING)
    assert life.require("start", SessionState.IDLE)
    life.end("done", expected=True)
    assert not life.require("message", SessionState.STREAMING)


def test_the_first_cause_wins() -> None:
    life = connected()
    life.fail(FAILURE)
    life.fail(SessionFailed(ErrorCategory.QUOTA, "other"))
    life.end("closed", expected=True)
    assert life.state is SessionState.FAILED
    assert life.take_events() == [FAILURE]
    assert life.take_actions() == [CloseSocket()]


def test_an_end_closes_the_socket_once_and_after_what_was_to_be_sent() -> None:
    life = connected()
    life.act(SendText("last"))
    life.end("finished", expected=True)
    assert life.take_actions() == [SendText("last"), CloseSocket()]
    assert life.take_actions() == []
    assert life.take_events() == [SessionEnded("finished", expected=True)]
    assert not life.has_socket


def test_a_socket_that_is_gone_is_not_closed() -> None:
    life = connected()
    life.has_socket = False
    life.fail(FAILURE)
    assert life.take_actions() == []


def test_what_was_not_begun_is_not_begun_after_the_end() -> None:
    life = life_in(SessionState.REQUESTING)
    life.act(HttpRequest("POST", "https://example.org", {}))
    life.move(SessionState.CONNECTING)
    life.act(OpenSocket("wss://example.org"))
    life.end("closed", expected=True)
    assert life.take_actions() == []


def test_events_are_taken_once() -> None:
    life = Lifecycle()
    life.report(UtteranceSent("u1"))
    assert life.take_events() == [UtteranceSent("u1")]
    assert life.take_events() == []


def test_texts_of_the_peer_are_made_presentable() -> None:
    life = connected()
    life.keep_secret("t0ken", "key")
    life.lost("bye t0ken\x1b[31m\r\n\ud800 " + "x" * 300)
    life.fail(SessionFailed(ErrorCategory.SERVER, "bad key\tgiven"))
    lost, failed = life.take_events()
    assert isinstance(lost, ConnectionLost)
    assert lost.reason.startswith("bye **** [31m xxx")
    assert (len(lost.reason), lost.reason[-1]) == (200, "…")
    assert failed == SessionFailed(ErrorCategory.SERVER, "bad **** given")


def test_so_is_why_a_wish_was_refused() -> None:
    life = connected()
    life.keep_secret("t0ken")
    life.report(ActionAnswered("say", reason="bad\nt0ken \ud800" + "x" * 300))
    life.report(ActionAnswered("say", {"command": "say"}))
    refused, done = life.take_events()
    assert isinstance(refused, ActionAnswered)
    assert refused.reason == f"bad **** {'x' * 190}…"
    assert done == ActionAnswered("say", {"command": "say"})


def test_a_trace_id_that_holds_a_secret_is_none() -> None:
    life = connected()
    life.keep_secret("t0ken")
    life.report(SessionOpened(resumed=False, trace_id="0af7"))
    life.report(SessionOpened(resumed=True, trace_id="for-t0ken"))
    life.fail(SessionFailed(ErrorCategory.SERVER, "", trace_id="t0ken"))
    told = [event.trace_id for event in life.take_events() if isinstance(event, SessionOpened | SessionFailed)]
    assert told == ["0af7", None, None]


def test_secrets_that_lie_in_one_another_or_in_their_mask_cost_nothing() -> None:
    life = connected()
    life.keep_secret("*", "**", "%2A", "key", "a key of many parts")
    life.lost("**" * 4_000_000 + " a key of many parts")
    life.lost("not a key of many parts but a key ok")
    first, second = life.take_events()
    assert isinstance(first, ConnectionLost)
    assert isinstance(second, ConnectionLost)
    assert (len(first.reason), second.reason) == (200, "not **** but a **** ok")


def test_tokens_are_masked_and_the_last_few_remembered() -> None:
    life = connected()
    life.keep_secret("key")
    for number in range(1000):
        life.keep_token(f"t0ken-{number}.", f"t0ken%2D{number}.")
    life.lost("key t0ken-999. t0ken%2D999. t0ken-998. t0ken-0.")
    (lost,) = life.take_events()
    assert isinstance(lost, ConnectionLost)
    assert lost.reason == "**** **** **** **** t0ken-0."


def test_masking_leaves_no_secrets_behind_in_the_process() -> None:
    """The module re keeps the last expressions it was given: tokens would pile up there for every connection made."""
    re.purge()
    for number in range(200):
        life = connected()
        life.keep_token(f"t0ken-{number}")
        life.lost(f"bye t0ken-{number}")
    assert re._cache == {}  # type: ignore[attr-defined]  # no other way to see it


def test_what_a_failure_costs_is_told_before_it_and_once() -> None:
    life = Lifecycle()
    life.move(SessionState.REQUESTING)
    life.before_failure = lambda: life.lost("the price")
    for _ in range(2):
        life.fail(SessionFailed(ErrorCategory.SERVER, "no"))
    assert [type(event) for event in life.take_events()] == [ConnectionLost, SessionFailed]


FAREWELL = HttpRequest("DELETE", "https://example.org/session/1", {})


def test_whatever_the_end_is_a_farewell_is_the_last_thing_wanted() -> None:
    life = connected()
    life.farewell = FAREWELL
    life.act(HttpRequest("GET", "https://example.org", {}))
    life.fail(FAILURE)
    assert life.take_actions() == [CloseSocket(), FAREWELL]
    life.end("closed", expected=True)
    assert life.take_actions() == []


def test_a_room_is_left_as_a_socket_is_closed_and_one_that_was_not_joined_is_not_joined() -> None:
    life = life_in(SessionState.REQUESTING, SessionState.CONNECTING)
    life.act(OpenRoom("wss://example.org", "token"))
    assert life.has_socket
    life.end("closed", expected=True)
    assert life.take_actions() == []
    life = life_in(SessionState.REQUESTING, SessionState.CONNECTING)
    life.act(OpenRoom("wss://example.org", "token"))
    life.take_actions()
    life.end("closed", expected=True)
    assert life.take_actions() == [CloseSocket()]
