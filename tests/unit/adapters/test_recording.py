import os
import struct
from pathlib import Path

import pytest

from satellite.adapters.recording import parse_sound, read_recording, read_sound, seconds_of
from satellite.errors import MediaError
from tests.fakes.sound import read_wav, snr_db, tone, write_wav

MIB = 1 << 20


def patched(path: Path, at: int, data: bytes) -> Path:
    """The file with some of its header overwritten."""
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)
    return path


def test_a_length_counts_what_is_there(tmp_path: Path) -> None:
    whole = write_wav(tmp_path / "a.wav", tone(440, 44_100, 1.5), 44_100)
    assert seconds_of(whole) == pytest.approx(1.5)
    os.truncate(whole, 44 + 44_101)
    assert seconds_of(whole) == pytest.approx(0.5)
    assert seconds_of(write_wav(tmp_path / "b.wav", b"")) == 0.0


def test_a_recording_comes_in_the_form_of_the_satellite(tmp_path: Path) -> None:
    left, right = tone(1_000, 44_100, 2.3), tone(3_000, 44_100, 2.3)
    pairs = zip(struct.iter_unpack("<h", left), struct.iter_unpack("<h", right), strict=True)
    both = b"".join(struct.pack("<hh", *one, *other) for one, other in pairs)
    pcm = read_recording(write_wav(tmp_path / "a.wav", both, 44_100, channels=2))
    assert len(pcm) / 2 == pytest.approx(2.3 * 16_000, abs=2)
    assert snr_db(pcm, 1_000, 16_000) > 40


def test_a_recording_in_our_form_is_untouched(tmp_path: Path) -> None:
    pcm = tone(440, 16_000, 2.53)
    assert read_recording(write_wav(tmp_path / "a.wav", pcm)) == pcm
    assert read_recording(write_wav(tmp_path / "b.wav", b"")) == b""


def test_a_sound_keeps_its_rate(tmp_path: Path) -> None:
    pcm = tone(440, 22_050, 0.3)
    path = write_wav(tmp_path / "a.wav", pcm, 22_050)
    assert read_sound(path, MIB) == read_wav(path) == (pcm, 22_050)
    assert parse_sound(path.read_bytes(), "it") == (pcm, 22_050)


def test_a_sound_of_8_bits_is_widened(tmp_path: Path) -> None:
    pcm, rate_hz = read_sound(write_wav(tmp_path / "a.wav", bytes([128, 255, 0]), 8_000, width=1), MIB)
    assert (struct.unpack("<3h", pcm), rate_hz) == ((0, 127 << 8, -128 << 8), 8_000)


def test_sounds_have_bounds(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", bytes(2 * MIB + 2))
    with pytest.raises(MediaError, match=f"{path} holds more than 2 MiB of sound"):
        read_sound(path, 2 * MIB)
    slow = write_wav(tmp_path / "b.wav", bytes(2 * 601_000), 1_000)
    with pytest.raises(MediaError, match=f"{slow} lasts longer than 10 minutes"):
        read_sound(slow, 10 * MIB)


@pytest.mark.parametrize("rate_hz", [1, 999, 4_000_000_000])
def test_a_rate_that_nothing_has_is_refused(tmp_path: Path, rate_hz: int) -> None:
    path = patched(write_wav(tmp_path / "a.wav", bytes(100)), 24, struct.pack("<I", rate_hz))
    for read in (seconds_of, read_recording, lambda given: read_sound(given, MIB)):
        with pytest.raises(MediaError, match=f"is a broken WAV file: 1 channels at {rate_hz} Hz"):
            read(path)


def test_channels_that_nothing_has_are_refused(tmp_path: Path) -> None:
    path = patched(write_wav(tmp_path / "a.wav", bytes(100)), 22, struct.pack("<H", 60_000))
    with pytest.raises(MediaError, match="60000 channels"):
        seconds_of(path)


def test_what_is_no_regular_file_is_not_even_opened(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (tmp_path, fifo, Path("/dev/zero")):
        with pytest.raises(MediaError, match=f"^{path} is not a file with a recording in it$"):
            seconds_of(path)


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"a\.wav cannot be read: No such file or directory"):
        seconds_of(tmp_path / "a.wav")
    text = tmp_path / "text.wav"
    text.write_text("hello")
    with pytest.raises(MediaError, match="is not a WAV file"):
        read_sound(text, MIB)
    with pytest.raises(MediaError, match=r"^what came is not a WAV file$"):
        parse_sound(b"<html>", "what came")
