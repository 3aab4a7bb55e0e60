from satellite.core.audio import (
    BLOCK_SAMPLES,
    FRAME_SAMPLES,
    STREAM_FORMAT,
    AudioChunk,
    AudioFormat,
    ms_of_samples,
    samples_of_ms,
)


def test_a_frame_is_20_ms_and_a_block_100_ms() -> None:
    assert ms_of_samples(FRAME_SAMPLES) == 20
    assert ms_of_samples(BLOCK_SAMPLES) == 100
    assert BLOCK_SAMPLES % FRAME_SAMPLES == 0


def test_inside_the_satellite_audio_is_16_khz_mono() -> None:
    assert AudioFormat(16_000, 1) == STREAM_FORMAT


def test_a_chunk_counts_samples_of_two_bytes() -> None:
    assert AudioChunk(bytes(6), 0.0, "u").samples == 3


def test_samples_of_ms_rounds_down() -> None:
    assert samples_of_ms(20) == 320
    assert samples_of_ms(0.1) == 1
    assert samples_of_ms(10, rate_hz=22_050) == 220


def test_ms_of_samples_uses_the_rate_given() -> None:
    assert ms_of_samples(480, rate_hz=48_000) == 10
