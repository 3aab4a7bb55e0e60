"""Device PCM to ours and back: widths, channels, gain, rate."""

import struct

import pytest

from satellite.adapters.conversion import (
    CaptureConversion,
    PlaybackConversion,
    amplify,
    from_16_bit,
    pick_channel,
    spread_channels,
    to_16_bit,
)
from satellite.adapters.sound import DeviceFormat
from satellite.errors import DeviceError
from tests.fakes.sound import level_db, snr_db, tone

SAMPLES = (0, 1, -1, 32_767, -32_768, 12_345)
PCM = struct.pack("<6h", *SAMPLES)


def widened(width_bytes: int) -> bytes:
    """The same samples in another width, by hand."""
    if width_bytes == 1:
        return bytes((sample >> 8) + 128 for sample in SAMPLES)
    shift = 8 * (width_bytes - 2)
    return b"".join((sample << shift).to_bytes(width_bytes, "little", signed=True) for sample in SAMPLES)


@pytest.mark.parametrize("width_bytes", [1, 2, 3, 4])
def test_widths_keep_the_upper_bits(width_bytes: int) -> None:
    assert from_16_bit(PCM, width_bytes) == widened(width_bytes)
    upper = tuple(sample & ~0xFF if width_bytes == 1 else sample for sample in SAMPLES)
    assert struct.unpack("<6h", to_16_bit(widened(width_bytes), width_bytes)) == upper


def test_the_plain_path_copies_nothing() -> None:
    conversion = CaptureConversion(DeviceFormat(16_000), channel=0, gain_db=0.0)
    assert conversion.convert(PCM) is PCM
    assert conversion.flush() == b""
    assert PlaybackConversion(16_000, DeviceFormat(16_000)).convert(PCM) is PCM


def test_one_channel_of_several() -> None:
    frames = struct.pack("<6h", 10, 20, 30, 11, 21, 31)
    for channel, expected in enumerate([(10, 11), (20, 21), (30, 31)]):
        assert struct.unpack("<2h", pick_channel(frames, 3, channel)) == expected


def test_mono_goes_to_every_channel() -> None:
    assert struct.unpack("<6h", spread_channels(struct.pack("<2h", 7, -8), 3)) == (7, 7, 7, -8, -8, -8)


def test_gain_is_in_db_and_saturates() -> None:
    loud = struct.unpack("<3h", amplify(struct.pack("<3h", 1_000, 30_000, -30_000), 20.0))
    assert loud == (10_000, 32_767, -32_768)
    assert struct.unpack("<1h", amplify(struct.pack("<1h", 10_000), -20.0)) == (1_000,)


@pytest.mark.parametrize("channel", [-1, 2])
def test_a_missing_channel_is_refused(channel: int) -> None:
    with pytest.raises(DeviceError, match="gives 2 channel"):
        CaptureConversion(DeviceFormat(16_000, channels=2), channel, gain_db=0.0)


def test_a_wide_stereo_device_at_another_rate() -> None:
    mono = tone(1_000, 48_000, 1.0)
    device = DeviceFormat(48_000, channels=2, width_bytes=4)
    frames = from_16_bit(spread_channels(mono, 2), 4)
    conversion = CaptureConversion(device, channel=1, gain_db=-6.0)
    pcm = conversion.convert(frames) + conversion.flush()
    assert len(pcm) == 2 * 16_000
    assert snr_db(pcm, 1_000, 16_000) > 80
    assert level_db(pcm) == pytest.approx(-6.0, abs=0.1)


def test_speech_for_a_wide_stereo_device() -> None:
    conversion = PlaybackConversion(24_000, DeviceFormat(48_000, channels=2, width_bytes=3))
    frames = conversion.convert(tone(1_000, 24_000, 0.5)) + conversion.flush()
    assert len(frames) == 24_000 * 2 * 3
    right = pick_channel(to_16_bit(frames, 3), 2, 1)
    assert snr_db(right, 1_000, 48_000) > 80
