"""How the uplink ends, and what happens to audio that nobody can take."""

import pytest

from satellite.core.audio import RATE_HZ
from satellite.core.backlog import Dropped, UtteranceEnd
from tests.fakes.uplink_play import BAD_REQUEST, REFUSES, Play
from tests.fakes.virtual_time import pass_time, running, virtual
from tests.fakes.voice import REFUSED, Fate

# --- finish -------------------------------------------------------------------------------------------------------


@virtual
async def test_finish_with_nothing_to_do_returns_at_once() -> None:
    play = Play()
    async with running(play.uplink.run) as (run,):
        await pass_time(1)
        play.uplink.finish()
        await pass_time()
        assert run.done()
        assert play.service.sessions == []


@virtual
async def test_finish_before_the_start() -> None:
    play = Play()
    play.uplink.finish()
    await play.uplink.run()


@virtual
async def test_finish_ends_the_session_in_order() -> None:
    play = Play()
    async with running(play.uplink.run) as (run,):
        play.talk()
        await pass_time(1)
        play.uplink.finish()
        await pass_time(0.5)
        assert run.done()
    assert play.told("Ended", "Failed") == [(1.2, "s1 SessionEnded")]


@virtual
async def test_finish_while_connecting_sends_what_waits() -> None:
    play = Play(Fate(opens_after_s=2.0))
    async with running(play.uplink.run) as (run,):
        play.talk("u1", 1.0)
        await pass_time(1)
        play.uplink.finish()
        await pass_time(5)
        assert run.done()
    assert play.service.heard_ms == 1000


@virtual
async def test_audio_heard_just_before_finish_is_sent_in_a_session_of_its_own() -> None:
    play = Play()
    async with running(play.uplink.run) as (run,):
        await pass_time(1)
        play.talk("u1", 1.0)
        play.uplink.finish()
        await pass_time(5)
        assert run.done()
    assert play.service.heard_ms == 1000
    assert play.told("Ended") == [(1.3, "s1 SessionEnded")]


@virtual
async def test_finish_during_a_wait_tries_once_more() -> None:
    play = Play(REFUSES, REFUSES, REFUSES)
    async with running(play.uplink.run) as (run,):
        play.talk("u1", 1.0)
        await pass_time(1.5)
        play.uplink.finish()
        await pass_time(10)
        assert run.done()
    assert play.starts == [0, pytest.approx(1.05), pytest.approx(1.5)]


@virtual
async def test_finish_in_a_park_returns_at_once() -> None:
    play = Play(Fate(failure=BAD_REQUEST))
    async with running(play.uplink.run) as (run,):
        play.talk("u1", 1.0)
        await pass_time(10)
        play.uplink.finish()
        await pass_time()
        assert run.done()
    assert play.starts == [0]


@virtual
async def test_finish_does_not_outlast_a_failure() -> None:
    play = Play(Fate(failure=REFUSED, fails_after_s=2.0, is_hungry=False))
    async with running(play.uplink.run) as (run,):
        play.talk("u1", 1.0)
        await pass_time(1.95)
        play.uplink.finish()
        await pass_time(1)
        assert run.done()
    assert play.starts == [0]


@virtual
async def test_cancelling_tells_that_the_session_is_over() -> None:
    play = Play()
    async with running(play.uplink.run):
        play.hear()
        await pass_time(1)
    assert play.told("over") == [(1, "s1 over")]
    assert play.uplink.counters.streamed_samples == 1600


# --- the bound ----------------------------------------------------------------------------------------------------


@virtual
async def test_over_the_bound_the_oldest_is_dropped_and_told_per_utterance(caplog: pytest.LogCaptureFixture) -> None:
    play = Play(*[REFUSES] * 20, backlog_s=2.0)
    async with running(play.uplink.run):
        play.talk("u1", 1.0)
        play.talk("u2", 1.5)
        assert play.events.dropped == [Dropped("u1", 8000)]
        play.talk("u3", 1.0)
        assert play.events.dropped[1:] == [Dropped("u1", 8000, is_whole=True), Dropped("u2", 8000)]
        for _ in range(10):
            play.hear("u4", 0.1)
        await pass_time()
    assert sum(dropped.samples for dropped in play.events.dropped) == 2.5 * RATE_HZ
    assert [message for message in caplog.messages if "dropped" in message] == [
        "backlog: full, from now on the oldest audio is dropped"
    ]


@virtual
async def test_a_link_that_is_down_for_days_does_not_fill_the_memory() -> None:
    play = Play(Fate(failure=BAD_REQUEST), backlog_s=2.0)
    async with running(play.uplink.run):
        for number in range(2000):
            play.talk(f"u{number}", 0.5)
        whole = [dropped.utterance_id for dropped in play.events.dropped if dropped.is_whole]
        assert whole == [f"u{number}" for number in range(1996)]
        await pass_time(1)
        play.uplink.restart_session()
        await pass_time(1)
        assert len(play.service.session.taken) == 4 * (5 + 1), "100 ms each, and the mark"


@virtual
async def test_what_the_user_throws_away_is_no_loss() -> None:
    play = Play(*[REFUSES] * 20)
    async with running(play.uplink.run):
        play.talk("u1", 1.0)
        play.hear("u2", 0.5)
        await pass_time(0.5)
        play.uplink.discard_audio()
        play.uplink.utterance_ended("u2")
        await pass_time(60)
    assert play.events.discarded == [Dropped("u1", 16000, is_whole=True), Dropped("u2", 8000)]
    assert (play.events.dropped, play.events.lost) == ([], ["u2"])
    assert play.starts == [0], "there is nothing to try again for"


@virtual
async def test_throwing_away_with_a_session_leaves_the_end_to_it() -> None:
    play = Play(Fate())
    async with running(play.uplink.run):
        play.hear("u1", 1.0)
        await pass_time(1)
        play.uplink.discard_audio()
        play.uplink.utterance_ended("u1")
        await pass_time(1)
    assert play.told("Sent") == [(1, "s1 UtteranceSent u1")]
    assert (play.events.discarded, play.events.lost) == ([], [])


@virtual
async def test_throwing_away_the_rest_of_what_a_lost_session_had_begun() -> None:
    play = Play(Fate(is_hungry=False))
    async with running(play.uplink.run):
        play.hear("u1", 0.2)
        await pass_time(1)
        play.service.session.taken.append(UtteranceEnd("nothing"))
        assert play.backlog.take(1600) is not None
        play.uplink.utterance_ended("u1")
        play.service.ends(REFUSED)
        await pass_time(0.5)
        play.uplink.discard_audio()
        assert play.events.discarded == [Dropped("u1", 1600)]
        assert play.told("Sent") == [(1.5, "s1 UtteranceSent u1")]


# --- what the log says ------------------------------------------------------------------------------------------


@virtual
async def test_each_outage_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    opened_then_lost = Fate(failure=REFUSED, fails_after_s=1.0)
    play = Play(REFUSES, REFUSES, opened_then_lost, REFUSES)
    async with running(play.uplink.run):
        play.hear()
        await pass_time(3.5)
        play.hear()
        await pass_time(2)
    told = [record for record in caplog.records if "trying again" in record.getMessage()]
    assert [record.levelname for record in told if record.levelname == "WARNING"] == ["WARNING", "WARNING"]
