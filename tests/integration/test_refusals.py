"""How often a service that refuses us is asked, with somebody speaking all the time. In virtual time."""

import itertools

import pytest

from satellite.backends.base import HttpResponse, SocketClosed
from satellite.core.audio import RATE_HZ
from tests.fakes.refusing import Manners, Refusals, speak_to
from tests.fakes.virtual_time import run_virtual
from tests.unit.backends.deepl.stage import error, segment, source

SEEDS = range(3)
TEXT = source([], [segment("Hel", 0, 100)])


def asked(manners: Manners, minutes: float, seed: int = 0, *, silent_after_s: float = float("inf")) -> Refusals:
    kept: list[Refusals] = []

    async def main() -> None:
        kept.append(await speak_to(manners, minutes, seed, silent_after_s=silent_after_s))

    run_virtual(main)
    return kept[0]


@pytest.mark.parametrize("status", [401, 403, 456])
def test_a_refusal_that_waiting_does_not_mend_is_asked_for_twice_at_most_in_ten_minutes(status: int) -> None:
    log = asked(Manners(post=HttpResponse(status, {}, b"")), 10)
    assert len(log.asked) == 1
    assert len(log.events.told("parked:")) == 1


@pytest.mark.parametrize("status", [401, 403, 456])
def test_nor_when_it_comes_over_the_stream_or_at_the_way_back(status: int) -> None:
    assert [what for _, what in asked(Manners(says=error(status)), 10).asked] == ["POST", "dial"]
    broken = Manners(lives_s=(30.0,), get=HttpResponse(status, {}, b""))
    assert [what for _, what in asked(broken, 10).asked] == ["POST", "dial", "GET"]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "manners",
    [
        pytest.param(Manners(lives_s=(0.0,)), id="closes at once"),
        pytest.param(Manners(lives_s=(0.4,)), id="closes after some audio"),
        pytest.param(Manners(says=TEXT, lives_after_s=0.0), id="closes after the first message"),
        pytest.param(Manners(lives_s=(20.0, 0.0)), id="closes each resumed connection at once"),
        pytest.param(Manners(handshake=SocketClosed(was_open=False, reason="refused")), id="refuses the socket"),
        pytest.param(Manners(handshake=SocketClosed(was_open=False, http_status=403)), id="forbids the socket"),
        pytest.param(Manners(post=HttpResponse(503, {}, b"")), id="is down"),
        pytest.param(Manners(post=HttpResponse(200, {}, b"<html>Log in first")), id="is a captive portal"),
        pytest.param(Manners(says=error(500)), id="reports a fault of its own"),
    ],
)
def test_no_service_is_asked_more_than_twelve_times_in_a_minute(manners: Manners, seed: int) -> None:
    log = asked(manners, 10, seed)
    assert log.busiest_minute() <= 12
    assert len(log.asked) - log.within(120) <= 4 * 8 * 2


@pytest.mark.parametrize("seed", SEEDS)
def test_a_service_that_closes_at_once_is_left_alone_soon(seed: int) -> None:
    log = asked(Manners(lives_s=(0.0,)), 30, seed)
    assert 2 <= log.within(60) <= 12
    posts = [at for at, what in log.asked if what == "POST"]
    pauses = [later - sooner for sooner, later in itertools.pairwise(posts[2:])]
    assert min(pauses) >= 60
    assert pauses[-1] >= 240, "longer and longer"


def test_a_request_that_is_rejected_in_mid_session_gets_one_new_session_and_no_more() -> None:
    log = asked(Manners(says=error(400, "no such language")), 10)
    assert [what for _, what in log.asked] == ["POST", "dial", "POST", "dial"]
    assert len(log.events.told("parked:")) == 1


def test_a_wish_to_wait_is_granted() -> None:
    log = asked(Manners(post=HttpResponse(429, {"retry-after": "120"}, b"")), 10)
    assert [round(at) for at, _ in log.asked] == [0, 120, 240, 360, 480]


def test_when_nobody_speaks_nothing_is_asked() -> None:
    """An utterance that was sent and answered; then the connection breaks."""
    log = asked(Manners(lives_s=(100.0,)), 10, silent_after_s=5.0)
    assert [what for _, what in log.asked] == ["POST", "dial"]


def test_a_connection_that_breaks_every_few_seconds_still_carries_most_of_what_is_said() -> None:
    log = asked(Manners(lives_s=(4.0,)), 10)
    dropped_s = sum(dropped.samples for dropped in log.events.dropped) / RATE_HZ
    assert dropped_s < 200
    assert log.busiest_minute() <= 24
