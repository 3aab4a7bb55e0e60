import itertools
import math
import struct

import pytest

from satellite.core.level import QUIETEST_DBFS, dbfs, measure, tone


def pcm(*samples: int) -> bytes:
    return struct.pack(f"<{len(samples)}h", *samples)


@pytest.mark.parametrize("nothing", [b"", b"\1"])
def test_nothing_is_the_quietest(nothing: bytes) -> None:
    level = measure(nothing)
    assert (level.rms_dbfs, level.peak_dbfs, level.span) == (QUIETEST_DBFS, QUIETEST_DBFS, 0)


def test_digital_silence_has_no_span_whatever_its_offset() -> None:
    assert measure(bytes(200)).span == 0
    level = measure(pcm(*[3_277] * 100))
    assert level.span == 0
    assert level.rms_dbfs == QUIETEST_DBFS
    assert level.offset == pytest.approx(0.1, abs=0.001)


def test_a_square_of_half_the_scale_is_6_db_below_it() -> None:
    level = measure(pcm(*[16_384, -16_384] * 50))
    assert level.rms_dbfs == pytest.approx(-6.02, abs=0.01)
    assert level.peak_dbfs == pytest.approx(-6.02, abs=0.01)
    assert level.offset == 0
    assert level.clipped_share == 0
    assert level.span == 32_768


def test_an_offset_is_not_loudness() -> None:
    level = measure(pcm(*[8_000 + 100, 8_000 - 100] * 50))
    assert level.rms_dbfs == pytest.approx(dbfs(100), abs=0.01)
    assert level.offset == pytest.approx(8_000 / 32_768)


@pytest.mark.parametrize("rim", [32_767, -32_768, 32_766])
def test_samples_at_the_rim_are_clipped(rim: int) -> None:
    assert measure(pcm(rim, 0, 0, 0)).clipped_share == 0.25
    assert measure(pcm(rim, 0, 0, 0)).peak_dbfs == pytest.approx(0, abs=0.001)


def test_decibels_end_where_16_bits_do() -> None:
    assert dbfs(32_768) == 0
    assert dbfs(0) == dbfs(0.1) == QUIETEST_DBFS


def test_a_tone_is_as_long_and_as_loud_as_asked_and_does_not_click() -> None:
    made = tone(440, 0.3, -20, 16_000)
    assert len(made) == 2 * 4_800
    level = measure(made)
    assert level.peak_dbfs == pytest.approx(-20, abs=0.1)
    assert level.rms_dbfs == pytest.approx(-20 - 10 * math.log10(2), abs=1)
    samples = struct.unpack("<4800h", made)
    assert abs(samples[0]) < 10
    assert abs(samples[-1]) < 10
    crossings = sum(a < 0 <= b for a, b in itertools.pairwise(samples))
    assert crossings == pytest.approx(132, abs=1)


def test_no_tone_is_no_samples() -> None:
    assert tone(440, 0.0, -20, 16_000) == b""
