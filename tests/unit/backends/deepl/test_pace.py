from satellite.backends.deepl.pace import CATCH_UP_CHUNK_S, LIVE_CHUNK_S, PACE


def test_the_pace_keeps_a_margin_to_what_the_service_allows() -> None:
    assert PACE.speed < 2.0
    assert PACE.hard_gap > 0.5
    assert 0.05 <= LIVE_CHUNK_S <= CATCH_UP_CHUNK_S <= 0.25
