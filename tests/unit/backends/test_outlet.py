"""What becomes of audio on its way to the socket: encoding, counting, and what is lost with a connection."""

from itertools import pairwise

import pytest

from satellite.backends import line as line_module
from satellite.backends.base import (
    CloseSocket,
    HttpRequest,
    SendAudio,
    SendPing,
    SessionCounters,
    SessionSetup,
    SessionState,
)
from satellite.backends.flight import SILENT_S
from satellite.backends.lifecycle import Lifecycle
from satellite.backends.outlet import Outlet
from satellite.backends.pacer import Pace
from satellite.backends.progress import Progress
from satellite.core.audio import RATE_HZ, AudioChunk
from satellite.core.backlog import Backlog
from satellite.core.events import AudioLost, ConnectionLost, TranscriptUpdated
from satellite.core.timeline import Timeline
from tests.fakes.playbook import WALL_S, Like
from tests.unit.backends.deepl.stage import (
    END,
    HoldingEncoder,
    PcmEncoder,
    answered,
    chunks,
    error,
    resumed,
    said_and_answered,
    segment,
    silences,
    source,
    spoken,
    streaming,
)


def test_an_encoder_that_keeps_audio_back_never_makes_an_empty_chunk() -> None:
    book = streaming(encoder=HoldingEncoder(page_samples=4000)).speaks("u1", 3.0)
    sent = chunks(book)
    assert all(chunk.audio for chunk in sent)
    assert all(after.at - before.at >= before.seconds / 2 for before, after in pairwise(sent))
    assert book.session.counters.sent_samples == pytest.approx(3 * RATE_HZ, abs=1600)


def test_what_was_sent_is_counted_silence_included() -> None:
    book = said_and_answered().at(25.0)
    assert len(silences(book)) == 2
    assert book.session.counters.sent_samples == RATE_HZ + 2 * 1600


@pytest.mark.parametrize("rest", [b"\1\2", b""])
def test_what_the_encoder_kept_back_goes_out_before_the_end(rest: bytes) -> None:
    encoder = PcmEncoder()
    encoder.rest = rest
    book = streaming(encoder=encoder, idle_close_s=1.0).at(2.0)
    assert [chunk.audio for chunk in chunks(book)] == [rest] * bool(rest)
    assert book.history[-1].what == END


def test_what_arrived_is_not_lost_with_the_connection() -> None:
    assert streaming().speaks("u1", 3.0).closes().all(AudioLost) == []


def test_on_a_link_that_takes_nothing_more_one_chunk_is_under_way_and_the_rest_waits() -> None:
    book = streaming().speaks("u1", 1.1).goes_deaf().speaks("u1", 5.0)
    assert [round(chunk.at, 3) for chunk in spoken(book)][-1] == 1.3
    assert book.backlog.seconds == pytest.approx(4.8)
    book.closes()
    assert book.all(AudioLost) == [AudioLost("u1", 3200)]


@pytest.mark.parametrize("round_trip_s", [0.02, 0.12, 0.3, 0.6])
def test_live_audio_goes_on_whatever_the_way_takes(round_trip_s: float) -> None:
    book = streaming()
    book.round_trip_s = round_trip_s
    book.speaks("u1", 20.0)
    assert book.backlog.seconds <= 0.3
    book.goes_deaf().speaks("u1", 5.0).closes()
    (lost,) = book.all(AudioLost)
    assert lost.samples <= RATE_HZ


@pytest.mark.parametrize("round_trip_s", [0.02, 0.3])
def test_what_waited_is_caught_up_while_live_audio_goes_on(round_trip_s: float) -> None:
    book = streaming()
    book.round_trip_s = round_trip_s
    book.waits("u1", 10_000).speaks("u1", 40.0)
    assert book.backlog.seconds <= 0.3


def test_after_a_stall_the_chunk_that_was_held_up_is_not_met_by_the_next() -> None:
    book = streaming().speaks("u1", 1.1)
    book.round_trip_s = 3.0
    book.speaks("u1", 0.2)
    book.round_trip_s = 0.0
    book.speaks("u1", 4.0)
    held_up, *after = [chunk for chunk in spoken(book) if chunk.at > 1.15]
    arrivals = [held_up.at + 3.0, *(chunk.at for chunk in after)]
    assert [round(at, 3) for at in arrivals[:2]] == [4.3, 4.41]
    assert all(later - sooner >= 0.1 for sooner, later in pairwise(arrivals))


def test_a_link_on_which_nothing_arrives_is_cut_and_asked_for_again() -> None:
    book = streaming().speaks("u1", 1.1).goes_deaf().speaks("u1", 0.2).skip()
    book.after(SILENT_S - 0.1).expect()
    book.after(0.1).expect(CloseSocket(reason="nothing arrived for 8 s", at_once=True))
    book.after(5.0).expect()
    book.closes().expect(Like(HttpRequest, method="GET"), AudioLost("u1", 3200), Like(ConnectionLost))


def test_a_service_that_talks_is_there() -> None:
    book = streaming().speaks("u1", 1.1).goes_deaf().speaks("u1", 0.2).after(SILENT_S - 0.1)
    answered(book).after(SILENT_S - 0.1)
    assert book.all(CloseSocket) == []


def test_silence_of_ours_is_no_loss_but_tells_of_a_dead_link_too() -> None:
    book = said_and_answered(idle_close_s=500.0).after(1.0).goes_deaf().after(11.0 + SILENT_S)
    assert len(book.all(CloseSocket)) == 1
    assert book.closes().all(AudioLost) == []


def test_each_utterance_is_told_what_it_lost() -> None:
    book = streaming()
    book.round_trip_s = 0.6
    book.speaks("u1", 5.0).falls_silent("u1").speaks("u2", 0.3).closes()
    assert [lost.utterance_id for lost in book.all(AudioLost)] == ["u1", "u2"]
    assert sum(lost.samples for lost in book.all(AudioLost)) <= RATE_HZ


def test_times_after_a_loss_are_half_of_it_off_at_most() -> None:
    book = streaming().speaks("u1", 2.1).goes_deaf().speaks("u1", 1.0)
    assert book.backlog.seconds == pytest.approx(0.8)
    book.round_trip_s = 0.0
    resumed(book).speaks("u1", 6.0)
    assert book.backlog.seconds <= 0.2
    # what was spoken at 4.1 s is at 3.8 s of the stream when the lost chunk did not arrive, at 4.0 s when it did
    for what_arrived_ms, off_s in ((0, -0.1), (200, 0.1)):
        spoken_ms = 3800 + what_arrived_ms
        book.says(source([segment("x", spoken_ms, spoken_ms + 100)], []))
        text = book.all(TranscriptUpdated)[-1].concluded[0]
        assert text.start_s == pytest.approx(WALL_S + 4.1 + off_s, abs=0.002)


@pytest.mark.parametrize("reaches_ms", [None, 600])
def test_a_session_that_fails_loses_what_no_text_reaches(reaches_ms: int | None) -> None:
    book = streaming().speaks("u1", 1.1)
    if reaches_ms is not None:
        book.says(source([], [segment("Hel", 0, reaches_ms)]))
    book.says(error(500))
    assert book.all(AudioLost) == [AudioLost("u1", 17_600 - (reaches_ms or 0) * 16)]


def test_nothing_is_lost_twice() -> None:
    book = streaming().speaks("u1", 1.1).goes_deaf().speaks("u1", 0.2).closes().answers(400)
    assert [lost.samples for lost in book.all(AudioLost)] == [3200, pytest.approx(17_600, abs=1600)]


def test_what_was_settled_is_not_lost_with_the_session() -> None:
    assert said_and_answered().after(5.0).says(error(500)).all(AudioLost) == []


def test_after_a_reconnect_sending_goes_on_behind_what_was_sent() -> None:
    encoder = PcmEncoder()
    book = streaming(encoder=encoder).speaks("u1", 1.0).waits("u1", 500)
    resumed(book).at(3.0)
    assert encoder.restarts == 1
    assert round(sum(chunk.seconds for chunk in spoken(book)), 3) == 1.5


def test_a_pong_that_was_answered_before_changes_nothing() -> None:
    book = streaming().speaks("u1", 1.1).goes_deaf().speaks("u1", 0.2)
    deadline = book.session.next_deadline()
    book.session.pong(1, book.now + 1.0)
    assert book.session.next_deadline() == deadline


class Line:
    """A line of its own, and an outlet on it."""

    def __init__(self, *, has_pongs: bool) -> None:
        self.life = Lifecycle()
        self.life.state = SessionState.STREAMING
        setup = SessionSetup(Backlog(RATE_HZ), PcmEncoder(), "en", (), None, None, 60.0)
        self.line = line_module.Line(setup, self.life, SessionCounters(), Timeline(), Progress(), SendAudio)
        pace = Pace(speed=1.0, hard_gap=0.5, min_gap_s=0.05)
        self.outlet = Outlet(self.line, pace, has_pongs=has_pongs)

    def audio(self, utterance_id: str, now: float, samples: int = 1600, of: int = 1600) -> None:
        chunk = AudioChunk(b"\1\2" * samples, WALL_S + now, utterance_id)
        self.line.progress.spoke(utterance_id)
        self.outlet.beat((chunk,), of, now)

    def lost(self) -> dict[str, int]:
        self.outlet.lost()
        return {event.utterance_id: event.samples for event in self.life.take_events() if isinstance(event, AudioLost)}


def test_a_piece_is_filled_up_with_silence() -> None:
    line = Line(has_pongs=True)
    line.audio("u1", 0.0, samples=600)
    sent, ping = line.life.take_actions()
    assert sent == SendAudio(b"\1\2" * 600 + bytes(2000))
    assert isinstance(ping, SendPing)
    assert line.line.counters.sent_samples == 1600
    assert line.line.timeline.sent_ms == 100.0
    assert line.lost() == {"u1": 600}


def test_where_nothing_acknowledges_nothing_is_pinged_or_waited_for() -> None:
    line = Line(has_pongs=False)
    for number in range(100):
        line.audio("u1", number / 10)
        assert line.outlet.ready_at == pytest.approx(number / 10 + 0.1)
    assert not any(isinstance(action, SendPing) for action in line.life.take_actions())
    assert line.outlet.deadline is None


def test_there_what_was_sent_since_the_last_word_is_lost() -> None:
    line = Line(has_pongs=False)
    line.audio("u1", 0.0)
    line.outlet.heard(0.1)
    line.audio("u1", 0.2)
    assert line.lost() == {"u1": 1600}


def test_but_never_more_than_a_dead_room_takes_to_be_noticed() -> None:
    line = Line(has_pongs=False)
    for number in range(300):
        line.audio("u1", number / 10)
    assert line.lost()["u1"] == pytest.approx(10 * RATE_HZ, abs=1600)
