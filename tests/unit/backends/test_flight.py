import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellite.backends.flight import MAX_AHEAD_S, SILENT_S, Flight, Leg
from satellite.core.audio import RATE_HZ

CHUNK = RATE_HZ // 10


def departed(flight: Flight, now: float, utterance_id: str | None = "u1") -> int:
    flight.depart(CHUNK, utterance_id, now)
    return flight.ping()


def travelled(*took_s: float) -> Flight:
    """Chunks that were sent one after another and answered after these times."""
    flight = Flight()
    for number, seconds in enumerate(took_s):
        flight.arrive(departed(flight, 10.0 * number), 10.0 * number + seconds)
    return flight


def test_before_anything_arrived_one_chunk_goes_alone() -> None:
    flight = Flight()
    assert (flight.is_full, flight.deadline) == (False, None)
    departed(flight, 5.0)
    assert (flight.is_full, flight.samples, flight.deadline) == (True, CHUNK, 5.0 + SILENT_S)


def test_a_pong_vouches_for_all_that_went_before_its_ping() -> None:
    flight = Flight()
    pings = [departed(flight, float(now)) for now in range(3)]
    assert flight.arrive(pings[1], 2.5) == (Leg(pings[1], 1.0, CHUNK, "u1"), 2.5 - 1.5)
    assert flight.samples == CHUNK
    assert flight.arrive(pings[0], 2.6) is None, "stale"
    assert flight.deadline == 2.5 + SILENT_S


def test_audio_kept_back_by_an_encoder_goes_with_the_ping_that_follows_it() -> None:
    flight = Flight()
    flight.depart(CHUNK, "u1", 0.0)
    flight.depart(CHUNK, "u2", 0.1)
    landed = flight.arrive(flight.ping(), 0.2)
    assert landed is not None
    assert (landed[0].utterance_id, flight.samples) == ("u2", 0)


def test_when_audio_arrived_is_known_to_within_the_fastest_way_back() -> None:
    flight = travelled(0.05, 0.2)
    landed = flight.arrive(departed(flight, 30.0), 33.0)
    assert landed is not None
    assert landed[1] == pytest.approx(33.0 - 0.05)


@pytest.mark.parametrize(("took_s", "chunks"), [(0.001, 1), (0.2, 1), (0.21, 4), (0.3, 5), (0.5, 8), (2.0, 21)])
def test_what_may_be_under_way_is_what_the_way_needs(took_s: float, chunks: int) -> None:
    flight = travelled(took_s)
    count = 0
    while not flight.is_full:
        departed(flight, 100.0)
        count += 1
    assert count == chunks


def test_a_way_that_became_long_by_what_is_on_it_is_not_filled_more() -> None:
    flight = travelled(0.05, *[5.0] * 20)
    while not flight.is_full:
        departed(flight, 500.0)
    assert flight.samples <= MAX_AHEAD_S * RATE_HZ + CHUNK


def test_one_slow_answer_says_nothing_about_the_way() -> None:
    flight = travelled(0.05, 4.0)
    departed(flight, 100.0)
    assert flight.is_full


def test_a_service_that_talks_is_there() -> None:
    flight = Flight()
    departed(flight, 5.0)
    flight.heard(9.0)
    assert flight.deadline == 9.0 + SILENT_S


def test_what_is_lost_is_what_was_under_way_and_the_next_way_is_another() -> None:
    flight = travelled(0.3)
    departed(flight, 100.0)
    departed(flight, 100.1, None)
    assert [(leg.utterance_id, leg.samples) for leg in flight.lost()] == [("u1", CHUNK), (None, CHUNK)]
    assert (flight.lost(), flight.samples, flight.deadline) == ((), 0, None)
    departed(flight, 101.0)
    assert flight.is_full


@given(st.lists(st.tuples(st.sampled_from(["send", "pong", "lost"]), st.floats(0.0, 3.0)), max_size=60))
def test_no_more_than_a_second_is_ever_under_way_on_a_way_of_less_than_that(steps: list[tuple[str, float]]) -> None:
    flight, now, sent = Flight(), 0.0, 0
    arrived = lost = 0
    flight.arrive(departed(flight, now), now + 0.1)
    for what, seconds in steps:
        now += seconds
        if what == "send" and not flight.is_full:
            flight.depart(RATE_HZ // 4, "u1", now)
            flight.ping()
            sent += RATE_HZ // 4
        elif what == "pong":
            before = flight.samples
            flight.arrive(flight.ping(), now)
            arrived += before
        elif what == "lost":
            lost += sum(leg.samples for leg in flight.lost())
            flight.arrive(departed(flight, now), now + 0.1)
        assert flight.samples <= RATE_HZ
    assert sent == arrived + lost + flight.samples


def test_what_nothing_will_vouch_for_is_forgotten_after_a_while() -> None:
    flight = Flight()
    for now in range(5):
        departed(flight, float(now))
    flight.forget(3.0)
    assert flight.samples == 2 * CHUNK
    assert [leg.at for leg in flight.lost()] == [3.0, 4.0]
    flight.forget(9.0)
    assert flight.samples == 0
