import pytest

from satellite.emulator.deepl.rules import PaceRule, check_size
from satellite.emulator.deepl.settings import DeepLLimits
from satellite.emulator.stalls import Stalls


def pace() -> tuple[PaceRule, Stalls]:
    stalls = Stalls()
    return PaceRule(DeepLLimits(jitter_ms=15), stalls), stalls


def rules_of(chunks: list[tuple[float, float]], rule: PaceRule) -> list[str | None]:
    """Feed (arrival s, duration ms) and name what each broke."""
    breaches = [rule.chunk(duration, at) for at, duration in chunks]
    return [breach.rule if breach else None for breach in breaches]


@pytest.mark.parametrize(
    ("wire", "audio", "frame", "rule"),
    [
        (3200, 3200, 2, None),
        (0, 0, 2, "empty_chunk"),
        (100_000, 75_000, 2, None),
        (100_001, 75_001, 1, "chunk_too_large"),
        (3201, 3201, 2, "cut_sample"),
        (801, 801, 1, None),
    ],
)
def test_size(wire: int, audio: int, frame: int, rule: str | None) -> None:
    breach = check_size(wire, audio, frame)
    assert (breach.rule if breach else None) == rule


def test_real_time_and_half_gaps_are_allowed() -> None:
    rule, _ = pace()
    assert rules_of([(0.0, 100), (0.1, 100), (0.15, 100), (0.25, 20), (0.26, 100)], rule) == [None] * 5


def test_a_gap_under_half_the_preceding_chunk_is_a_429() -> None:
    rule, _ = pace()
    assert rule.chunk(200, 0.0) is None
    breach = rule.chunk(20, 0.08)
    assert breach is not None
    assert (breach.rule, breach.code) == ("gap_too_short", 429)
    assert "80 ms after a chunk of 200 ms" in breach.detail


def test_the_gap_is_judged_by_the_preceding_chunk_not_by_this_one() -> None:
    rule, _ = pace()
    assert rules_of([(0.0, 20), (0.02, 1000)], rule) == [None, None]


def test_jitter_of_15_ms_is_granted_and_not_more() -> None:
    granted, _ = pace()
    assert rules_of([(0.0, 100), (0.036, 100)], granted) == [None, None]
    assert granted.pacing.largest_allowance_ms == pytest.approx(14.0)
    refused, _ = pace()
    assert rules_of([(0.0, 100), (0.034, 100)], refused) == [None, "gap_too_short"]


def test_a_chunk_over_one_second_is_refused() -> None:
    rule, _ = pace()
    assert rules_of([(0.0, 1000), (1.0, 1001)], rule) == [None, "chunk_too_long"]


def test_jitter_cannot_be_used_to_go_faster_than_twice_real_time() -> None:
    rule, _ = pace()
    found = rules_of([(at * 0.036, 100) for at in range(5)], rule)
    assert found[:2] == [None, None]
    assert "too_fast" in found


def test_lateness_of_the_emulator_itself_is_granted() -> None:
    rule, stalls = pace()
    stalls.start(0.0)
    assert rule.chunk(100, 0.01) is None
    # nothing ran for 300 ms: two chunks are read at once, before the beat that notices
    assert rules_of([(0.31, 100), (0.311, 100)], rule) == [None, None]
    stalls.beat(0.312)
    assert rule.chunk(100, 0.33) is None
    for beat in range(1, 30):
        stalls.beat(0.312 + beat * 0.02)
    assert rules_of([(0.88, 100), (0.89, 100)], rule) == [None, "gap_too_short"]


def test_pacing_extremes_are_kept() -> None:
    rule, _ = pace()
    rules_of([(0.0, 100), (0.1, 100), (3.1, 100), (3.16, 100)], rule)
    assert rule.pacing.longest_gap_s == pytest.approx(3.0)
    assert rule.pacing.smallest_gap_ratio == pytest.approx(1.2)
    assert rule.pacing.highest_speed == pytest.approx(0.3 / 3.16)
