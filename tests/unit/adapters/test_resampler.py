"""Resampling: clean, without seams, without drift, by either library."""

import ctypes
from collections.abc import Callable

import pytest

from satellite.adapters import resampler
from satellite.adapters.resampler import Resampler, SoxrEngine, SpeexEngine
from satellite.errors import MediaError
from tests.fakes.sound import level_db, samples_of, snr_db, tone

RATES = [(48_000, 16_000), (44_100, 16_000), (32_000, 16_000), (8_000, 16_000), (24_000, 48_000), (22_050, 48_000)]


def speex(rate_in_hz: int, rate_out_hz: int) -> SpeexEngine:
    library = resampler._speex_library()
    assert library is not None, "libspeexdsp1 has to be installed for the tests"
    return SpeexEngine(library, rate_in_hz, rate_out_hz)


engines = pytest.mark.parametrize("make", [speex, SoxrEngine])
Make = Callable[[int, int], SpeexEngine | SoxrEngine]


def in_blocks(engine: SpeexEngine | SoxrEngine | Resampler, pcm: bytes, block_bytes: int = 3_200) -> bytes:
    """Everything through, block by block."""
    out = [engine.process(pcm[at : at + block_bytes]) for at in range(0, len(pcm), block_bytes)]
    return b"".join([*out, engine.flush()])


def assert_same(one: bytes, other: bytes) -> None:
    """Equal up to the dither that soxr adds in rounding to 16 bits."""
    assert len(one) == len(other)
    assert abs(samples_of(one) - samples_of(other)).max() <= 2


@engines
@pytest.mark.parametrize(("rate_in_hz", "rate_out_hz"), RATES)
def test_a_tone_stays_clean_and_as_loud(make: Make, rate_in_hz: int, rate_out_hz: int) -> None:
    out = in_blocks(make(rate_in_hz, rate_out_hz), tone(1_000, rate_in_hz, 1.0))
    assert snr_db(out, 1_000, rate_out_hz) > 80
    assert level_db(out) == pytest.approx(0.0, abs=0.1)


@engines
@pytest.mark.parametrize(("rate_in_hz", "rate_out_hz"), RATES)
def test_no_sample_is_lost_or_made_up(make: Make, rate_in_hz: int, rate_out_hz: int) -> None:
    out = in_blocks(make(rate_in_hz, rate_out_hz), tone(440, rate_in_hz, 3.0), block_bytes=1_234)
    assert len(out) // 2 == pytest.approx(3 * rate_out_hz, abs=2)


@engines
@pytest.mark.parametrize("rate_in_hz", [24_000, 32_000, 44_100, 48_000])
@pytest.mark.parametrize("frequency_hz", [9_000, 11_000, 11_900])
def test_what_lies_above_the_band_does_not_come_back(make: Make, rate_in_hz: int, frequency_hz: int) -> None:
    out = in_blocks(make(rate_in_hz, 16_000), tone(frequency_hz, rate_in_hz, 1.0))
    assert level_db(out) < -80


@engines
def test_blocks_leave_no_seams(make: Make) -> None:
    pcm = tone(1_000, 48_000, 1.0)
    assert_same(in_blocks(make(48_000, 16_000), pcm, 960), in_blocks(make(48_000, 16_000), pcm, len(pcm)))


@engines
def test_after_a_flush_it_starts_anew(make: Make) -> None:
    engine = make(48_000, 16_000)
    first = in_blocks(engine, tone(1_000, 48_000, 0.5))
    assert_same(in_blocks(engine, tone(1_000, 48_000, 0.5)), first)


def test_equal_rates_pass_through_untouched() -> None:
    plain, pcm = Resampler(16_000, 16_000), tone(440, 16_000, 0.1)
    assert plain.process(pcm) is pcm
    assert plain.flush() == b""


def test_without_speexdsp_soxr_takes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_library() -> ctypes.CDLL | None:
        return None

    monkeypatch.setattr(resampler, "_speex_library", no_library)
    out = in_blocks(Resampler(48_000, 16_000), tone(1_000, 48_000, 1.0))
    assert snr_db(out, 1_000, 16_000) > 80
    monkeypatch.setitem(__import__("sys").modules, "soxr", None)
    with pytest.raises(MediaError, match="libspeexdsp1"):
        Resampler(48_000, 16_000)


def test_a_rate_that_is_none_is_refused() -> None:
    with pytest.raises(MediaError, match="0 Hz"):
        Resampler(48_000, 0)
