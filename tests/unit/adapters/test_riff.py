"""WAV headers, read from whatever tools write and written so that they are always right."""

import io
import struct
from pathlib import Path

import pytest

from satellite.adapters.riff import FORMAT_EXTENSIBLE, UNKNOWN_BYTES, WavHeader, WavWriter, read_header
from satellite.adapters.sound import DeviceFormat
from satellite.core.audio import AudioFormat
from satellite.errors import MediaError
from tests.fakes.sound import read_wav

PCM = struct.pack("<4h", 1, -2, 3, -4)
FMT_16K = struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16)


def riff(*chunks: tuple[bytes, bytes]) -> io.BytesIO:
    """A file of these chunks, padded to even lengths."""
    body = b"".join(name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for name, data in chunks)
    return io.BytesIO(b"RIFF" + struct.pack("<I", len(body) + 4) + b"WAVE" + body)


def test_other_chunks_are_passed_over() -> None:
    file = riff((b"LIST", b"odd"), (b"fmt ", FMT_16K), (b"fact", b"1234"), (b"data", PCM))
    assert read_header(file, "a.wav") == WavHeader(DeviceFormat(16_000), len(PCM))
    assert file.read() == PCM


def test_extensible_24_bits_as_most_tools_write_it() -> None:
    fmt = struct.pack("<HHIIHHHHIH14s", FORMAT_EXTENSIBLE, 2, 48_000, 288_000, 6, 24, 22, 24, 3, 1, bytes(14))
    header = read_header(riff((b"fmt ", fmt), (b"data", bytes(6))), "a.wav")
    assert header.format == DeviceFormat(48_000, channels=2, width_bytes=3)


def test_a_length_that_was_never_filled_in_means_to_the_end() -> None:
    file = riff((b"fmt ", FMT_16K), (b"data", b""))
    assert read_header(file, "a.wav").data_bytes == UNKNOWN_BYTES


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (io.BytesIO(b""), "not a WAV file"),
        (io.BytesIO(b"ID3\x04" + bytes(100)), "not a WAV file"),
        (riff((b"fmt ", FMT_16K)), "holds no samples"),
        (riff((b"data", PCM)), "samples come before their format"),
        (riff((b"fmt ", b"short")), "cut off"),
        (riff((b"fmt ", struct.pack("<HHIIHH", 3, 1, 16_000, 64_000, 4, 32)), (b"data", PCM)), "not integer PCM"),
        (riff((b"fmt ", struct.pack("<HHIIHH", 1, 0, 16_000, 0, 0, 16)), (b"data", PCM)), "not integer PCM"),
        (riff((b"fmt ", struct.pack("<HHIIHH", 1, 1, 16_000, 0, 8, 64)), (b"data", PCM)), "64 bits"),
    ],
)
def test_what_cannot_be_read_is_named(file: io.BytesIO, reason: str) -> None:
    with pytest.raises(MediaError, match=reason) as refused:
        read_header(file, "song.wav")
    assert "song.wav" in str(refused.value)


def test_the_header_is_right_after_every_step(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    writer = WavWriter(path, AudioFormat(24_000))
    assert read_wav(path) == (b"", 24_000)
    writer.append(PCM)
    writer.append(PCM)
    assert read_wav(path) == (PCM * 2, 24_000)
    writer.cut(len(PCM))
    assert read_wav(path) == (PCM, 24_000)
    assert path.stat().st_size == 44 + len(PCM)
    writer.cut(1_000)
    assert read_wav(path) == (b"", 24_000)
    writer.close()
    writer.close()


def test_a_file_goes_on_where_it_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    first = WavWriter(path, AudioFormat(16_000))
    first.append(PCM * 3)
    first.close()
    second = WavWriter(path, AudioFormat(16_000), keep_bytes=len(PCM))
    second.append(PCM[::-1])
    assert read_wav(path) == (PCM + PCM[::-1], 16_000)
    second.close()
