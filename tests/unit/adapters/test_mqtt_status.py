import logging

import pytest

from satellite.adapters.mqtt_status import SPEAK_AGAIN_S, LinkStatus


class Told:
    def __init__(self) -> None:
        self.states: list[tuple[bool, str | None]] = []
        self.status = LinkStatus("kitchen", lambda is_connected, problem: self.states.append((is_connected, problem)))

    def life(self, begin_s: float, length_s: float, reason: str = "gone") -> None:
        """One connection from its begin to its loss."""
        self.status.trying()
        self.status.connected("host:1883", begin_s)
        self.status.ended()
        self.status.lost(reason, 1.0, begin_s + length_s)


@pytest.fixture
def told() -> Told:
    return Told()


def levels(caplog: pytest.LogCaptureFixture, part: str) -> list[int]:
    return [record.levelno for record in caplog.records if part in record.getMessage()]


@pytest.fixture(autouse=True)
def _everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def test_every_change_is_told(told: Told) -> None:
    up = [told.status.is_connected]
    told.status.trying()
    told.status.connected("host:1883", 0.0)
    up.append(told.status.is_connected)
    told.status.ended()
    up.append(told.status.is_connected)
    told.status.lost("gone", 1.0, 5.0)
    assert up == [False, True, False]
    assert told.states == [(True, None), (False, "gone")]


def test_repeats_are_quiet_and_news_is_loud(told: Told, caplog: pytest.LogCaptureFixture) -> None:
    for reason in ("refused", "refused", "refused", "no route", "refused"):
        told.status.trying()
        told.status.lost(reason, 1.0, 0.0)
    assert levels(caplog, "next try") == [30, 10, 10, 30, 30]


def test_the_same_loss_is_loud_again_after_a_long_connection(told: Told, caplog: pytest.LogCaptureFixture) -> None:
    told.life(0.0, 1.0)
    told.life(10.0, SPEAK_AGAIN_S - 1)
    told.life(100.0, SPEAK_AGAIN_S)
    assert levels(caplog, "gone") == [30, 10, 30]


def test_a_loss_long_after_the_last_connection_is_not_loud_for_that(
    told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    told.life(0.0, 1.0)
    told.status.trying()
    told.status.lost("gone", 1.0, 1000.0)
    assert levels(caplog, "gone") == [30, 10]


def test_the_first_denial_of_a_connection_is_told(told: Told, caplog: pytest.LogCaptureFixture) -> None:
    told.status.trying()
    told.status.denied("not this topic")
    told.status.connected("host:1883", 0.0)
    told.status.denied("nor that")
    assert told.states == [(True, "not this topic")]
    assert levels(caplog, "not this topic") == [30]
    assert levels(caplog, "nor that") == [10]


def test_a_denial_on_a_working_connection_is_told_at_once(told: Told) -> None:
    told.status.trying()
    told.status.connected("host:1883", 0.0)
    told.status.denied("not this topic")
    told.status.trying()
    told.status.connected("host:1883", 9.0)
    assert told.states == [(True, None), (True, "not this topic"), (True, None)]


def test_messages_that_are_dropped_are_told_once_in_an_outage_and_counted_after_it(
    told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    told.status.overflowed(0)
    for dropped in (1, 2, 3):
        told.status.overflowed(dropped)
    assert levels(caplog, "the oldest are dropped") == [30]
    told.life(10.0, 5.0)
    assert levels(caplog, "3 messages were dropped") == [30]
    told.status.overflowed(3)
    told.life(20.0, 5.0)
    told.status.overflowed(4)
    assert levels(caplog, "the oldest are dropped") == [30, 30]
    told.life(30.0, 5.0)
    assert levels(caplog, "1 messages were dropped") == [30]
    assert len(levels(caplog, "were dropped")) == 2
