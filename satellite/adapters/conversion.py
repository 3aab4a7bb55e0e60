"""Between a device's PCM and ours: sample width, channels, gain, rate. The plain path copies nothing."""

import audioop
import math
from array import array

from satellite.adapters.resampler import Resampler
from satellite.adapters.sound import DeviceFormat
from satellite.core.audio import RATE_HZ, SAMPLE_BYTES
from satellite.errors import DeviceError

DB_PER_DECADE = 20.0


def to_16_bit(pcm: bytes, width_bytes: int) -> bytes:
    """Signed 16-bit PCM from PCM of another width; 8-bit is unsigned, as in WAV files and in ALSA's U8."""
    if width_bytes == SAMPLE_BYTES:
        return pcm
    if width_bytes == 1:
        pcm = audioop.bias(pcm, 1, 128)
    return audioop.lin2lin(pcm, width_bytes, SAMPLE_BYTES)


def from_16_bit(pcm: bytes, width_bytes: int) -> bytes:
    """PCM of another width from signed 16-bit PCM."""
    if width_bytes == SAMPLE_BYTES:
        return pcm
    widened = audioop.lin2lin(pcm, SAMPLE_BYTES, width_bytes)
    return audioop.bias(widened, 1, 128) if width_bytes == 1 else widened


def pick_channel(pcm: bytes, channels: int, channel: int) -> bytes:
    """One channel of interleaved 16-bit PCM."""
    return pcm if channels == 1 else array("h", pcm)[channel::channels].tobytes()


def spread_channels(pcm: bytes, channels: int) -> bytes:
    """Mono 16-bit PCM copied to every one of `channels`."""
    if channels == 1:
        return pcm
    mono = array("h", pcm)
    spread = array("h", bytes(len(pcm) * channels))
    for channel in range(channels):
        spread[channel::channels] = mono
    return spread.tobytes()


def amplify(pcm: bytes, gain_db: float) -> bytes:
    """16-bit PCM louder or softer by `gain_db`; what does not fit saturates."""
    return pcm if gain_db == 0 else audioop.mul(pcm, SAMPLE_BYTES, math.pow(10.0, gain_db / DB_PER_DECADE))


class CaptureConversion:
    """A device's PCM to mono 16-bit at RATE_HZ. Raises DeviceError for a channel that the device does not have."""

    def __init__(self, device: DeviceFormat, channel: int, gain_db: float) -> None:
        if not 0 <= channel < device.channels:
            raise DeviceError(
                f"channel {channel} does not exist: the device gives {device.channels} channel(s), counted from 0; "
                "set audio.input.channels and audio.input.channel to what it has"
            )
        self._device = device
        self._channel = channel
        self._gain_db = gain_db
        self._resampler = Resampler(device.rate_hz, RATE_HZ)

    def convert(self, pcm: bytes) -> bytes:
        """Whole device frames in, as much of ours as is complete out."""
        device = self._device
        mono = pick_channel(to_16_bit(pcm, device.width_bytes), device.channels, self._channel)
        return amplify(self._resampler.process(mono), self._gain_db)

    def flush(self) -> bytes:
        """What the resampler holds back."""
        return amplify(self._resampler.flush(), self._gain_db)


class PlaybackConversion:
    """Mono 16-bit PCM of `rate_hz` to a device's PCM."""

    def __init__(self, rate_hz: int, device: DeviceFormat) -> None:
        self._device = device
        self._resampler = Resampler(rate_hz, device.rate_hz)

    def convert(self, pcm: bytes) -> bytes:
        """Mono samples in, as many device frames as are complete out."""
        return self._spread(self._resampler.process(pcm))

    def flush(self) -> bytes:
        """What the resampler holds back; more may follow, as a new piece of sound."""
        return self._spread(self._resampler.flush())

    def _spread(self, mono: bytes) -> bytes:
        return from_16_bit(spread_channels(mono, self._device.channels), self._device.width_bytes)
