from satellite.backends.palabra.pace import PACE, ROOM_BEAT_MS, SOCKET_BEAT_MS


def test_audio_goes_out_in_real_time_in_pieces_that_the_service_takes() -> None:
    assert PACE.speed == 1.0
    assert 1024 <= SOCKET_BEAT_MS * 32 <= 512 * 1024
    assert PACE.slack_s < ROOM_BEAT_MS / 1000 + 0.001
