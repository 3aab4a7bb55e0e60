"""When a session begins, is tried again, is parked; and that no audio is forgotten meanwhile."""

import asyncio
import itertools
import logging

import pytest

from satellite.core.audio import RATE_HZ, AudioChunk
from satellite.core.backlog import UtteranceEnd
from satellite.core.events import (
    ConnectionLost,
    SessionEnded,
    SessionFailed,
    SessionOpened,
)
from satellite.errors import ErrorCategory
from tests.fakes.uplink_play import BAD_KEY, BAD_REQUEST, IN_TROUBLE, REFUSES, Play
from tests.fakes.virtual_time import pass_time, running, virtual
from tests.fakes.voice import REFUSED, Fate

# --- the ordinary course ------------------------------------------------------------------------------------------


@virtual
async def test_a_session_is_opened_only_when_audio_waits() -> None:
    play = Play()
    async with running(play.uplink.run):
        await pass_time(3600 / 2)
        assert play.service.sessions == []
        play.hear()
        await pass_time(1)
        assert play.starts == [1800]
        assert play.service.heard_ms == 100


@virtual
async def test_one_session_takes_one_utterance_after_the_other_and_closes_when_idle() -> None:
    play = Play()
    async with running(play.uplink.run):
        for number in range(3):
            play.talk(f"u{number}", 1.0)
            await pass_time(10)
        await pass_time(120)
        play.talk("u3", 1.0)
        await pass_time(1)
        assert len(play.service.sessions) == 2
        assert play.told("Ended", "Failed", "over") == [(80, "s1 SessionEnded"), (80, "s1 over")]
        counters = play.uplink.counters
        assert (counters.sessions, counters.reconnects, counters.resumes) == (2, 0, 0)
        assert play.uplink.streamed_samples == 4 * RATE_HZ, "the present session's are among them"


@virtual
async def test_messages_of_no_use_are_told_once_a_session(caplog: pytest.LogCaptureFixture) -> None:
    play = Play()
    caplog.set_level(logging.INFO, "satellite.runtime.uplink")
    async with running(play.uplink.run):
        for ignored in (0, 3, 2):
            play.talk("u1")
            await pass_time(1)
            play.service.session.counters.ignored_messages = ignored
            play.service.ends(SessionEnded("finished", expected=True))
            await pass_time(1)
    told = [(record.levelname, record.args) for record in caplog.records if "of no use" in record.message]
    assert told == [("WARNING", ("s2", 3)), ("INFO", ("s3", 2))]
    ids = [vars(record)["session_id"] for record in caplog.records if record.name == "satellite.runtime.uplink"]
    assert ids == ["s1", "s2", "s2", "s3", "s3"], "each line is about a session"
    assert play.uplink.counters.ignored_messages == 5


@virtual
async def test_marks_come_behind_their_audio() -> None:
    play = Play()
    async with running(play.uplink.run):
        play.talk("u1")
        play.talk("u2")
        await pass_time(1)
    pieces = [p.utterance_id + "." * isinstance(p, UtteranceEnd) for p in play.service.session.taken]
    assert pieces == ["u1", "u1.", "u2", "u2."]


@virtual
async def test_an_end_in_order_with_audio_left_is_followed_by_the_next_session_at_once() -> None:
    play = Play(Fate(is_hungry=False))
    async with running(play.uplink.run):
        play.hear()
        await pass_time(1)
        play.service.session.counters.sent_samples = 1600
        play.service.ends(SessionEnded("time is over", expected=True))
        await pass_time(0.5)
        assert play.starts == [0, 1]
        assert play.service.heard_ms == 100


@virtual
async def test_how_long_audio_waits_is_measured() -> None:
    play = Play(Fate(opens_after_s=2.0))
    async with running(play.uplink.run):
        for _ in range(10):
            play.hear()
        assert play.uplink.waiting_ms.at(1.0) == 1000
        await pass_time(3)
        play.hear()
        assert play.uplink.waiting_ms.at(0.0) == 0


@virtual
async def test_the_days_allowance_ends_the_session_and_keeps_others_from_beginning_until_it_is_lifted() -> None:
    play = Play()
    play.limit_s = 2.0
    async with running(play.uplink.run):
        play.talk("u1", 2.0)
        await pass_time(1)
        play.talk("u2", 1.0)
        await pass_time(100)
        play.talk("u3", 1.0)
        await pass_time(1)
        assert play.service.heard_ms == 2000
        assert len(play.service.sessions) == 1
        assert play.told("limit", "Ended") == [(1, "limit reached"), (1.2, "s1 SessionEnded")]
        assert play.events.lost == ["u2", "u3"]
        play.limit_s = 9.0
        play.talk("u4", 1.0)
        await pass_time(1)
        assert play.service.heard_ms == 3000
        assert play.told("lifted") == [(102, "limit lifted")]


# --- failures -----------------------------------------------------------------------------------------------------


@virtual
async def test_audio_is_kept_over_failures_and_given_to_the_next_session() -> None:
    play = Play(REFUSES, REFUSES)
    async with running(play.uplink.run):
        play.talk("u1", 1.0)
        await pass_time(2)
        play.talk("u2", 2.0)
        await pass_time(10)
        assert play.service.heard_ms == 3000
        assert [len(session.taken) for session in play.service.sessions[:2]] == [0, 0]
        assert play.told("Sent") == [(3.2, "s3 UtteranceSent u1"), (3.2, "s3 UtteranceSent u2")]
        assert play.events.dropped == []


@virtual
async def test_each_failure_doubles_the_wait() -> None:
    play = Play(*[Fate(failure=IN_TROUBLE)] * 8)
    async with running(play.uplink.run):
        play.hear()
        await pass_time(320)
    waits = [after - before for before, after in itertools.pairwise(play.starts)]
    assert waits == pytest.approx([2.05, 4.05, 8.05, 16.05, 32.05, 60.05, 60.05, 60.05])


@virtual
async def test_an_outage_is_noticed_to_be_over_before_the_backlog_is_full() -> None:
    play = Play(*[REFUSES] * 8)
    async with running(play.uplink.run):
        play.hear()
        await pass_time(80)
    waits = [after - before for before, after in itertools.pairwise(play.starts)]
    assert waits == pytest.approx([1.05, 2.05, 4.05, 8.05, 10.05, 10.05, 10.05, 10.05])


@virtual
async def test_a_service_that_accepts_and_fails_at_once_is_not_asked_faster_and_faster() -> None:
    play = Play(*[Fate(opens_after_s=0.01, failure=IN_TROUBLE, fails_after_s=0.02)] * 9)
    async with running(play.uplink.run):
        play.hear(seconds=20)
        for _ in range(600):
            await pass_time(1)
            play.hear()
    waits = [after - before for before, after in itertools.pairwise(play.starts)]
    assert waits == pytest.approx([2.02, 4.02, 120.02, 240.02], abs=1.0)
    assert play.uplink.counters.reconnects == 4


@virtual
async def test_a_session_that_lived_long_enough_makes_the_next_wait_short_again() -> None:
    play = Play(*[REFUSES] * 4)
    async with running(play.uplink.run):
        play.hear()
        await pass_time(20)
        for _ in range(7):
            play.hear()
            await pass_time(10)
        play.service.ends(REFUSED)
        failed_at = asyncio.get_running_loop().time()
        play.hear()
        await pass_time(1.5)
        assert play.service.session.started_at == failed_at + 1


@virtual
async def test_the_services_own_wish_is_the_least_wait() -> None:
    limited = SessionFailed(ErrorCategory.RATE_LIMIT, "slow down", retry_after_s=30)
    play = Play(Fate(failure=limited))
    async with running(play.uplink.run):
        play.hear()
        await pass_time(60)
    assert play.starts == [0, pytest.approx(30.05)]


@virtual
async def test_an_end_nobody_asked_for_is_a_failure() -> None:
    play = Play(Fate(failure=SessionEnded("going down", expected=False), fails_after_s=1.0))
    async with running(play.uplink.run):
        play.hear()
        await pass_time(1.5)
        play.hear()
        await pass_time(3)
    assert play.starts == [0, 2]


@virtual
async def test_a_session_that_ends_in_order_without_taking_anything_does_not_spin() -> None:
    done = SessionEnded("done", expected=True)
    play = Play(*[Fate(opens_after_s=9.0, failure=done, fails_after_s=0.0)] * 4)
    async with running(play.uplink.run):
        play.hear()
        await pass_time(60)
    assert play.starts == [0, 1, 3, 7, 15]
    assert play.service.heard_ms == 100


@virtual
async def test_a_failure_with_nothing_left_to_send_waits_for_audio() -> None:
    play = Play()
    async with running(play.uplink.run):
        play.talk("u1")
        await pass_time(5)
        play.service.ends(REFUSED)
        await pass_time(300)
        assert len(play.service.sessions) == 1
        play.talk("u2")
        await pass_time(1)
        assert play.starts == [0, 305]


@virtual
async def test_the_end_of_an_utterance_that_a_failed_session_had_in_whole_needs_no_session() -> None:
    play = Play()
    async with running(play.uplink.run):
        play.hear("u1")
        await pass_time(1)
        play.service.ends(REFUSED)
        await pass_time(1)
        play.uplink.utterance_ended("u1")
        await pass_time(60)
        assert len(play.service.sessions) == 1
        assert play.told("Sent") == [(2, "s1 UtteranceSent u1")]
        assert play.backlog.is_empty


@virtual
async def test_a_mark_the_session_did_not_get_to_is_told_before_the_session_is_over() -> None:
    play = Play(Fate())
    async with running(play.uplink.run):
        play.hear("u1")
        await pass_time(1)
        play.service.session.say(REFUSED)
        play.backlog.end_utterance("u1")
        play.service.ends(REFUSED)
        await pass_time()
        assert [line for _, line in play.events.story[-2:]] == ["s1 UtteranceSent u1", "s1 over"]


# --- reconnects ---------------------------------------------------------------------------------------------------


@virtual
async def test_resumes_and_reconnects_are_counted() -> None:
    play = Play()
    async with running(play.uplink.run):
        play.hear()
        await pass_time(1)
        play.service.says(ConnectionLost("reset"), SessionOpened(resumed=True))
        play.service.ends(REFUSED)
        play.hear()
        await pass_time(5)
        counters = play.uplink.counters
        assert (counters.sessions, counters.resumes, counters.reconnects) == (2, 1, 2)


# --- parked -------------------------------------------------------------------------------------------------------


@virtual
async def test_a_permanent_failure_parks_and_is_probed_now_and_then() -> None:
    play = Play(Fate(failure=BAD_KEY), Fate(failure=BAD_KEY))
    async with running(play.uplink.run):
        play.hear()
        await pass_time(3500)
        assert play.told("park") == [(0.05, "parked: the key is not known")]
        assert play.starts == [0]
    assert not any(link.is_running for link in play.service.links)


def long_play(play: Play, seconds: float) -> list[float]:
    """Runs for longer than a test may take by default."""

    async def main() -> None:
        async with running(play.uplink.run):
            play.hear()
            await pass_time(seconds)

    from tests.fakes.virtual_time import VirtualLoop  # noqa: PLC0415 - only for the one play that takes hours

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())
    return play.starts


def test_a_park_is_probed_every_hour() -> None:
    play = Play(Fate(failure=BAD_KEY), Fate(failure=BAD_KEY))
    assert long_play(play, 7300) == [0, pytest.approx(3600.05), pytest.approx(7200.1)]
    assert [line for _, line in play.told("park")] == [
        "parked: the key is not known",
        "unparked",
        "parked: the key is not known",
        "unparked",
    ]
    assert play.service.heard_ms == 100


def test_a_request_that_is_wrong_is_probed_every_hour_too() -> None:
    assert long_play(Play(Fate(failure=BAD_REQUEST)), 7_000) == [0, pytest.approx(3600.05)]


@virtual
async def test_a_request_that_was_let_in_and_rejected_later_is_tried_once_more_and_then_parked() -> None:
    rejected = Fate(failure=BAD_REQUEST, fails_after_s=3.0)
    play = Play(rejected, rejected, rejected)
    async with running(play.uplink.run):
        for _ in range(60):
            play.hear()
            await pass_time(10)
    assert play.starts == [0, 10]
    assert len(play.told("parked")) == 1


@virtual
async def test_nothing_is_tried_while_nothing_waits() -> None:
    play = Play(Fate(failure=IN_TROUBLE, fails_after_s=5.0), Fate(failure=BAD_KEY, fails_after_s=5.0))
    async with running(play.uplink.run):
        play.talk("u1")
        await pass_time(1000)
        assert len(play.service.sessions) == 1, "lost, and nobody speaks"
        play.talk("u2")
        await pass_time(2000)
        assert len(play.service.sessions) == 2, "parked, and nobody speaks"


@virtual
async def test_restart_session_leaves_a_park() -> None:
    play = Play(Fate(failure=BAD_REQUEST))
    async with running(play.uplink.run):
        play.hear()
        await pass_time(100)
        play.uplink.restart_session()
        await pass_time(1)
        assert play.told("park") == [(0.05, "parked: no such language"), (100, "unparked")]
        assert play.service.heard_ms == 100


@virtual
async def test_restart_session_ends_the_present_one_in_order() -> None:
    play = Play()
    async with running(play.uplink.run):
        play.hear()
        await pass_time(5)
        play.uplink.restart_session()
        play.uplink.restart_session()
        await pass_time(5)
        assert play.told("Ended") == [(5.2, "s1 SessionEnded")]
        assert len(play.service.sessions) == 1, "nothing to send yet"
        play.hear()
        await pass_time(1)
        assert len(play.service.sessions) == 2


@virtual
async def test_restart_session_without_one_does_nothing() -> None:
    play = Play()
    async with running(play.uplink.run):
        play.uplink.restart_session()
        await pass_time(5)
        assert play.service.sessions == []


@virtual
async def test_a_restart_from_before_does_not_shorten_a_later_wait() -> None:
    play = Play(Fate(), REFUSES)
    async with running(play.uplink.run):
        play.hear()
        await pass_time(1)
        play.uplink.restart_session()
        await pass_time(1)
        play.hear()
        await pass_time(10)
    assert play.starts == [0, 2, pytest.approx(3.05)]


@virtual
async def test_audio_that_waits_because_a_user_paused_is_no_fault() -> None:
    play = Play()
    async with running(play.uplink.run):
        play.hear()
        await pass_time(1)
        due = []
        for is_paused in (False, True):
            play.service.session.counters.is_paused = is_paused
            play.uplink._backlog.append(AudioChunk(bytes(3200), 0.0, "u1"))
            due.append(play.uplink.vital.is_due)
        assert due == [True, False]
