"""What the sound adapters share: settings, names of devices, and the times within which a device must show life."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from satellite.core.audio import RATE_HZ, SAMPLE_BYTES

STALE_AFTER_S = 1.0
"""A device that moves no audio for this long is lost: a kernel disconnect shows neither an error nor an end."""
LET_GO_WITHIN_S = 0.3
"""Longest wait for a device to be closed in order; a stalled sound server blocks that for ever."""
CLOSE_WITHIN_S = 1.5
"""Longest wait for a device's process to be gone once it was killed."""
OPEN_WITHIN_S = 5.0
"""Longest wait for a device to open; PortAudio tries every PCM there is, which takes seconds on a small board."""
MAX_QUEUED_S = 0.2
"""Speech handed over and not heard yet, above which `write` waits."""
RATES_HZ = range(1_000, 384_001)
"""Beyond these a header is broken, or made to have a few bytes last for days."""
NEAR_MATCHES = 6

Direction = Literal["capture", "playback"]
WHAT: Mapping[Direction, str] = MappingProxyType({"capture": "microphone", "playback": "loudspeaker"})
"""What users call it."""


@dataclass(frozen=True, slots=True)
class DeviceFormat:
    """Interleaved little-endian PCM of a device; `width_bytes` is 1 (unsigned) or 2, 3, 4 (signed)."""

    rate_hz: int
    channels: int = 1
    width_bytes: int = SAMPLE_BYTES

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return self.channels * self.width_bytes


@dataclass(frozen=True, slots=True)
class CaptureSettings:
    """Which microphone and how to listen to it; `rate_hz` and `channels` are the device's, `channel` counts from 0."""

    device: str = "default"
    driver: str = "auto"
    rate_hz: int = RATE_HZ
    channels: int = 1
    channel: int = 0
    gain_db: float = 0.0


@dataclass(frozen=True, slots=True)
class PlaybackSettings:
    """Which loudspeaker; `rate_hz` and `channels` pin what the device is asked for, None takes the speech's own."""

    device: str = "default"
    driver: str = "auto"
    rate_hz: int | None = None
    channels: int | None = None


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """One device: the `name` to put into the configuration, and what it is in words."""

    direction: Direction
    name: str
    description: str
    driver: str


def known_devices(device: str, names: Sequence[str]) -> str:
    """What there is instead of a device that is not there, the nearest first, in words."""
    others = [name for name in names if name != device]
    if not others:
        return "No other device is there: is it plugged in? (voice-satellite devices)"
    import difflib  # noqa: PLC0415 - loaded only when used

    near = difflib.get_close_matches(device, others, n=NEAR_MATCHES, cutoff=0.3) or others[:NEAR_MATCHES]
    return f"Known: {', '.join(near)} (voice-satellite devices)"


def file_path(device: str) -> str | None:
    """The path in a "file:PATH" device, None for any other."""
    return device.removeprefix("file:") if device.startswith("file:") else None
