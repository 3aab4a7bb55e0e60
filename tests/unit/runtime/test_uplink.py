"""When a session begins, is tried again, is parked; and that no audio is forgotten meanwhile."""

import asyncio
import itertools

import pytest

from satellite.core.audio import RATE_HZ, AudioChunk
from satellite.core.backlog import Backlog, Dropped, UtteranceEnd
from satellite.core.backoff import Backoff
from satellite.core.events import (
    ConnectionLost,
    SessionEnded,
    SessionFailed,
    SessionOpened,
    UtteranceSent,
    VoiceEvent,
)
from satellite.errors import ErrorCategory
from satellite.runtime.uplink import Uplink, UplinkParts
from tests.fakes.virtual_time import VirtualClock, pass_time, running, virtual
from tests.fakes.voice import REFUSED, Fate, Service

REFUSES = Fate(failure=REFUSED)
BAD_KEY = SessionFailed(ErrorCategory.AUTHENTICATION, "the key is not known")
BAD_REQUEST = SessionFailed(ErrorCategory.INVALID_REQUEST, "no such language")


class Events:
    """uplink.UplinkEvents."""

    def __init__(self) -> None:
        self.story: list[tuple[float, str]] = []
        self.dropped: list[Dropped] = []
        self.discarded: list[Dropped] = []
        self.lost: list[str] = []

    def session_event(self, session_id: str, event: VoiceEvent) -> None:
        detail = f" {event.utterance_id}" if isinstance(event, UtteranceSent) else ""
        self.tell(f"{session_id} {type(event).__name__}{detail}")

    def audio_dropped(self, dropped: Dropped) -> None:
        self.dropped.append(dropped)

    def audio_discarded(self, dropped: Dropped) -> None:
        self.discarded.append(dropped)

    def utterance_lost(self, utterance_id: str) -> None:
        self.lost.append(utterance_id)

    def session_over(self, session_id: str) -> None:
        self.tell(f"{session_id} over")

    def parked(self, failure: SessionFailed | None) -> None:
        self.tell("unparked" if failure is None else f"parked: {failure.detail}")

    def tell(self, what: str) -> None:
        self.story.append((round(asyncio.get_running_loop().time() - 1000, 3), what))


class Play:
    """An uplink to a scripted service. A failed session is tried again after 1, 2, 4, … seconds."""

    def __init__(self, *fates: Fate, backlog_s: float = 30.0) -> None:
        self.service, self.events, self.clock = Service(*fates), Events(), VirtualClock()
        self.backlog = Backlog(round(backlog_s * RATE_HZ))
        numbers = itertools.count(1)
        parts = UplinkParts(
            backlog=self.backlog,
            make_session=self.service.make_session,
            make_link=self.service.make_link,
            backoff=Backoff(lambda: 1.0),
            clock=self.clock,
            new_id=lambda: f"s{next(numbers)}",
        )
        self.uplink = Uplink(parts, self.events)
        self.spoken_s = 0.0

    def hear(self, utterance_id: str = "u1", seconds: float = 0.1) -> None:
        """Audio of an utterance."""
        chunk = AudioChunk(bytes(2 * round(seconds * RATE_HZ)), self.clock.wall() + self.spoken_s, utterance_id)
        self.spoken_s += seconds
        self.uplink.audio(chunk)

    def talk(self, utterance_id: str = "u1", seconds: float = 0.1) -> None:
        """A whole utterance."""
        self.hear(utterance_id, seconds)
        self.uplink.utterance_ended(utterance_id)

    @property
    def starts(self) -> list[float]:
        """When sessions were started."""
        return [round(session.started_at - 1000, 3) for session in self.service.sessions]

    def told(self, *words: str) -> list[tuple[float, str]]:
        """The part of the story with these words in it."""
        return [line for line in self.events.story if any(word in line[1] for word in words)]


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
    play = Play(*[REFUSES] * 8)
    async with running(play.uplink.run):
        play.hear()
        await pass_time(200)
    waits = [after - before for before, after in itertools.pairwise(play.starts)]
    assert waits == pytest.approx([1.05, 2.05, 4.05, 8.05, 16.05, 32.05, 60.05, 60.05])


@virtual
async def test_a_service_that_accepts_and_fails_at_once_is_not_asked_faster_and_faster() -> None:
    play = Play(*[Fate(opens_after_s=0.01, failure=REFUSED, fails_after_s=0.02)] * 6)
    async with running(play.uplink.run):
        play.hear(seconds=20)
        for _ in range(60):
            await pass_time(1)
            play.hear()
    waits = [after - before for before, after in itertools.pairwise(play.starts)]
    assert waits[:5] == pytest.approx([1.02, 2.02, 4.02, 8.02, 16.02], abs=1.0)
    assert play.uplink.counters.reconnects == 5


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


def test_a_request_that_is_wrong_is_never_probed() -> None:
    assert long_play(Play(Fate(failure=BAD_REQUEST)), 30_000) == [0]


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
