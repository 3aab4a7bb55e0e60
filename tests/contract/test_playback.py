"""One contract for every PlaybackSink: ALSA and PortAudio on a virtual card, a WAV file, and nothing at all."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from satellite.adapters.clock import SystemClock
from satellite.adapters.devices import make_playback
from satellite.adapters.sound import PlaybackSettings
from satellite.core.audio import AudioFormat
from satellite.errors import DeviceError, LocalMisuse
from satellite.ports import PlaybackSink
from tests.fakes.sound import MakeCard, make_card, read_wav, samples_of, snr_db, tone
from tests.fakes.vcard import CardFormat, VirtualCard

__all__ = ["make_card"]

RATE_HZ = 16_000
SPEECH = AudioFormat(RATE_HZ)
SECOND_BYTES = RATE_HZ * 2
ON_CARD = ("alsa", "portaudio")
WITH_SOUND = (*ON_CARD, "file")
ALL = (*WITH_SOUND, "null")


def noise(seconds: float, seed: int = 1) -> bytes:
    """Loud noise without a single zero sample, so that it can be told from silence."""
    values = random.Random(seed)
    return b"".join(values.randrange(1, 30_000).to_bytes(2, "little") for _ in range(int(RATE_HZ * seconds)))


@dataclass
class Rig:
    """A playback sink and an ear at it."""

    settings: PlaybackSettings
    card: VirtualCard | None = None
    wav: Path | None = None
    sinks: list[PlaybackSink] = field(default_factory=list)

    def sink(self, **changes: Any) -> PlaybackSink:
        sink = make_playback(replace(self.settings, **changes), SystemClock())
        self.sinks.append(sink)
        return sink

    @property
    def heard(self) -> bytes:
        """What came out, silence left out."""
        if self.wav is not None:
            return read_wav(self.wav)[0]
        assert self.card is not None
        pcm = self.card.played
        return b"".join(pcm[at : at + 2] for at in range(0, len(pcm), 2) if pcm[at : at + 2] != b"\0\0")

    async def settle(self, seconds: float = 0.2) -> None:
        """Let the card play what no program can see: its FIFO, and after a `clear` its buffer."""
        await asyncio.sleep(seconds)


@pytest.fixture
async def rig(request: pytest.FixtureRequest, tmp_path: Path, make_card: MakeCard) -> AsyncIterator[Rig]:
    kind = request.param
    if kind in ON_CARD:
        rig = Rig(PlaybackSettings(device="vspk", driver=kind), card=make_card(CardFormat()))
    elif kind == "null":
        rig = Rig(PlaybackSettings(device="null"))
    else:
        wav = tmp_path / "heard.wav"
        rig = Rig(PlaybackSettings(device=f"file:{wav}"), wav=wav)
    yield rig
    for sink in rig.sinks:
        await sink.close()


def over(*kinds: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("rig", kinds, indirect=True)


async def write_in_blocks(sink: PlaybackSink, pcm: bytes, block_bytes: int = 3_200) -> None:
    for at in range(0, len(pcm), block_bytes):
        await sink.write(pcm[at : at + block_bytes])


@over(*ALL)
async def test_writing_keeps_real_time_and_says_how_much_is_queued(rig: Rig) -> None:
    sink = rig.sink()
    await sink.open(SPEECH)
    began = time.monotonic()
    await write_in_blocks(sink, noise(1.0))
    assert time.monotonic() - began > 0.7
    assert 0.05 < sink.queued_s < 0.35
    await sink.drain()
    assert time.monotonic() - began > 0.95
    assert sink.queued_s == 0
    await sink.close()


@over(*WITH_SOUND)
async def test_every_sample_is_heard_once_in_order_and_unchanged(rig: Rig) -> None:
    sink = rig.sink()
    await sink.open(SPEECH)
    # blocks of an odd length that fit no period
    await write_in_blocks(sink, noise(0.8), 1_234)
    await sink.drain()
    await rig.settle()
    await sink.close()
    assert rig.heard == noise(0.8)


@over(*ON_CARD)
async def test_drain_returns_when_the_last_sample_was_heard(rig: Rig) -> None:
    assert rig.card is not None
    sink, pcm = rig.sink(), noise(0.6)
    await sink.open(SPEECH)
    await write_in_blocks(sink, pcm)
    await sink.drain()
    drained_at = time.monotonic()
    await rig.settle()
    last_at = rig.card.heard_at(rig.card.played.index(pcm[-2:]) + 1)
    # the card's FIFO holds 128 ms that no program can see, and PortAudio keeps a buffer of silence in front of it
    assert last_at - drained_at < 0.3
    await sink.close()


@over(*ALL)
async def test_draining_nothing_returns_at_once_and_one_long_write_is_paced(rig: Rig) -> None:
    sink = rig.sink()
    await sink.open(SPEECH)
    async with asyncio.timeout(1.0):
        await sink.drain()
    began = time.monotonic()
    await sink.write(noise(0.7))
    assert time.monotonic() - began > 0.4
    await sink.drain()
    await sink.close()


@over(*WITH_SOUND)
async def test_speech_in_pieces_with_pauses_is_heard_whole(rig: Rig) -> None:
    sink = rig.sink()
    await sink.open(SPEECH)
    pieces = [noise(0.3, seed) for seed in range(3)]
    for piece in pieces:
        await sink.write(piece)
        await asyncio.sleep(0.6)
    await sink.write(pieces[0])
    await sink.drain()
    await rig.settle()
    await sink.close()
    assert rig.heard == b"".join([*pieces, pieces[0]])


@over(*ALL)
async def test_clear_drops_at_once_and_ends_a_waiting_write(rig: Rig) -> None:
    sink = rig.sink()
    await sink.open(SPEECH)
    writing = asyncio.create_task(sink.write(noise(5.0)))
    await asyncio.sleep(0.5)
    async with asyncio.timeout(1.0):
        await sink.clear()
    assert sink.queued_s == 0
    async with asyncio.timeout(1.0):
        await writing
        await sink.drain()
    await rig.settle(0.4)
    if rig.settings.device != "null":
        # the virtual card plays its buffer of 200 ms to the end even when it is dropped
        assert 0.3 * SECOND_BYTES < len(rig.heard) < 1.2 * SECOND_BYTES
        assert noise(5.0).startswith(rig.heard)
    await sink.close()


@over(*WITH_SOUND)
async def test_speech_after_a_clear_is_heard(rig: Rig) -> None:
    sink = rig.sink()
    await sink.open(SPEECH)
    writing = asyncio.create_task(sink.write(noise(3.0)))
    await asyncio.sleep(0.3)
    await sink.clear()
    await writing
    await sink.write(noise(0.3, seed=7))
    await sink.drain()
    await rig.settle(0.4)
    assert rig.heard.endswith(noise(0.3, seed=7))
    await sink.close()


@over(*ALL)
async def test_close_may_be_repeated_and_open_comes_again(rig: Rig) -> None:
    sink = rig.sink()
    await sink.close()
    for seed in range(2):
        await sink.open(SPEECH)
        await sink.write(noise(0.2, seed))
        await sink.drain()
        await rig.settle()
        await sink.close()
        await sink.close()
    if rig.settings.device != "null":
        assert rig.heard == noise(0.2, 0) + noise(0.2, 1)


@over(*ALL)
async def test_use_without_open_is_misuse_but_drain_and_clear_are_nothing(rig: Rig) -> None:
    sink = rig.sink()
    with pytest.raises(LocalMisuse):
        await sink.write(bytes(320))
    with pytest.raises(LocalMisuse):
        await sink.open(AudioFormat(RATE_HZ, channels=2))
    await sink.drain()
    await sink.clear()
    assert sink.queued_s == 0
    await sink.close()


@over(*ON_CARD)
async def test_a_loudspeaker_that_takes_nothing_is_lost_and_still_closes(rig: Rig) -> None:
    assert rig.card is not None
    sink = rig.sink()
    await sink.open(SPEECH)
    await sink.write(noise(0.1))
    await asyncio.to_thread(rig.card.stall)
    with pytest.raises(DeviceError, match="taken for lost"):
        await asyncio.wait_for(write_in_blocks(sink, noise(6.0)), 8.0)
    async with asyncio.timeout(2.0):
        await sink.close()


@over(*ON_CARD)
async def test_drain_of_a_stalled_loudspeaker_ends_with_an_error(rig: Rig) -> None:
    assert rig.card is not None
    sink = rig.sink()
    await sink.open(SPEECH)
    await asyncio.to_thread(rig.card.stall)
    await sink.write(noise(0.15))
    with pytest.raises(DeviceError):
        async with asyncio.timeout(5.0):
            await sink.drain()
    async with asyncio.timeout(2.0):
        await sink.close()


@over(*ON_CARD)
async def test_an_unknown_loudspeaker_is_named_with_those_there_are(rig: Rig) -> None:
    sink = rig.sink(device="vspoken")
    with pytest.raises(DeviceError, match=r"no such loudspeaker: vspoken\. Known: .*vspk"):
        await sink.open(SPEECH)
    await sink.close()


@pytest.mark.parametrize(
    ("driver", "device"), [("alsa", "stereo"), ("portaudio", "vspk"), ("alsa", "satspk"), ("portaudio", "satspk")]
)
async def test_speech_at_24_khz_on_a_stereo_loudspeaker_at_48_khz(
    make_card: MakeCard, driver: str, device: str
) -> None:
    card = make_card(CardFormat(spk_rate=48_000, spk_channels=2))
    pinned = PlaybackSettings(device=device, driver=driver, rate_hz=48_000, channels=2)
    # ALSA follows what the card really has: this PCM knows two channels only
    settings = replace(pinned, channels=None) if device == "stereo" else pinned
    sink = make_playback(settings, SystemClock())
    await sink.open(AudioFormat(24_000))
    await write_in_blocks(sink, tone(1_000, 24_000, 1.0), 4_800)
    await sink.drain()
    await asyncio.sleep(0.1)
    await sink.close()
    stereo = samples_of(card.played)
    left, right = stereo[::2], stereo[1::2]
    assert (left == right).all()
    loud = left[abs(left) > 0].astype("<i2").tobytes()
    assert len(loud) == pytest.approx(2 * 48_000, rel=0.05)
    begin = int(next(at for at, sample in enumerate(left) if sample))
    piece = left[begin : begin + 40_000].astype("<i2").tobytes()
    assert snr_db(piece, 1_000, 48_000) > 70


@over(*WITH_SOUND)
async def test_an_open_loudspeaker_takes_speech_of_another_rate(rig: Rig) -> None:
    sink = rig.sink()
    await sink.open(SPEECH)
    await sink.write(noise(0.2))
    await sink.drain()
    await sink.open(AudioFormat(8_000))
    await write_in_blocks(sink, tone(1_000, 8_000, 0.5), 1_600)
    await sink.drain()
    await rig.settle()
    await sink.close()
    pcm = read_wav(rig.wav)[0] if rig.wav else rig.card.played if rig.card else b""
    at = pcm.index(noise(0.2)[-640:]) + 640
    rest = samples_of(pcm[at:])
    begin = int(next(index for index, sample in enumerate(rest) if sample))
    assert snr_db(rest[begin : begin + 7_600].astype("<i2").tobytes(), 1_000, RATE_HZ) > 60
