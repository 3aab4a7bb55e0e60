"""Arithmetic on 16-bit mono PCM without numpy: rates, levels, likeness."""

import array
import audioop
import io
import wave
from pathlib import Path

from satellite.errors import MediaError

WIDTH = 2


def rms(pcm: bytes) -> int:
    """Root mean square of the samples; 0 for none."""
    return int(audioop.rms(pcm, WIDTH)) if pcm else 0


def likeness(left: bytes, right: bytes) -> float:
    """Normalised correlation of two pieces of equal length, -1 to 1; 0 when either is silent."""
    level_left, level_right = rms(left), rms(right)
    if not level_left or not level_right:
        return 0.0
    return float(audioop.findfactor(left, right)) * level_right / level_left


def decimate(pcm: bytes, factor: int) -> bytes:
    """Every `factor`th sample of the running mean over `factor` samples."""
    if factor == 1:
        return pcm
    part = audioop.mul(pcm, WIDTH, 1 / factor)
    total = part
    for shift in range(1, factor):
        total = audioop.add(total, part[shift * WIDTH :] + bytes(shift * WIDTH), WIDTH)
    samples = array.array("h", total)
    return samples[::factor].tobytes()


def resample(pcm: bytes, from_hz: int, to_hz: int) -> bytes:
    """A whole piece at another rate; linear, with a running mean against aliasing when going down."""
    if from_hz == to_hz or not pcm:
        return pcm
    if from_hz % to_hz == 0:
        return decimate(pcm, from_hz // to_hz)
    if from_hz > to_hz:
        half = audioop.mul(pcm, WIDTH, 0.5)
        pcm = audioop.add(half, half[WIDTH:] + bytes(WIDTH), WIDTH)
    converted, _state = audioop.ratecv(pcm, WIDTH, 1, from_hz, to_hz, None)
    return bytes(converted)


class StreamResampler:
    """Piece by piece to 16 kHz, without a seam between the pieces."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._from_hz, self._to_hz = from_hz, to_hz
        self._state: tuple[int, tuple[tuple[int, int], ...]] | None = None

    def push(self, pcm: bytes) -> bytes:
        """The next piece at the other rate."""
        if self._from_hz == self._to_hz or not pcm:
            return pcm
        converted, self._state = audioop.ratecv(pcm, WIDTH, 1, self._from_hz, self._to_hz, self._state)
        return bytes(converted)


def trim(pcm: bytes, rate_hz: int, floor: int = 200) -> bytes:
    """Without quiet 10 ms blocks at either end; silence gives nothing."""
    block = rate_hz // 100 * WIDTH
    loud = [at for at in range(0, len(pcm), block) if rms(pcm[at : at + block]) >= floor]
    return pcm[loud[0] : loud[-1] + block] if loud else b""


def read_wav(source: Path | bytes, rate_hz: int) -> bytes:
    """A 16-bit WAV as mono PCM of `rate_hz`; MediaError says what is wrong with the file."""
    name = "the synthesised audio" if isinstance(source, bytes) else str(source)
    try:
        with wave.open(io.BytesIO(source) if isinstance(source, bytes) else str(source), "rb") as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            data = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as fault:
        raise MediaError(f"{name} cannot be read as WAV: {fault}") from fault
    if width != WIDTH or channels not in (1, 2):
        raise MediaError(f"{name} must be 16-bit mono or stereo, not {width * 8}-bit with {channels} channels")
    data = audioop.tomono(data, WIDTH, 0.5, 0.5) if channels == 2 else data
    return resample(data[: len(data) // WIDTH * WIDTH], rate, rate_hz)


def write_wav(path: Path, pcm: bytes, rate_hz: int) -> None:
    """Write mono 16-bit PCM as a WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(WIDTH)
        file.setframerate(rate_hz)
        file.writeframes(pcm)
