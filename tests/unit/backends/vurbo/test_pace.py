"""How fast audio goes out."""

from satellite.backends.vurbo.pace import CATCH_UP_CHUNK_S, CHUNK_S, PACE


def test_no_faster_than_twice_real_time() -> None:
    assert 1.0 < PACE.speed <= 2.0
    assert CHUNK_S <= CATCH_UP_CHUNK_S <= 0.25
