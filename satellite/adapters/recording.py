"""Whole WAV files: how long they are, and their audio in the form the satellite works with."""

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from satellite.adapters.conversion import CaptureConversion, pick_channel, to_16_bit
from satellite.adapters.riff import WavHeader, read_header
from satellite.errors import MediaError

SOUND_S_MAX = 600.0


def seconds_of(path: Path) -> float:
    """How long a recording lasts. Raises MediaError."""
    with _opened(path) as file:
        header = read_header(file, str(path))
        return _bytes_there(file, header) / header.format.frame_bytes / header.format.rate_hz


def read_recording(path: Path) -> bytes:
    """The first channel in STREAM_FORMAT. Raises MediaError."""
    with _opened(path) as file:
        header = read_header(file, str(path))
        conversion = CaptureConversion(header.format, 0, 0.0)
        second_bytes = header.format.frame_bytes * header.format.rate_hz
        left = _bytes_there(file, header)
        # a second at a time: an hour in its first form can be many times its size in ours
        sizes = (min(second_bytes, left - at) for at in range(0, left, second_bytes))
        return b"".join([*(conversion.convert(file.read(size)) for size in sizes), conversion.flush()])


def read_sound(path: Path, max_bytes: int) -> tuple[bytes, int]:
    """The first channel as s16le at the file's own rate, and that rate. Raises MediaError."""
    with _opened(path) as file:
        return _sound(file, str(path), max_bytes)


def parse_sound(data: bytes, name: str) -> tuple[bytes, int]:
    """The same from a WAV in memory; `name` is what an error calls it. Raises MediaError."""
    return _sound(io.BytesIO(data), name, len(data))


def _sound(file: BinaryIO, name: str, max_bytes: int) -> tuple[bytes, int]:
    header = read_header(file, name)
    there_bytes = _bytes_there(file, header)
    if there_bytes > max_bytes:
        raise MediaError(f"{name} holds more than {max_bytes >> 20} MiB of sound")
    wav = header.format
    if there_bytes / wav.frame_bytes / wav.rate_hz > SOUND_S_MAX:
        raise MediaError(f"{name} lasts longer than {SOUND_S_MAX / 60:.0f} minutes")
    return pick_channel(to_16_bit(file.read(there_bytes), wav.width_bytes), wav.channels, 0), wav.rate_hz


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """A regular file: a FIFO would wait for a writer, and a device may act on being opened."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise MediaError(f"{path} is not a file with a recording in it")
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123 - by number
            yield file
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror}") from error


def _bytes_there(file: BinaryIO, header: WavHeader) -> int:
    """Bytes of the whole frames that follow, whatever the header says."""
    here = file.tell()
    there_bytes = min(header.data_bytes, file.seek(0, os.SEEK_END) - here)
    file.seek(here)
    return there_bytes - there_bytes % header.format.frame_bytes
