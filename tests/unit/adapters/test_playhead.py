"""Until when a loudspeaker is heard."""

import pytest

from satellite.adapters.playhead import Playhead


def test_sound_goes_on_behind_sound_and_begins_now_after_a_pause() -> None:
    now = [100.0]

    playhead = Playhead(lambda: now[0])
    assert playhead.remaining_s() == 0.0
    playhead.moved(0.5)
    playhead.moved(0.5)
    assert playhead.remaining_s() == pytest.approx(1.0)
    now[0] += 0.75
    assert playhead.remaining_s() == pytest.approx(0.25)
    now[0] += 5.0
    assert playhead.remaining_s() == 0.0
    playhead.moved(0.1)
    assert playhead.remaining_s() == pytest.approx(0.1)
    playhead.moved(0.1, device_delay_s=0.8)
    assert playhead.remaining_s() == pytest.approx(0.8)
    playhead.cut()
    assert playhead.remaining_s() == 0.0
