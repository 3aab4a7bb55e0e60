import pytest

from satellite.backends.deepl.timers import GATHER_S, KEEP_ALIVE_S, RENEW_AT_LATEST_S, RENEW_S, STALLED_S, Timers


def test_idle_counts_from_the_last_speech_and_longer_in_an_open_utterance() -> None:
    timers = Timers(idle_s=5.0, rest_s=10.0)
    timers.opened(100.0)
    assert timers.idle_at(is_open=False) == 105.0
    timers.spoke(110.0)
    assert (timers.idle_at(is_open=False), timers.idle_at(is_open=True)) == (115.0, 110.0 + STALLED_S)
    assert Timers(idle_s=60.0, rest_s=10.0).idle_at(is_open=True) == 60.0


@pytest.mark.parametrize(("last_data_at", "due_at"), [(None, 100.0 + KEEP_ALIVE_S), (107.0, 107.0 + KEEP_ALIVE_S)])
def test_the_service_is_kept_awake_from_the_last_that_it_was_sent(last_data_at: float | None, due_at: float) -> None:
    timers = Timers(60.0, 10.0)
    timers.opened(100.0)
    assert timers.keep_alive_at(last_data_at) == due_at


def test_the_first_audio_waits_for_nothing() -> None:
    timers = Timers(60.0, 10.0)
    timers.opened(100.0)
    assert timers.gathered_at < 100.0
    timers.spoke(101.0)
    assert timers.gathered_at == 101.0 + GATHER_S


def test_a_connection_is_renewed_by_its_own_age() -> None:
    timers = Timers(60.0, 10.0)
    timers.opened(100.0)
    assert timers.renewal_at == 100.0 + RENEW_S
    assert timers.must_renew(100.0 + RENEW_AT_LATEST_S)
    timers.resumed(2000.0)
    assert timers.renewal_at == 2000.0 + RENEW_S
    assert not timers.must_renew(100.0 + RENEW_AT_LATEST_S)


def test_rest_comes_some_time_after_speech() -> None:
    timers = Timers(60.0, rest_s=10.0)
    timers.opened(100.0)
    timers.spoke(105.0)
    assert (timers.is_at_rest(114.9), timers.is_at_rest(115.0)) == (False, True)
