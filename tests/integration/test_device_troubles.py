"""Devices in trouble: what real cards, drivers and sound servers do, by libraries that follow a script."""

import asyncio
import errno
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from satellite.adapters import alsa, devicehandle, devicemain, portaudio
from satellite.adapters.clock import SystemClock
from satellite.adapters.devices import make_capture, make_playback
from satellite.adapters.deviceside import Order
from satellite.adapters.sound import CaptureSettings, PlaybackSettings
from satellite.core.audio import AudioFormat
from satellite.errors import DeviceError, LocalMisuse
from satellite.ports import CaptureSource, PlaybackSink
from tests.fakes.processes import descriptors, family
from tests.fakes.sound import Heard

CLOCK = SystemClock()
DRIVERS = Path(__file__).parents[1] / "fakes" / "drivers"
SPEECH = AudioFormat(16_000)
BLOCK = [320] * 5

ENDS_WITHIN_S = 10.0

Script = Callable[..., None]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    """Gives the processes of sound devices libraries that follow a script; none of them is left at the end."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(DRIVERS), str(DRIVERS.parents[2])]))

    def write(**steps: Any) -> None:
        monkeypatch.setenv("SCRIPTED_ALSA", json.dumps(steps))
        monkeypatch.setenv("SCRIPTED_PORTAUDIO", json.dumps(steps))

    before = len(descriptors(os.getpid()))
    yield write
    for process in devicehandle._left:
        process.wait(ENDS_WITHIN_S)  # killed already; a busy machine may take longer than a satellite waits
    assert children() == []
    assert len(descriptors(os.getpid())) == before


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device has little time to open."""
    monkeypatch.setattr("satellite.adapters.capture.OPEN_WITHIN_S", 1.0)
    monkeypatch.setattr("satellite.adapters.playback.OPEN_WITHIN_S", 1.0)


def children() -> list[int]:
    """Processes of ours, those included that nobody waited for."""
    return sorted(family(os.getpid()) - {os.getpid()})


def is_alive(process: int) -> bool:
    """False once all that it held is closed, whether somebody waited for it or not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def listening(driver: str = "alsa", **changes: Any) -> tuple[CaptureSource, Heard]:
    capture, heard = make_capture(CaptureSettings(driver=driver, **changes), CLOCK), Heard()
    capture.start(heard.on_block, heard.on_end)
    return capture, heard


async def opened(driver: str = "alsa", device: str = "default") -> PlaybackSink:
    sink = make_playback(PlaybackSettings(driver=driver, device=device), CLOCK)
    await sink.open(SPEECH)
    return sink


async def stopped(capture: CaptureSource) -> None:
    async with asyncio.timeout(2.0):
        await capture.stop()


async def said(sink: PlaybackSink) -> None:
    """A tenth of a second, heard to its end."""
    await sink.write(bytes(3_200))
    await sink.drain()


async def failure_of(heard: Heard) -> str:
    """Why capture ended; the error must be one that is tried again."""
    await heard.until_end()
    assert isinstance(heard.ends[0], DeviceError)
    return str(heard.ends[0])


async def test_an_overrun_is_counted_and_capture_goes_on(script: Script) -> None:
    script(reads=[*BLOCK, 0, -errno.EPIPE, *BLOCK, 0])
    capture, heard = listening()
    await heard.until_blocks(2)
    await stopped(capture)
    assert capture.overruns in {1, 2}
    assert heard.ends == []


async def test_a_block_that_an_overrun_broke_off_is_lost_with_it(script: Script) -> None:
    script(reads=[*BLOCK, 160, 0, -errno.EPIPE, *BLOCK, 0])
    capture, heard = listening()
    await heard.until_blocks(2)
    await stopped(capture)
    assert heard.blocks[1].captured_at - heard.blocks[0].captured_at > 0.1
    assert {len(block.data) for block in heard.blocks} == {3_200}


async def test_a_microphone_wakes_up_from_suspend_in_place(script: Script) -> None:
    script(reads=[*BLOCK, 0, alsa.SUSPENDED], reopen={"reads": [*BLOCK, 0]})
    capture, heard = listening()
    await heard.until_blocks(2)
    await stopped(capture)
    assert capture.overruns >= 1
    assert heard.ends == []


async def test_a_loudspeaker_wakes_up_from_suspend_in_place(script: Script) -> None:
    script(writes=[alsa.SUSPENDED])
    sink = await opened()
    await said(sink)
    await sink.close()


async def test_a_microphone_that_wakes_up_as_another_is_lost(script: Script) -> None:
    script(reads=[*BLOCK, 0, alsa.SUSPENDED], reopen={"open": "No such device [x]"})
    capture, heard = listening()
    assert "no such microphone: default" in await failure_of(heard)
    await stopped(capture)


async def test_a_card_pulled_out_ends_capture(script: Script) -> None:
    script(reads=[*BLOCK, "No such device [default]"])
    capture, heard = listening()
    assert await failure_of(heard) == "microphone default was lost: No such device [default]"
    await stopped(capture)


async def test_capture_follows_what_the_card_really_gives(script: Script) -> None:
    script(
        info={"rate": 48_000, "channels": 2, "format_name": "S32_LE", "period_size": 4_800}, reads=[4_800, 4_800, 4_800]
    )
    capture, heard = listening(channel=1)
    await heard.until_blocks(2)
    await stopped(capture)
    assert heard.blocks[1].data == b"\0\1" * 1_600


async def test_a_sample_format_nobody_knows_is_an_error_with_a_way_out(script: Script) -> None:
    script(info={"format_name": "MU_LAW"})
    capture, heard = listening()
    assert "plughw" in await failure_of(heard)
    await stopped(capture)


async def test_a_device_that_runs_away_is_lost(script: Script) -> None:
    script(reads=[320] * 5_000)
    capture, heard = listening()
    assert "faster than one can speak" in await failure_of(heard)
    await stopped(capture)


async def test_a_device_that_gives_nothing_is_lost(script: Script) -> None:
    script(reads=[*BLOCK, *[0] * 10_000])
    capture, heard = listening()
    assert "delivered nothing for" in await failure_of(heard)
    await stopped(capture)


async def test_an_underrun_between_speech_is_no_error(script: Script) -> None:
    script(writes=[-errno.EPIPE, 0])
    sink = await opened()
    await said(sink)
    await sink.close()


async def test_a_device_that_is_dry_when_it_is_to_play_out_has(script: Script) -> None:
    script(dry=True)
    sink = await opened()
    for _ in range(2):
        await said(sink)
    assert sink.queued_s == 0
    await sink.close()


async def test_a_loudspeaker_pulled_out_ends_a_waiting_write(script: Script) -> None:
    script(writes=[800, "No such device [default]"])
    sink = await opened()
    with pytest.raises(DeviceError, match="loudspeaker default was lost: No such device"):
        async with asyncio.timeout(5.0):
            await sink.write(bytes(32_000))
    with pytest.raises(DeviceError):
        await sink.write(bytes(320))
    await sink.close()


async def test_a_card_that_is_full_is_waited_for(script: Script) -> None:
    script(writes=[400, 0, 0, 400])
    sink = await opened()
    await sink.write(bytes(1_600))
    await sink.drain()
    assert sink.queued_s == 0
    await sink.close()


async def test_sound_that_comes_while_a_card_plays_out_waits_until_it_has(script: Script) -> None:
    script(draining=20)
    sink = await opened()
    await sink.write(bytes(3_200))
    while sink.queued_s:
        await asyncio.sleep(0.005)
    await sink.write(bytes(3_200))
    await sink.drain()
    assert sink.queued_s == 0
    await sink.close()


async def test_a_loudspeaker_lost_while_idle_is_opened_anew(script: Script) -> None:
    script(writes=[320, "No such device [default]"])
    sink = await opened()
    with pytest.raises(DeviceError):
        await said(sink)
    script()
    await sink.open(SPEECH)
    await said(sink)
    await sink.close()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("driver", "where"), [("alsa", "open"), ("portaudio", "start"), ("portaudio", "open")])
async def test_a_device_that_never_opens_is_told_and_let_go(script: Script, driver: str, where: str) -> None:
    script(hang=[where], devices=["card"])
    capture, heard = listening(driver, device="card")
    with pytest.raises(DeviceError, match="loudspeaker card does not open within 1 s"):
        await opened(driver, "card")
    assert "microphone card does not open within 1 s" in await failure_of(heard)
    await stopped(capture)


@pytest.mark.parametrize("where", ["read", "close"])
async def test_a_microphone_that_never_returns_is_let_go(script: Script, where: str) -> None:
    script(reads=[*BLOCK, 0], hang=[where, "close"])
    capture, heard = listening()
    assert "delivered nothing for" in await failure_of(heard)
    await stopped(capture)
    assert len(heard.blocks) == 1


async def test_a_microphone_that_never_closes_is_let_go(script: Script) -> None:
    script(devices=["card"], buffers=100, hang=["close"])
    capture, heard = listening("portaudio", device="card")
    await heard.until_blocks(2)
    await stopped(capture)


@pytest.mark.parametrize("where", ["write", "drain"])
async def test_a_loudspeaker_that_never_returns_is_let_go(script: Script, where: str) -> None:
    script(hang=[where, "drop", "close"])
    sink = await opened()
    with pytest.raises(DeviceError, match="taken for lost"):
        await said(sink)
    async with asyncio.timeout(2.0):
        await sink.clear()
        await sink.close()


async def test_a_library_that_ends_the_process_ends_only_the_devices(script: Script) -> None:
    script(reads=[*BLOCK, "abort"])
    capture, heard = listening()
    assert "microphone default was lost: the process that held it ended" in await failure_of(heard)
    await stopped(capture)


async def test_a_bug_of_ours_is_no_failure_of_a_device(script: Script) -> None:
    script(reads=[*BLOCK, "bug"], writes=["bug"])
    capture, heard = listening()
    await heard.until_end()
    await stopped(capture)
    assert isinstance(heard.ends[0], LocalMisuse)
    assert re.search(r"KeyError in the process of a sound device, at .* > alsaaudio\.py:\d+$", str(heard.ends[0]))
    sink = await opened()
    with pytest.raises(LocalMisuse, match="KeyError"):
        await said(sink)
    await sink.close()


async def test_a_bug_of_ours_while_nothing_plays_comes_up_with_the_next_speech(script: Script) -> None:
    script(writes=["bug"])
    sink = await opened()
    await sink.write(bytes(3_200))
    (process,) = children()
    async with asyncio.timeout(ENDS_WITHIN_S):
        while is_alive(process):
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.02)  # a turn of the loop, in which it is noticed
    with pytest.raises(LocalMisuse, match="KeyError"):
        await sink.open(SPEECH)


async def test_an_overflow_in_portaudio_is_a_gap_of_its_length(script: Script) -> None:
    per_block = round(0.1 / portaudio.CAPTURE_BUFFER_S)
    script(devices=["card"], buffers=3 * per_block, flags=[0] * (per_block + 2) + [2])
    capture, heard = listening("portaudio", device="card")
    await heard.until_blocks(2)
    await stopped(capture)
    assert capture.overruns == 1


async def test_a_stream_that_portaudio_stops_is_lost(script: Script) -> None:
    script(devices=["card"], buffers=20, active=False)
    capture, heard = listening("portaudio", device="card")
    assert "PortAudio stopped its stream" in await failure_of(heard)
    await stopped(capture)


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        ({"devices": ["card"], "open": [-9997, "Invalid sample rate"]}, "cannot be opened at 16000 Hz, 1 channel"),
        ({"devices": ["cord"]}, "no such microphone: card. Known: cord"),
        ({"devices": []}, "No other device is there"),
    ],
)
async def test_why_portaudio_has_no_microphone_is_told(script: Script, steps: dict[str, Any], text: str) -> None:
    script(**steps)
    capture, heard = listening("portaudio", device="card")
    assert text in await failure_of(heard)
    await stopped(capture)


async def test_signals_meant_for_the_satellite_do_not_end_its_devices(script: Script) -> None:
    script(reads=BLOCK * 200)
    capture, heard = listening()
    await heard.until_blocks(1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(children()[0], number)
    await heard.until_blocks(5)
    await stopped(capture)
    assert heard.ends == []


async def test_no_further_process_is_started_while_too_many_cannot_be_ended(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(reads=BLOCK)
    stuck = [subprocess.Popen(["sleep", "60"]) for _ in range(devicehandle.LEFT_MAX)]
    monkeypatch.setattr(devicehandle, "_left", list(stuck))
    try:
        with pytest.raises(DeviceError, match="hang in their driver and cannot be ended"):
            listening()
        stuck[0].kill()
        stuck[0].wait()
        capture, heard = listening()
        await heard.until_blocks(1)
        await stopped(capture)
    finally:
        for process in stuck:
            process.kill()
            process.wait()


def test_a_process_that_was_left_alone_before_it_began_ends_at_once() -> None:
    order = Order("capture", "alsa", "default", 16_000, 1)
    nobody = str(2**22)
    command = [sys.executable, "-m", devicemain.__name__, nobody, "0", *order.arguments()]
    assert subprocess.run(command, cwd=DRIVERS.parents[2], check=False, timeout=30).returncode == 0


KILLED = """
import asyncio, os, signal
from satellite.adapters.clock import SystemClock
from satellite.adapters.deviceside import Order
from satellite.adapters.devices import make_capture
from satellite.adapters.sound import CaptureSettings
async def main():
    capture = make_capture(CaptureSettings(driver="alsa"), SystemClock())
    capture.start(lambda _: print(capture._process._process.pid, flush=True), print)
    await asyncio.sleep(60)
asyncio.run(main())
"""


async def test_a_device_goes_with_a_satellite_that_is_killed(script: Script) -> None:
    script(reads=[*BLOCK, 0], hang=["read", "close"])
    satellite = subprocess.Popen([sys.executable, "-c", KILLED], stdout=subprocess.PIPE)
    assert satellite.stdout is not None
    device = int(satellite.stdout.readline())
    assert Path(f"/proc/{device}").exists()
    satellite.kill()
    satellite.wait()
    satellite.stdout.close()
    async with asyncio.timeout(5.0):
        while Path(f"/proc/{device}/fd/0").exists():
            await asyncio.sleep(0.02)
