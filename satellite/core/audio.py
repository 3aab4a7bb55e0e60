"""What audio is inside the satellite: 16 kHz, one channel, signed 16-bit little-endian."""

from dataclasses import dataclass

RATE_HZ = 16_000
SAMPLE_BYTES = 2
FRAME_SAMPLES = 320
"""One detector frame: 20 ms, a length that webrtcvad takes."""
BLOCK_SAMPLES = 1_600
"""One capture block: 100 ms, the chunk length voice services advise and one wake-up each."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """Signed 16-bit little-endian PCM of a given rate and channel count."""

    rate_hz: int
    channels: int = 1


STREAM_FORMAT = AudioFormat(RATE_HZ)


@dataclass(frozen=True, slots=True)
class CaptureBlock:
    """Captured audio in STREAM_FORMAT; `captured_at` is the monotonic time of its first sample, in seconds.

    `lost_s` of sound before it were heard by nobody: the device, or we, did not keep up.
    """

    data: bytes
    captured_at: float
    lost_s: float = 0.0


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """Audio of one utterance in STREAM_FORMAT; `start_s` is the wall clock (Unix seconds) of its first sample."""

    data: bytes
    start_s: float
    utterance_id: str

    @property
    def samples(self) -> int:
        """Length in samples."""
        return len(self.data) // SAMPLE_BYTES


def samples_of_ms(milliseconds: float, rate_hz: int = RATE_HZ) -> int:
    """Samples in that many milliseconds, rounded down."""
    return int(milliseconds * rate_hz // 1000)


def ms_of_samples(samples: int, rate_hz: int = RATE_HZ) -> float:
    """Milliseconds that many samples last."""
    return samples * 1000 / rate_hz
