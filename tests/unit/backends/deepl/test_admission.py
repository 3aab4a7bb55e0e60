import json

import pytest

from satellite.backends.base import (
    CloseSocket,
    HttpFailed,
    HttpRequest,
    HttpResponse,
    OpenSocket,
    SessionState,
    SocketClosed,
)
from satellite.backends.deepl.admission import RESUME_BUDGET_S, Admission
from satellite.backends.lifecycle import Lifecycle
from satellite.core.events import SessionFailed
from satellite.errors import ErrorCategory, LocalMisuse
from tests.unit.backends.deepl.stage import KEY, dial, options, setup, ticket

UNSENT = HttpFailed("no route", was_sent=False)
UNANSWERED = HttpFailed("timed out", was_sent=True)


class Desk:
    """An Admission in virtual time, with what came of it."""

    def __init__(self, *, speech: bool = False, **changes: object) -> None:
        self.life = Lifecycle()
        voice = setup(speech_language="de" if speech else None)
        self.admission = Admission(options(**changes), voice, self.life)
        self.now = 0.0
        self.sent_at: float | None = None

    def requested(self) -> "Desk":
        self.admission.request()
        return self

    def answers(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> "Desk":
        self.admission.answered(HttpResponse(status, headers or {}, body), self.now)
        return self

    def no_answer(self, failure: HttpFailed) -> "Desk":
        self.admission.unanswered(failure, self.now)
        return self

    def opens(self, *, takes_audio: bool = True) -> "Desk":
        self.life.take_actions()
        self.admission.opened(self.now)
        self.life.move(SessionState.STREAMING)
        if takes_audio:
            self.admission.took_audio()
        return self

    def connected(self) -> "Desk":
        return self.requested().answers(200, ticket("t1")).opens()

    def closes(self, code: int | None = 1006) -> "Desk":
        self.life.has_socket = False
        self.admission.lost(SocketClosed(was_open=True, code=code), self.now, self.sent_at)
        return self

    def dial_fails(self, status: int | None = None, reason: str = "refused") -> "Desk":
        self.life.has_socket = False
        closed = SocketClosed(was_open=False, http_status=status, reason=reason)
        self.admission.dial_failed(closed, self.now, self.sent_at)
        return self

    def wait(self) -> float:
        """Until the deadline; how long that was."""
        assert self.admission.deadline is not None
        before, self.now = self.now, self.admission.deadline
        self.admission.deadline_reached(self.now)
        return self.now - before

    def wanted(self) -> list[str]:
        """Actions in short."""
        return [
            f"{action.method} {action.url.partition('=')[2]}".strip() if isinstance(action, HttpRequest) else "dial"
            for action in self.life.take_actions()
            if isinstance(action, HttpRequest | OpenSocket)
        ]

    def failure(self) -> SessionFailed:
        assert self.life.state is SessionState.FAILED
        (event,) = self.life.take_events()
        assert isinstance(event, SessionFailed)
        return event


def test_a_session_is_asked_for_and_dialled_once() -> None:
    desk = Desk().requested()
    assert desk.wanted() == ["POST"]
    desk.answers(200, ticket("t1"), {"x-trace-id": "trace-1"})
    assert desk.life.take_actions() == [dial("t1")]
    assert (desk.life.state, desk.admission.trace_id) == (SessionState.CONNECTING, "trace-1")


def test_an_answer_nobody_asked_for_is_a_bug() -> None:
    desk = Desk().requested().answers(200, ticket("t1"))
    with pytest.raises(LocalMisuse):
        desk.answers(200, ticket("t2"))


@pytest.mark.parametrize(
    ("status", "category"),
    [(401, ErrorCategory.AUTHENTICATION), (456, ErrorCategory.QUOTA), (503, ErrorCategory.SERVER)],
)
def test_a_refusal_is_sorted_and_not_repeated(status: int, category: ErrorCategory) -> None:
    desk = Desk().requested().answers(status, b'{"message": "No."}', {"x-trace-id": "trace-1"})
    assert desk.wanted() == []
    failure = desk.failure()
    assert (failure.category, failure.detail, failure.trace_id) == (category, f"POST answered {status}: No.", "trace-1")


def test_a_refusal_of_speech_suggests_text_only() -> None:
    failure = Desk(speech=True).requested().answers(403).failure()
    assert failure.hint is not None
    assert "voice.speech_language" in failure.hint


def test_an_answer_without_ticket_fails() -> None:
    assert Desk().requested().answers(200, b"{}").failure().category is ErrorCategory.SERVER


def test_no_answer_to_post_fails_with_the_category_of_the_link() -> None:
    failed = HttpFailed("certificate", was_sent=False, category=ErrorCategory.SERVER)
    assert Desk().requested().no_answer(failed).failure().category is ErrorCategory.SERVER


def test_formality_is_given_up_once() -> None:
    desk = Desk(formality="formal").requested()
    first = desk.life.take_actions()
    desk.answers(400)
    second = desk.life.take_actions()
    bodies = [json.loads(request.body or b"") for request in first + second if isinstance(request, HttpRequest)]
    assert [body.get("formality") for body in bodies] == ["formal", None]
    assert desk.answers(400).failure().category is ErrorCategory.INVALID_REQUEST


def test_keys_and_tokens_are_in_no_detail() -> None:
    desk = Desk().requested().answers(200, ticket("t+1/")).opens()
    desk.closes().no_answer(HttpFailed(f"GET https://x?token=t%2B1%2F {KEY} t+1/", was_sent=True))
    desk.wait()
    detail = desk.no_answer(HttpFailed(f"GET https://x?token=t%2B1%2F {KEY} t+1/", was_sent=True)).failure().detail
    assert detail == "GET got no answer: GET https://x?token=**** **** ****"


def test_a_lost_connection_is_asked_for_with_the_newest_token_each_time() -> None:
    desk = Desk().connected()
    for n in range(2, 5):
        desk.now += 70
        desk.sent_at = desk.now
        assert desk.closes().wanted() == [f"GET t{n - 1}"]
        desk.answers(200, ticket(f"t{n}"))
        assert desk.life.take_actions() == [dial(f"t{n}")]
        desk.opens()
    assert desk.life.take_events() == []


def test_a_get_that_never_left_is_repeated_until_the_session_must_be_gone() -> None:
    desk = Desk().connected()
    desk.sent_at = 0.0
    desk.closes()
    waits = []
    while not desk.no_answer(UNSENT).life.is_final:
        waits.append(desk.wait())
    assert waits == [1.0, 2.0, 4.0, 8.0]
    assert desk.failure().category is ErrorCategory.CONNECTIVITY
    assert desk.admission.deadline is None


def test_a_deadline_that_is_not_due_does_nothing() -> None:
    desk = Desk().connected().closes().no_answer(UNSENT)
    desk.wanted()
    desk.admission.deadline_reached(desk.now + 0.5)
    assert desk.wanted() == []


def test_a_get_that_may_have_arrived_is_repeated_once() -> None:
    desk = Desk().connected().closes()
    desk.no_answer(UNANSWERED).wait()
    assert desk.wanted() == ["GET t1", "GET t1"]
    assert desk.no_answer(UNANSWERED).failure().category is ErrorCategory.CONNECTIVITY


def test_after_one_that_may_have_arrived_not_even_a_certain_miss_is_repeated() -> None:
    desk = Desk().connected().closes().no_answer(UNANSWERED)
    desk.wait()
    assert desk.no_answer(UNSENT).life.is_final


def test_a_service_in_trouble_is_asked_once_more_when_it_says() -> None:
    desk = Desk().connected().closes().answers(503, b"", {"retry-after": "7"})
    assert desk.wait() == 7.0
    assert desk.answers(500).failure().category is ErrorCategory.SERVER


def test_a_wish_beyond_the_budget_ends_the_session() -> None:
    desk = Desk().connected().closes().answers(503, b"", {"retry-after": "60"})
    assert desk.failure().retry_after_s == 60.0


@pytest.mark.parametrize(
    ("status", "category"),
    [(400, ErrorCategory.SERVER), (429, ErrorCategory.RATE_LIMIT), (401, ErrorCategory.AUTHENTICATION)],
)
def test_a_refused_get_is_not_repeated(status: int, category: ErrorCategory) -> None:
    assert Desk().connected().closes().answers(status).failure().category is category


def test_the_last_get_of_the_budget_is_short() -> None:
    desk = Desk().connected()
    desk.sent_at, desk.now = 0.0, 24.5
    desk.closes()
    (request,) = desk.life.take_actions()
    assert isinstance(request, HttpRequest)
    assert request.timeout_s == 1.0


@pytest.mark.parametrize(("sent_at", "now"), [(0.0, 25.0), (None, 25.0), (30.0, 55.0)])
def test_too_long_after_the_last_audio_nothing_is_asked(sent_at: float | None, now: float) -> None:
    desk = Desk().connected()
    desk.sent_at, desk.now = sent_at, now
    desk.closes()
    assert desk.wanted() == []
    assert desk.failure().category is ErrorCategory.CONNECTIVITY


def closes_after(desk: Desk, lived_s: float) -> Desk:
    desk.now += lived_s
    desk.sent_at = desk.now
    return desk.closes()


def test_each_reconnect_of_a_minute_waits_longer_and_five_are_enough() -> None:
    desk, waits = Desk().connected(), []
    for n in range(2, 7):
        closes_after(desk, 5)
        waits.append(desk.wait() if desk.admission.deadline is not None else 0.0)
        desk.answers(200, ticket(f"t{n}")).opens()
    assert waits == [0.0, 1.0, 2.0, 4.0, 8.0]
    assert closes_after(desk, 5).failure().category is ErrorCategory.CONNECTIVITY


def test_a_reconnect_is_not_put_off_past_its_budget() -> None:
    desk = Desk().connected()
    for n in range(2, 6):
        closes_after(desk, 5)
        if desk.admission.deadline is not None:
            desk.wait()
        desk.answers(200, ticket(f"t{n}")).opens()
    assert desk.sent_at is not None
    desk.sent_at -= 14.0
    desk.now += 4
    desk.closes()
    desk.wait()
    assert desk.now == desk.sent_at + RESUME_BUDGET_S


def test_the_minute_moves_on() -> None:
    desk = Desk().connected()
    for n in range(2, 12):
        closes_after(desk, 31)
        if desk.admission.deadline is not None:
            desk.wait()
        desk.answers(200, ticket(f"t{n}")).opens()
    assert desk.life.state is SessionState.STREAMING


def test_a_service_that_closes_at_once_is_not_asked_again_by_this_session() -> None:
    desk = Desk().requested().answers(200, ticket("t1")).opens(takes_audio=False)
    desk.wanted()
    desk.now = 1.0
    assert desk.closes(1000).failure().category is ErrorCategory.SERVER
    assert desk.wanted() == []


@pytest.mark.parametrize(("takes_audio", "lived_s"), [(True, 1.0), (False, 3.0)])
def test_where_there_is_something_to_go_back_to_one_quick_close_is_forgiven(takes_audio: bool, lived_s: float) -> None:
    desk = Desk().requested().answers(200, ticket("t1")).opens(takes_audio=takes_audio)
    closes_after(desk, lived_s).answers(200, ticket("t2")).opens(takes_audio=False)
    if not takes_audio:
        assert closes_after(desk, 1.0).life.state is SessionState.REQUESTING
        desk.wait()
        desk.answers(200, ticket("t3")).opens()
    assert closes_after(desk, 1.0).failure().category is ErrorCategory.SERVER


def test_a_connection_that_lives_ends_the_row() -> None:
    desk = Desk().connected()
    closes_after(desk, 1.0).answers(200, ticket("t2")).opens(takes_audio=False)
    closes_after(desk, 3.0).wait()
    desk.answers(200, ticket("t3")).opens(takes_audio=False)
    assert closes_after(desk, 1.0).life.state is SessionState.REQUESTING


def test_a_policy_close_is_forgiven_once() -> None:
    desk = Desk().connected()
    desk.closes(1008).answers(200, ticket("t2")).opens()
    assert desk.closes(1009).failure().category is ErrorCategory.SERVER


def test_after_a_policy_close_the_get_is_tried_once() -> None:
    assert Desk().connected().closes(1003).no_answer(UNSENT).life.is_final


def test_a_first_dial_that_nobody_answered_is_the_end_there_is_nothing_to_go_back_to() -> None:
    failure = Desk().requested().answers(200, ticket("t1")).dial_fails().failure()
    assert (failure.category, failure.detail) == (ErrorCategory.SERVER, "the stream could not be opened: refused")


def test_a_later_dial_that_nobody_answered_is_followed_by_one_get() -> None:
    desk = Desk().connected().closes().answers(200, ticket("t2"))
    desk.wanted()
    desk.dial_fails()
    desk.wait()
    assert desk.wanted() == ["GET t2"]
    assert desk.answers(200, ticket("t3")).dial_fails().failure().category is ErrorCategory.SERVER


def test_a_dial_that_works_forgives_the_one_that_did_not() -> None:
    desk = Desk().connected().closes().answers(200, ticket("t2")).dial_fails()
    desk.wait()
    desk.answers(200, ticket("t3")).opens()
    closes_after(desk, 3.0).wait()
    desk.answers(200, ticket("t4"))
    assert desk.dial_fails().life.state is SessionState.REQUESTING


@pytest.mark.parametrize(
    ("status", "category"),
    [
        (401, ErrorCategory.SERVER),
        (410, ErrorCategory.SERVER),
        (429, ErrorCategory.RATE_LIMIT),
        (503, ErrorCategory.SERVER),
    ],
)
def test_a_refused_dial_ends_the_session(status: int, category: ErrorCategory) -> None:
    desk = Desk().requested().answers(200, ticket("t1")).dial_fails(status)
    failure = desk.failure()
    assert (failure.category, failure.detail) == (category, f"the stream could not be opened: answered {status}")
    assert CloseSocket() not in desk.life.take_actions()
