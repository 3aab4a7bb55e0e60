import json
from typing import Any

import pytest

from satellite.adapters.neighbours import Neighbour
from satellite.app.diagnosis.report import Outcome, Verdict
from satellite.app.diagnosis.running import OUTBOX_MANY, Said, judge
from satellite.homeassistant.topics import Topics

TOPICS = Topics("voice-satellite", "kitchen")
HERE = Neighbour(4711, frozenset({"capture"}))
HEALTH = {"version": "1.0", "uptime_s": 100.0, "outbox": 0, "capture_age_ms": 42}
CALM = {"active": False}


def said(
    availability: bytes | None = b"online",
    state: bytes | None = b"idle",
    problem: dict[str, Any] | None = None,
    **health: object,
) -> Said:
    retained = {
        TOPICS.availability: availability,
        TOPICS.state: state,
        TOPICS.problem: json.dumps(problem or CALM).encode(),
        TOPICS.health: json.dumps(HEALTH | health).encode(),
    }
    return Said.of(TOPICS, {topic: payload for topic, payload in retained.items() if payload is not None})


def verdict(outcome: Outcome) -> tuple[Verdict, str]:
    return outcome.verdict, outcome.detail


def test_one_that_works() -> None:
    assert verdict(judge(said(), HERE, "1.0", may_read=True)) == (
        Verdict.PASS,
        "online, idle, up 100 s at its last report, newest sound 42 ms old",
    )


@pytest.mark.parametrize(
    ("availability", "running", "expected", "told"),
    [
        (b"offline", None, Verdict.WARN, "offline: it does not run"),
        (b"offline", HERE, Verdict.FAIL, r"runs here (pid 4711) and is offline"),
        (None, None, Verdict.SKIP, "has heard nothing of it yet"),
        (None, HERE, Verdict.FAIL, "not seen at the broker"),
        (b"nonsense", None, Verdict.SKIP, "has heard nothing of it yet"),
    ],
)
def test_one_that_is_not_there(
    availability: bytes | None, running: Neighbour | None, expected: Verdict, told: str
) -> None:
    outcome = judge(said(availability), running, "1.0", may_read=True)
    assert outcome.verdict is expected
    assert told in outcome.detail


@pytest.mark.parametrize("running", [None, HERE])
def test_nothing_read_means_nothing_where_nothing_may_be_read(running: Neighbour | None) -> None:
    outcome = judge(said(None), running, "1.0", may_read=False)
    assert outcome.verdict is Verdict.SKIP
    assert "may not read" in outcome.detail
    assert judge(said(b"offline"), running, "1.0", may_read=False).verdict is not Verdict.SKIP


@pytest.mark.parametrize(
    ("age_ms", "uptime_s", "state", "problem", "expected"),
    [
        (6_000, 100, b"idle", None, Verdict.PASS),
        (6_001, 100, b"idle", None, Verdict.FAIL),
        (None, 5, b"starting", None, Verdict.PASS),
        (None, 7, b"idle", None, Verdict.FAIL),
        (90_000, 100, b"muted", None, Verdict.PASS),
        (90_000, 100, b"idle", "unreachable", Verdict.FAIL),
    ],
)
def test_a_deaf_one_never_looks_healthy(
    age_ms: int | None, uptime_s: int, state: bytes, problem: str | None, expected: Verdict
) -> None:
    told = None if problem is None else {"active": True, "code": problem, "message": "m", "hint": "h"}
    outcome = judge(
        said(state=state, problem=told, capture_age_ms=age_ms, uptime_s=uptime_s), HERE, "1.0", may_read=True
    )
    assert outcome.verdict is expected
    assert ("deaf" in outcome.detail) == (expected is Verdict.FAIL)


@pytest.mark.parametrize(
    ("code", "state", "expected"),
    [
        ("microphone", b"idle", Verdict.FAIL),
        ("auth", b"parked", Verdict.FAIL),
        ("speaker", b"idle", Verdict.FAIL),
        ("unreachable", b"idle", Verdict.WARN),
        ("audio_lost", b"listening", Verdict.WARN),
        ("daily_limit", b"parked", Verdict.FAIL),
    ],
)
def test_its_own_problem_is_told_with_its_hint(code: str, state: bytes, expected: Verdict) -> None:
    problem = {"active": True, "code": code, "message": "it is so", "hint": "do that", "since": "2026"}
    outcome = judge(
        said(state=state, problem=problem, capture_age_ms=9_000 if code == "microphone" else 42),
        HERE,
        "1.0",
        may_read=True,
    )
    assert outcome.verdict is expected
    assert f"problem {code}: it is so" in outcome.detail
    assert outcome.mend == "do that"


def test_a_problem_without_a_hint_leads_to_its_page() -> None:
    outcome = judge(
        said(problem={"active": True, "code": "quota", "message": "m", "hint": None}), HERE, "1.0", may_read=True
    )
    assert outcome.mend == "see quota in docs/troubleshooting.md"


def test_parked_without_a_word_is_a_failure() -> None:
    assert verdict(judge(said(state=b"parked"), HERE, "1.0", may_read=True))[0] is Verdict.FAIL


def test_what_piles_up_and_what_is_missing() -> None:
    assert judge(said(outbox=OUTBOX_MANY), HERE, "1.0", may_read=True).verdict is Verdict.PASS
    assert "11 messages wait" in judge(said(outbox=OUTBOX_MANY + 1), HERE, "1.0", may_read=True).detail
    outcome = judge(said(state=None), HERE, "1.0", may_read=True)
    assert outcome.verdict is Verdict.WARN
    assert "nothing on state" in outcome.detail
    outcome = judge(Said(availability=b"online"), HERE, "1.0", may_read=True)
    assert "nothing on state and health" in outcome.detail


def test_one_that_was_not_restarted_after_an_upgrade() -> None:
    outcome = judge(said(), HERE, "1.1", may_read=True)
    assert outcome.verdict is Verdict.WARN
    assert "version 1.0 runs, 1.1 is installed" in outcome.detail


@pytest.mark.parametrize("nonsense", [b"[1]", b"\xff", b"{", b"[" * 100_000, b'{"uptime_s": true, "outbox": "x"}'])
def test_whatever_is_retained_there_is_survived(nonsense: bytes) -> None:
    topics = (TOPICS.state, TOPICS.problem, TOPICS.health)
    retained = {TOPICS.availability: b"online"} | dict.fromkeys(topics, nonsense)
    outcome = judge(Said.of(TOPICS, retained), None, "1.0", may_read=False)
    assert outcome.detail.isprintable()
