"""Percent to amplitude."""

import struct

import pytest

from satellite.runtime.volume import amplitude, scale


def test_silence_and_full() -> None:
    assert (amplitude(0), amplitude(100)) == (0.0, 1.0)


def test_half_the_percent_is_a_quarter_of_the_amplitude() -> None:
    assert amplitude(50) == 0.25


@pytest.mark.parametrize(("percent", "heard"), [(0, (0, 0)), (50, (250, -250)), (100, (1000, -1000))])
def test_pcm_is_scaled(percent: int, heard: tuple[int, int]) -> None:
    assert struct.unpack("<2h", scale(struct.pack("<2h", 1000, -1000), percent)) == heard


def test_at_full_volume_nothing_is_touched() -> None:
    pcm = b"\x01\x02"
    assert scale(pcm, 100) is pcm
