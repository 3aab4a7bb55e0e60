"""Whole WAV files: how long they are, and their audio in the form the satellite works with."""

from pathlib import Path

from satellite.adapters.conversion import CaptureConversion, pick_channel, to_16_bit
from satellite.adapters.riff import WavHeader, read_header
from satellite.errors import MediaError


def seconds_of(path: Path) -> float:
    """How long a recording lasts. Raises MediaError."""
    header, pcm_bytes = _measure(path)
    return pcm_bytes / header.format.frame_bytes / header.format.rate_hz


def read_recording(path: Path) -> bytes:
    """The first channel in STREAM_FORMAT. Raises MediaError."""
    header, pcm = _read(path, None)
    conversion = CaptureConversion(header.format, 0, 0.0)
    return conversion.convert(pcm) + conversion.flush()


def read_sound(path: Path, max_bytes: int) -> tuple[bytes, int]:
    """The first channel as s16le at the file's own rate, and that rate. Raises MediaError."""
    header, pcm = _read(path, max_bytes)
    mono = pick_channel(to_16_bit(pcm, header.format.width_bytes), header.format.channels, 0)
    return mono, header.format.rate_hz


def _measure(path: Path) -> tuple[WavHeader, int]:
    """Header, and the bytes of whole frames that are really there."""
    try:
        with path.open("rb") as file:
            header = read_header(file, str(path))
            there_bytes = min(header.data_bytes, path.stat().st_size - file.tell())
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror}") from error
    return header, there_bytes - there_bytes % header.format.frame_bytes


def _read(path: Path, max_bytes: int | None) -> tuple[WavHeader, bytes]:
    header, there_bytes = _measure(path)
    if max_bytes is not None and there_bytes > max_bytes:
        raise MediaError(f"{path} holds more than {max_bytes >> 20} MiB of sound")
    with path.open("rb") as file:
        read_header(file, str(path))
        return header, file.read(there_bytes)
