"""What the sound tests share: voices, tones and how clean they are, WAV files, and call-backs that remember."""

import asyncio
import threading
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from satellite.core.audio import CaptureBlock
from tests.fakes.vcard import CardFormat, VirtualCard

VOICES = sorted(Path("/usr/share/sounds/alsa").glob("[FRS]*_*.wav"))
"""A woman's voice naming loudspeakers: 48 kHz, mono, 16 bits, 1.3 to 1.5 s each (alsa-utils)."""
needs_voices = pytest.mark.skipif(not VOICES, reason="alsa-utils, which brings the recordings, is not installed")


def tone(frequency_hz: float, rate_hz: int, seconds: float, amplitude: float = 16_000) -> bytes:
    """A sine, mono, 16 bits."""
    samples = np.arange(int(rate_hz * seconds))
    return bytes((amplitude * np.sin(2 * np.pi * frequency_hz * samples / rate_hz)).round().astype("<i2").tobytes())


def samples_of(pcm: bytes) -> NDArray[np.float64]:
    """16-bit PCM as numbers."""
    return np.frombuffer(pcm, dtype="<i2").astype(np.float64)


def snr_db(pcm: bytes, frequency_hz: float, rate_hz: int) -> float:
    """How much of the middle half is this tone, against all the rest."""
    middle = samples_of(pcm)
    middle = middle[len(middle) // 4 : 3 * len(middle) // 4]
    phase = 2 * np.pi * frequency_hz * np.arange(len(middle)) / rate_hz
    basis = np.stack([np.sin(phase), np.cos(phase), np.ones(len(middle))], axis=1)
    weights = np.linalg.lstsq(basis, middle, rcond=None)[0]
    fitted = basis @ weights
    return float(10 * np.log10(fitted.var() / max(1e-9, (middle - fitted).var())))


def level_db(pcm: bytes, full: float = 16_000) -> float:
    """Loudness of the middle half against a full tone of that amplitude."""
    middle = samples_of(pcm)
    middle = middle[len(middle) // 4 : 3 * len(middle) // 4]
    return float(20 * np.log10(max(1e-9, float(np.sqrt(np.mean(middle**2))) * np.sqrt(2) / full)))


def write_wav(path: Path, pcm: bytes, rate_hz: int = 16_000, channels: int = 1, width: int = 2) -> Path:
    """A WAV file with the standard library's own writer."""
    with wave.open(str(path), "wb") as wav:
        wav.setframerate(rate_hz)
        wav.setnchannels(channels)
        wav.setsampwidth(width)
        wav.writeframes(pcm)
    return path


def read_wav(path: Path) -> tuple[bytes, int]:
    """PCM and rate of a mono 16-bit WAV."""
    with wave.open(str(path)) as wav:
        assert (wav.getnchannels(), wav.getsampwidth()) == (1, 2)
        return wav.readframes(wav.getnframes()), wav.getframerate()


class Heard:
    """Call-backs of a CaptureSource that remember what came."""

    def __init__(self) -> None:
        self.blocks: list[CaptureBlock] = []
        self.ends: list[Exception | None] = []

    def on_block(self, block: CaptureBlock) -> None:
        self.blocks.append(block)

    def on_end(self, error: Exception | None) -> None:
        self.ends.append(error)

    @property
    def pcm(self) -> bytes:
        return b"".join(block.data for block in self.blocks)

    async def until(self, condition: Callable[[], Any], timeout_s: float = 10.0) -> None:
        """Wait for something to have come."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                await asyncio.sleep(0.01)

    async def until_blocks(self, count: int) -> None:
        await self.until(lambda: len(self.blocks) >= count)

    async def until_end(self, timeout_s: float = 10.0) -> None:
        await self.until(lambda: self.ends, timeout_s)


def join_device_threads() -> None:
    """Wait for threads that a stalled device had kept; none may outlive its card."""
    for thread in threading.enumerate():
        if thread.name.startswith(("capture ", "playback ")):
            thread.join(timeout=10)
            assert not thread.is_alive(), f"{thread.name} is still in its device"


MakeCard = Callable[[CardFormat], VirtualCard]


@pytest.fixture
def make_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeCard]:
    """A virtual card that ALSA and PortAudio of this process find; freed and waited for at the end."""
    cards: list[VirtualCard] = []

    def make(card_format: CardFormat) -> VirtualCard:
        card = VirtualCard(tmp_path / f"card{len(cards)}", card_format).__enter__()
        cards.append(card)
        monkeypatch.setenv("ALSA_CONFIG_PATH", str(card.conf))
        return card

    yield make
    for card in cards:
        card.resume()
    try:
        join_device_threads()
    finally:
        for card in cards:
            card.__exit__(None, None, None)
