"""WAV files: the header read (PCM of 8 to 32 bits, plain or extensible) and written so that it is always right.

The standard library's reader refuses WAVE_FORMAT_EXTENSIBLE before Python 3.12, which is how most tools write 24 bits.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from satellite.adapters.sound import RATES_HZ, DeviceFormat
from satellite.core.audio import SAMPLE_BYTES, AudioFormat
from satellite.errors import MediaError

FORMAT_PCM = 0x0001
FORMAT_EXTENSIBLE = 0xFFFE
HEADER_BYTES = 44
RIFF_SIZE_AT = 4
DATA_SIZE_AT = 40
UNKNOWN_BYTES = 0xFFFFFFFF
WIDTHS_BYTES = (1, 2, 3, 4)
CHANNELS_MAX = 64


@dataclass(frozen=True, slots=True)
class WavHeader:
    """What a WAV file holds; a broken or streamed file has fewer bytes than `data_bytes`."""

    format: DeviceFormat
    data_bytes: int


def read_header(file: BinaryIO, path: str) -> WavHeader:
    """Find the format and leave the file at its first sample. Raises MediaError naming what is wrong with the file."""
    riff = file.read(12)
    if len(riff) < 12 or riff[:4] != b"RIFF" or riff[8:] != b"WAVE":
        raise MediaError(f"{path} is not a WAV file")
    wav_format: DeviceFormat | None = None
    for name, size in _chunks(file):
        if name == b"fmt ":
            wav_format = _parse_format(file.read(min(size, 40)), path)
        elif name == b"data":
            if wav_format is None:
                raise MediaError(f"{path} is a broken WAV file: samples come before their format")
            # a writer that could not go back to fill the length in left 0: everything that follows is sound
            return WavHeader(wav_format, size or UNKNOWN_BYTES)
    raise MediaError(f"{path} is a broken WAV file: it holds no samples")


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Name and length of each chunk, the file standing at its start; chunks have even lengths."""
    while len(head := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", head)
        start = file.tell()
        yield name, size
        file.seek(start + size + size % 2)


def _parse_format(data: bytes, path: str) -> DeviceFormat:
    if len(data) < 16:
        raise MediaError(f"{path} is a broken WAV file: its format is cut off")
    tag, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", data)
    if tag == FORMAT_EXTENSIBLE and len(data) >= 26:
        (tag,) = struct.unpack_from("<H", data, 24)
    width_bytes = (bits + 7) // 8
    if tag != FORMAT_PCM or width_bytes not in WIDTHS_BYTES or not channels or not rate_hz:
        raise MediaError(
            f"{path} holds audio of kind {tag:#06x} with {bits} bits, not integer PCM: "
            "convert it with: sox IN.wav -b 16 -e signed OUT.wav"
        )
    if rate_hz not in RATES_HZ or channels > CHANNELS_MAX:  # a filter for some rates would never be made
        raise MediaError(f"{path} is a broken WAV file: {channels} channels at {rate_hz} Hz")
    return DeviceFormat(rate_hz, channels, width_bytes)


class WavWriter:
    """A growing 16-bit WAV file whose header matches its samples after every write, however the program ends.

    Begins anew, or goes on after the first `keep_bytes` of samples of a file written before. Raises OSError.
    """

    def __init__(self, path: Path, audio_format: AudioFormat, keep_bytes: int = 0) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self.data_bytes = keep_bytes
        frame_bytes = audio_format.channels * SAMPLE_BYTES
        rate_hz = audio_format.rate_hz
        header = struct.pack(
            "<4sI4s4sIHHIIHH4sI", b"RIFF", HEADER_BYTES - 8, b"WAVE", b"fmt ", 16, FORMAT_PCM, audio_format.channels,
            rate_hz, rate_hz * frame_bytes, frame_bytes, SAMPLE_BYTES * 8, b"data", 0,
        )  # fmt: skip
        os.pwrite(self._fd, header, 0)
        self.cut(0)

    def append(self, pcm: bytes) -> None:
        """Add samples, then their length to the header. Raises OSError (disk full)."""
        view = memoryview(pcm)
        while view:
            written = os.pwrite(self._fd, view, HEADER_BYTES + self.data_bytes)
            self.data_bytes += written
            view = view[written:]
        self._write_lengths()

    def cut(self, pcm_bytes: int) -> None:
        """Take back the last `pcm_bytes`."""
        self.data_bytes = max(0, self.data_bytes - pcm_bytes)
        self._write_lengths()
        os.ftruncate(self._fd, HEADER_BYTES + self.data_bytes)

    def close(self) -> None:
        """Close the file. Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _write_lengths(self) -> None:
        # a RIFF length has 32 bits: past 4 GiB (a day at 24 kHz) readers take what is there
        os.pwrite(self._fd, struct.pack("<I", min(UNKNOWN_BYTES, HEADER_BYTES - 8 + self.data_bytes)), RIFF_SIZE_AT)
        os.pwrite(self._fd, struct.pack("<I", min(UNKNOWN_BYTES, self.data_bytes)), DATA_SIZE_AT)
