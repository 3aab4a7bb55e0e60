"""One contract for every CaptureSource: ALSA and PortAudio on a virtual card, WAV files, and nothing at all."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from satellite.adapters.clock import SystemClock
from satellite.adapters.devices import make_capture
from satellite.adapters.sound import CaptureSettings
from satellite.core.audio import BLOCK_SAMPLES, SAMPLE_BYTES
from satellite.errors import DeviceError, LocalMisuse
from satellite.ports import CaptureSource
from tests.fakes.sound import Heard, MakeCard, make_card, snr_db, tone, write_wav
from tests.fakes.vcard import CardFormat, VirtualCard

__all__ = ["make_card"]

BLOCK_BYTES = BLOCK_SAMPLES * SAMPLE_BYTES
NOISE = random.Random(1).randbytes(BLOCK_BYTES * 6)
ON_CARD = ("alsa", "portaudio")
WITH_SOUND = (*ON_CARD, "file")
ALL = (*WITH_SOUND, "null")


@dataclass
class Rig:
    """A capture source with a way to speak into it."""

    settings: CaptureSettings
    card: VirtualCard | None = None
    wav: Path | None = None
    captures: list[CaptureSource] = field(default_factory=list)

    def capture(self, **changes: Any) -> CaptureSource:
        capture = make_capture(replace(self.settings, **changes), SystemClock())
        self.captures.append(capture)
        return capture

    def prepare(self, pcm: bytes) -> None:
        """What can only be said by being there before the start."""
        if self.wav is not None:
            write_wav(self.wav, pcm)

    def say(self, pcm: bytes) -> None:
        """Speak now, if the device can."""
        if self.card is not None:
            self.card.say(pcm)


@pytest.fixture
async def rig(request: pytest.FixtureRequest, tmp_path: Path, make_card: MakeCard) -> AsyncIterator[Rig]:
    kind = request.param
    if kind in ON_CARD:
        rig = Rig(CaptureSettings(device="vmic", driver=kind), card=make_card(CardFormat()))
    elif kind == "null":
        rig = Rig(CaptureSettings(device="null"))
    else:
        wav = write_wav(tmp_path / "said.wav", bytes(BLOCK_BYTES * 30))
        rig = Rig(CaptureSettings(device=f"file:{wav}"), wav=wav)
    yield rig
    for capture in rig.captures:
        await capture.stop()


def over(*kinds: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("rig", kinds, indirect=True)


@over(*ALL)
async def test_blocks_of_100_ms_come_in_real_time(rig: Rig) -> None:
    capture, heard = rig.capture(), Heard()
    began = time.monotonic()
    capture.start(heard.on_block, heard.on_end)
    await heard.until_blocks(8)
    took_s = time.monotonic() - began
    await capture.stop()
    assert {len(block.data) for block in heard.blocks} == {BLOCK_BYTES}
    # a card may have up to half a second in its buffer when it is opened
    assert took_s > 0.8 - 0.55
    steps = [b.captured_at - a.captured_at for a, b in zip(heard.blocks, heard.blocks[1:], strict=False)]
    assert steps == pytest.approx([0.1] * len(steps), abs=0.03)
    assert began - 0.9 < heard.blocks[0].captured_at < began + 2.0
    assert capture.overruns == 0
    assert heard.ends == []


@over(*WITH_SOUND)
async def test_every_sample_arrives_once_in_order_and_unchanged(rig: Rig) -> None:
    rig.prepare(NOISE)
    capture, heard = rig.capture(), Heard()
    capture.start(heard.on_block, heard.on_end)
    await heard.until_blocks(1)
    await asyncio.to_thread(rig.say, NOISE)
    await heard.until(lambda: NOISE in heard.pcm)
    await capture.stop()
    assert capture.overruns == 0


@over(*ON_CARD)
async def test_the_stamp_is_when_the_first_sample_was_spoken(rig: Rig) -> None:
    assert rig.card is not None
    capture, heard = rig.capture(), Heard()
    capture.start(heard.on_block, heard.on_end)
    await heard.until_blocks(8)
    await asyncio.to_thread(rig.card.say, NOISE)
    said = await asyncio.to_thread(rig.card.wait_for, "saying")
    await heard.until(lambda: NOISE in heard.pcm)
    await capture.stop()
    at = heard.pcm.index(NOISE)
    block = heard.blocks[at // BLOCK_BYTES]
    spoken_at = block.captured_at + at % BLOCK_BYTES / SAMPLE_BYTES / 16_000
    assert spoken_at == pytest.approx(said["monotonic"], abs=0.05)


@over(*ALL)
async def test_stop_is_prompt_final_and_may_be_repeated(rig: Rig) -> None:
    capture, heard = rig.capture(), Heard()
    capture.start(heard.on_block, heard.on_end)
    await heard.until_blocks(2)
    async with asyncio.timeout(2.0):
        await capture.stop()
    count = len(heard.blocks)
    await capture.stop()
    await asyncio.sleep(0.3)
    assert len(heard.blocks) == count
    assert heard.ends == []


@over(*ALL)
async def test_stop_without_start_and_a_second_start(rig: Rig) -> None:
    await rig.capture().stop()
    capture, heard = rig.capture(), Heard()
    capture.start(heard.on_block, heard.on_end)
    with pytest.raises(LocalMisuse):
        capture.start(heard.on_block, heard.on_end)
    await capture.stop()


@over(*ON_CARD)
async def test_a_silent_device_is_reported_as_lost_and_still_stops(rig: Rig) -> None:
    assert rig.card is not None
    capture, heard = rig.capture(), Heard()
    capture.start(heard.on_block, heard.on_end)
    await heard.until_blocks(2)
    await asyncio.to_thread(rig.card.stall)
    await heard.until_end()
    assert isinstance(heard.ends[0], DeviceError)
    assert "delivered nothing" in str(heard.ends[0])
    async with asyncio.timeout(2.0):
        await capture.stop()
    await asyncio.to_thread(rig.card.resume)
    await asyncio.sleep(0.3)
    assert len(heard.ends) == 1


@over("alsa")
async def test_a_device_whose_source_ended_is_reported_as_lost(rig: Rig) -> None:
    assert rig.card is not None
    capture, heard = rig.capture(), Heard()
    capture.start(heard.on_block, heard.on_end)
    await heard.until_blocks(2)
    await asyncio.to_thread(rig.card.unplug)
    await heard.until_end()
    assert isinstance(heard.ends[0], DeviceError)
    await capture.stop()


@over(*ON_CARD)
async def test_a_lost_device_can_be_opened_again(rig: Rig) -> None:
    assert rig.card is not None
    for _ in range(2):
        capture, heard = rig.capture(), Heard()
        capture.start(heard.on_block, heard.on_end)
        await heard.until_blocks(2)
        await asyncio.to_thread(rig.card.stall)
        await heard.until_end()
        await asyncio.to_thread(rig.card.resume)
        await capture.stop()


@over(*ON_CARD)
async def test_blocks_that_a_late_loop_cannot_take_are_dropped_and_counted(rig: Rig) -> None:
    capture, heard = rig.capture(), Heard()
    capture.start(heard.on_block, heard.on_end)
    await heard.until_blocks(2)
    time.sleep(1.8)
    await heard.until_blocks(16)
    await capture.stop()
    assert 5 <= capture.overruns <= 9
    assert heard.ends == []
    lost_s = heard.blocks[-1].captured_at - heard.blocks[0].captured_at - 0.1 * (len(heard.blocks) - 1)
    assert lost_s == pytest.approx(0.1 * capture.overruns, abs=0.05)
    assert sum(block.lost_s for block in heard.blocks) == pytest.approx(lost_s, abs=0.02)


@over(*ON_CARD)
@pytest.mark.parametrize("device", ["vmic", "mi", "VMIC"])
async def test_a_device_is_found_by_name_and_by_part_of_it(rig: Rig, device: str) -> None:
    capture, heard = rig.capture(device=device), Heard()
    capture.start(heard.on_block, heard.on_end)
    await heard.until_blocks(1)
    await capture.stop()
    assert heard.ends == []


@pytest.mark.parametrize(("driver", "index"), [("alsa", "1"), ("portaudio", "0")])
async def test_a_device_is_found_by_its_index_in_the_list(make_card: MakeCard, driver: str, index: str) -> None:
    card = make_card(CardFormat())
    capture, heard = make_capture(CaptureSettings(device=index, driver=driver), SystemClock()), Heard()
    capture.start(heard.on_block, heard.on_end)
    await heard.until_blocks(1)
    await asyncio.to_thread(card.say, NOISE)
    await heard.until(lambda: NOISE in heard.pcm)
    await capture.stop()


@over(*ON_CARD)
@pytest.mark.parametrize("device", ["vmik", "99"])
async def test_an_unknown_device_is_named_with_those_there_are(rig: Rig, device: str) -> None:
    capture, heard = rig.capture(device=device), Heard()
    capture.start(heard.on_block, heard.on_end)
    await heard.until_end()
    assert isinstance(heard.ends[0], DeviceError)
    text = str(heard.ends[0])
    assert device in text
    assert "vmic" in text or "Known" in text
    assert heard.blocks == []
    await capture.stop()


@pytest.mark.parametrize("driver", ON_CARD)
async def test_one_channel_of_an_array_at_its_own_rate(make_card: MakeCard, driver: str) -> None:
    card = make_card(CardFormat(mic_rate=48_000, mic_channels=2))
    settings = CaptureSettings(device="vmic", driver=driver, rate_hz=48_000, channels=2, channel=1, gain_db=-6.0)
    capture, heard = make_capture(settings, SystemClock()), Heard()
    left, right = tone(3_000, 48_000, 1.2), tone(1_000, 48_000, 1.2)
    stereo = b"".join(left[at : at + 2] + right[at : at + 2] for at in range(0, len(left), 2))
    capture.start(heard.on_block, heard.on_end)
    await heard.until_blocks(1)
    await asyncio.to_thread(card.say, stereo)
    await asyncio.to_thread(card.wait_for, "said")
    seen = len(heard.blocks)
    await heard.until_blocks(seen + 2)
    await capture.stop()
    loud = b"".join(block.data for block in heard.blocks if max(block.data) and block.data.count(0) < BLOCK_BYTES // 4)
    assert len(loud) > 10 * BLOCK_BYTES
    assert snr_db(loud[BLOCK_BYTES:-BLOCK_BYTES], 1_000, 16_000) > 70


@over("alsa", "portaudio", "file")
async def test_a_channel_that_is_not_there_is_an_error_with_a_way_out(rig: Rig) -> None:
    capture, heard = rig.capture(channel=3), Heard()
    capture.start(heard.on_block, heard.on_end)
    await heard.until_end()
    assert isinstance(heard.ends[0], DeviceError)
    assert "audio.input.channel" in str(heard.ends[0])
    await capture.stop()
