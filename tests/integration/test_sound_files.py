"""WAV files as microphone and loudspeaker, beyond the contract: formats, pace, ends, and what goes wrong."""

import asyncio
import os
import signal
import struct
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from satellite.adapters.clock import SystemClock
from satellite.adapters.conversion import from_16_bit, spread_channels
from satellite.adapters.devices import make_capture, make_playback
from satellite.adapters.sound import CaptureSettings, DeviceFormat, PlaybackSettings
from satellite.core.audio import BLOCK_SAMPLES, AudioFormat
from satellite.errors import DeviceError, MediaError, SatelliteError
from tests.fakes.sound import VOICES, Heard, needs_voices, read_wav, samples_of, snr_db, tone, write_wav

CLOCK = SystemClock()


async def hear(path: Path, **settings: Any) -> Heard:
    """The whole file, as captured."""
    capture, heard = make_capture(CaptureSettings(f"file:{path}", **settings), CLOCK), Heard()
    capture.start(heard.on_block, heard.on_end)
    await heard.until_end()
    await capture.stop()
    return heard


async def test_a_file_is_heard_to_its_last_sample_and_then_ends(tmp_path: Path) -> None:
    pcm = tone(440, 16_000, 0.53)
    heard = await hear(write_wav(tmp_path / "a.wav", pcm))
    assert heard.pcm == pcm
    assert [len(block.data) // 2 for block in heard.blocks] == [BLOCK_SAMPLES] * 5 + [480]
    assert heard.ends == [None]


async def test_an_empty_file_just_ends(tmp_path: Path) -> None:
    heard = await hear(write_wav(tmp_path / "a.wav", b""))
    assert (heard.blocks, heard.ends) == ([], [None])


@pytest.mark.parametrize(
    "wav_format",
    [
        DeviceFormat(16_000, 2, 1),
        DeviceFormat(48_000, 1, 2),
        DeviceFormat(44_100, 2, 3),
        DeviceFormat(8_000, 1, 2),
        DeviceFormat(11_025, 1, 4),
    ],
    ids=str,
)
async def test_every_width_rate_and_channel_count_is_heard(tmp_path: Path, wav_format: DeviceFormat) -> None:
    mono = tone(1_000, wav_format.rate_hz, 0.6)
    frames = from_16_bit(spread_channels(mono, wav_format.channels), wav_format.width_bytes)
    path = write_wav(tmp_path / "a.wav", frames, wav_format.rate_hz, wav_format.channels, wav_format.width_bytes)
    heard = await hear(path)
    assert heard.ends == [None]
    assert len(heard.pcm) // 2 == pytest.approx(9_600, abs=2)
    # 8 bits hold about 50 dB
    assert snr_db(heard.pcm, 1_000, 16_000) > (40 if wav_format.width_bytes == 1 else 75)


@needs_voices
async def test_a_human_voice_at_48_khz(tmp_path: Path) -> None:
    pcm, rate_hz = read_wav(VOICES[0])
    heard = await hear(VOICES[0], gain_db=6.0)
    assert len(heard.pcm) == pytest.approx(len(pcm) * 16_000 / rate_hz, abs=4)
    # nearly all of a voice lies below 8 kHz: its energy survives, times four in power for 6 dB
    energy = samples_of(heard.pcm).var() / samples_of(pcm).var()
    assert 3.0 < energy < 4.2
    steps = [b.captured_at - a.captured_at for a, b in zip(heard.blocks, heard.blocks[1:], strict=False)]
    assert steps == pytest.approx([0.1] * len(steps), abs=0.01)


async def test_a_short_delay_is_caught_up_and_a_long_one_is_not(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", bytes(3_200 * 60))
    capture, heard = make_capture(CaptureSettings(f"file:{path}"), CLOCK), Heard()
    capture.start(heard.on_block, heard.on_end)
    await heard.until_blocks(1)
    began = time.monotonic()
    time.sleep(0.5)
    await heard.until_blocks(7)
    assert time.monotonic() - began == pytest.approx(0.6, abs=0.15)
    time.sleep(2.0)
    before = len(heard.blocks)
    await asyncio.sleep(0.35)
    await capture.stop()
    assert len(heard.blocks) - before <= 6


BROKEN = b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 1_677_729_600, 0, 2, 16) + b"data\4\0\0\0\0\0\0\0"
"""A rate for which a filter would never be made."""


@pytest.mark.parametrize(
    ("content", "kind", "reason"),
    [
        (None, DeviceError, "No such file"),
        (b"ID3 not at all", MediaError, "not a WAV file"),
        (BROKEN, MediaError, "1 channels at 1677729600 Hz"),
    ],
)
async def test_a_bad_file_is_an_end_with_a_reason(
    tmp_path: Path, content: bytes | None, kind: type[SatelliteError], reason: str
) -> None:
    path = tmp_path / "song.wav"
    if content is not None:
        path.write_bytes(content)
    heard = await hear(path)
    assert isinstance(heard.ends[0], kind)
    assert reason in str(heard.ends[0])
    assert "song.wav" in str(heard.ends[0])


async def test_speech_cannot_be_written_where_there_is_no_folder(tmp_path: Path) -> None:
    sink = make_playback(PlaybackSettings(f"file:{tmp_path}/none/out.wav"), CLOCK)
    with pytest.raises(DeviceError, match=r"none/out\.wav cannot be written: No such file"):
        await sink.open(AudioFormat(16_000))
    await sink.close()


async def test_a_full_disk_is_a_lost_device() -> None:
    sink = make_playback(PlaybackSettings("file:/dev/full"), CLOCK)
    with pytest.raises(DeviceError, match="No space left"):
        await sink.open(AudioFormat(16_000))


def test_a_killed_program_leaves_a_file_that_plays(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    program = f"""
        import asyncio
        from satellite.adapters.clock import SystemClock
        from satellite.adapters.wavefile import FilePlayback
        from satellite.core.audio import AudioFormat

        async def main():
            sink = FilePlayback({str(path)!r}, SystemClock())
            await sink.open(AudioFormat(24_000))
            while True:
                await sink.write(b"ab" * 2400)
                print("written", flush=True)

        asyncio.run(main())
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(4):
            process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
    pcm, rate_hz = read_wav(path)
    assert rate_hz == 24_000
    assert len(pcm) >= 4 * 4_800
    assert set(pcm) == set(b"ab")
