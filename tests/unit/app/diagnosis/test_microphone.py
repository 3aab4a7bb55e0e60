import re
import struct

import pytest

from satellite.app.diagnosis.microphone import judge
from satellite.app.diagnosis.report import Verdict
from satellite.core.level import measure, tone

SPEECH = tone(300, 1.0, -20, 16_000)


def pcm(*samples: int) -> bytes:
    return struct.pack(f"<{len(samples)}h", *samples)


@pytest.mark.parametrize(
    ("heard", "verdict", "told"),
    [
        (SPEECH, Verdict.PASS, "level -2[34] dBFS, peak -20 dBFS"),
        (bytes(32_000), Verdict.WARN, "digital silence"),
        (pcm(*[100, 101] * 8_000), Verdict.WARN, "digital silence"),
        (b"", Verdict.WARN, "digital silence"),
        (pcm(*[100, 104] * 8_000), Verdict.PASS, "level -8\\d dBFS"),
        (pcm(*[32_767, -32_768, 0, 0] * 4_000), Verdict.WARN, "50.0% of it is clipped"),
        (pcm(*[3_000, 3_100] * 8_000), Verdict.WARN, r"constant part \(DC\) of 9%"),
        (pcm(*[-3_000, -3_100] * 8_000), Verdict.WARN, r"constant part \(DC\) of -9%"),
        (pcm(*[32_767] * 16, *[0, 50] * 8_000), Verdict.PASS, "peak 0 dBFS|peak -0 dBFS"),
    ],
)
def test_a_second_of_sound_is_judged(heard: bytes, verdict: Verdict, told: str) -> None:
    outcome = judge("mic", measure(heard), 0)
    assert outcome.verdict is verdict
    assert re.search(told, outcome.detail)
    assert (outcome.mend is not None) == (verdict is Verdict.WARN)


def test_lost_blocks_are_told() -> None:
    outcome = judge("mic", measure(SPEECH), 3)
    assert outcome.verdict is Verdict.WARN
    assert outcome.detail.startswith("3 blocks")
