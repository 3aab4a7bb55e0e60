from satellite.backends.deepgram.pace import CHUNK_S, PACE


def test_the_pace_keeps_below_what_is_allowed() -> None:
    assert PACE.speed < 1.25
    assert PACE.hard_gap >= 1 / 1.25
    assert PACE.alone_s < CHUNK_S / PACE.speed, "on a longer way one chunk at a time would fall behind"
