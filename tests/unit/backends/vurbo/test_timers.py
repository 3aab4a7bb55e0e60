"""Moments of a session."""

from satellite.backends.vurbo.timers import HEARTBEAT_S, LONGEST_PAUSE_S, STALLED_S, Timers


def test_heartbeats_follow_one_another() -> None:
    timers = Timers(60.0)
    beats = [timers.heartbeat_at]
    timers.opened(1.0)
    beats.append(timers.heartbeat_at)
    timers.beat(31.5)
    beats.append(timers.heartbeat_at)
    assert beats == [None, 1.0 + HEARTBEAT_S, 31.5 + HEARTBEAT_S]


def test_silence_ends_a_session_and_a_pause_is_no_silence() -> None:
    timers = Timers(5.0)
    timers.started(1.0)
    assert timers.idle_at(is_open=False) == 6.0
    assert timers.idle_at(is_open=True) == 1.0 + STALLED_S
    timers.spoke(3.0)
    assert timers.idle_at(is_open=False) == 8.0
    assert timers.gathered_at == 4.0
    timers.paused(7.0, is_paused=True)
    assert timers.idle_at(is_open=False) == 7.0 + LONGEST_PAUSE_S
    timers.paused(20.0, is_paused=False)
    assert timers.idle_at(is_open=False) == 25.0
