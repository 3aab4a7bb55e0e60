"""Choosing a device: drivers, names, lists, the `devices` command, and what ALSA's errors mean."""

import asyncio
import errno
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

from satellite import cli
from satellite.adapters import alsa_names, devices, portaudio_host
from satellite.adapters.alsa import AlsaCapture, AlsaPlayback
from satellite.adapters.clock import SystemClock
from satellite.adapters.portaudio import PortAudioCapture, PortAudioPlayback
from satellite.adapters.sound import CaptureSettings, DeviceInfo, PlaybackSettings
from satellite.adapters.wavefile import FileCapture, FilePlayback, NullCapture, NullPlayback
from satellite.core.audio import AudioFormat
from satellite.errors import DeviceError
from tests.fakes.sound import Heard, MakeCard, make_card
from tests.fakes.vcard import CardFormat

__all__ = ["make_card"]

CLOCK = SystemClock()


@pytest.mark.parametrize(
    ("driver", "device", "capture", "playback"),
    [
        ("auto", "default", AlsaCapture, AlsaPlayback),
        ("alsa", "default", AlsaCapture, AlsaPlayback),
        ("portaudio", "default", PortAudioCapture, PortAudioPlayback),
        ("auto", "null", NullCapture, NullPlayback),
        ("portaudio", "file:/tmp/a.wav", FileCapture, FilePlayback),
    ],
)
def test_driver_and_device_choose_the_adapter(driver: str, device: str, capture: type, playback: type) -> None:
    assert type(devices.make_capture(CaptureSettings(device, driver), CLOCK)) is capture
    assert type(devices.make_playback(PlaybackSettings(device, driver), CLOCK)) is playback


def test_auto_falls_back_to_portaudio_and_then_names_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alsa_names, "is_available", lambda: False)
    assert devices.choose_driver("auto") == "portaudio"
    monkeypatch.setattr(portaudio_host, "is_available", lambda: False)
    with pytest.raises(DeviceError, match=r"voice-satellite\[alsa\]"):
        devices.make_capture(CaptureSettings(), CLOCK)


@pytest.mark.parametrize(("module", "driver"), [("alsaaudio", "alsa"), ("pyaudio", "portaudio")])
def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch, module: str, driver: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DeviceError, match=rf"voice-satellite\[{driver}\]"):
        devices.list_devices(driver)


def test_alsa_lists_the_default_first_and_no_plug_ins(make_card: MakeCard) -> None:
    make_card(CardFormat())
    found = devices.list_devices("alsa")
    captures = [info.name for info in found if info.direction == "capture"]
    assert captures[0] == "default"
    assert {"vmic", "satmic"} <= set(captures)
    assert {info.driver for info in found} == {"alsa"}


def test_portaudio_lists_the_same_pcms(make_card: MakeCard) -> None:
    make_card(CardFormat())
    names = {info.name for info in devices.list_devices("portaudio") if info.direction == "playback"}
    assert {"vspk", "satspk", "default"} <= names


@pytest.mark.parametrize("driver", ["alsa", "portaudio"])
def test_the_command_prints_names_to_configure(
    make_card: MakeCard, capfd: pytest.CaptureFixture[str], driver: str
) -> None:
    make_card(CardFormat())
    assert cli.main(["devices", "--driver", driver]) == 0
    printed = capfd.readouterr()
    assert "audio.input.device" in printed.out
    assert "vspk" in printed.out
    assert printed.err == ""


def test_the_command_says_when_there_is_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "asound.conf"
    empty.write_text("")
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(empty))
    assert cli.main(["devices", "--driver", "alsa"]) == 1
    assert "no sound device" in capfd.readouterr().err


class Kernel:
    """A /proc with two sound cards, the second held by a recorder."""

    def __init__(self, root: Path) -> None:
        files = {
            "asound/pcm": "00-00: bcm2835 : bcm2835 Headphones : playback 8\n"
            "01-00: USB Audio : USB Audio : playback 1 : capture 1\n",
            "asound/cards": " 0 [Headphones     ]: bcm2835_headpho - bcm2835 Headphones\n"
            "                      bcm2835 Headphones\n"
            " 1 [seeed2micvoicec]: USB-Audio - ReSpeaker 2 Mics\n",
            "asound/card0/id": "Headphones\n",
            "asound/card1/id": "seeed2micvoicec\n",
            "asound/card1/pcm0c/sub0/status": "state: RUNNING\nowner_pid   : 4242\n",
            "4242/comm": "arecord\n",
        }
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


@pytest.fixture
def two_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernel files as a Raspberry Pi with a microphone board shows them."""
    Kernel(tmp_path)
    monkeypatch.setattr(alsa_names, "PROC", tmp_path)
    conf = tmp_path / "asound.conf"
    conf.write_text("")
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(conf))


@pytest.mark.usefixtures("two_cards")
def test_cards_are_listed_as_plughw_by_id() -> None:
    assert alsa_names.list_devices("capture") == [
        DeviceInfo("capture", "default", "the system's default", "alsa"),
        DeviceInfo("capture", "plughw:CARD=seeed2micvoicec,DEV=0", "ReSpeaker 2 Mics: USB Audio", "alsa"),
    ]
    assert [info.name for info in alsa_names.list_devices("playback")] == [
        "default",
        "plughw:CARD=Headphones,DEV=0",
        "plughw:CARD=seeed2micvoicec,DEV=0",
    ]


@pytest.mark.usefixtures("two_cards")
@pytest.mark.parametrize(
    ("device", "name"),
    [
        ("default", "default"),
        ("hw:1,0", "hw:1,0"),
        ("seeed", "plughw:CARD=seeed2micvoicec,DEV=0"),
        ("respeaker", "plughw:CARD=seeed2micvoicec,DEV=0"),
        ("1", "plughw:CARD=seeed2micvoicec,DEV=0"),
        ("dsnooped", "dsnooped"),
    ],
)
def test_a_name_its_part_or_an_index_means_a_pcm(device: str, name: str) -> None:
    assert alsa_names.resolve(device, "capture") == name


@pytest.mark.usefixtures("two_cards")
@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("Device or resource busy [x]", r"in use by arecord \(pid 4242\)"),
        ("Permission denied [x]", "member of the group audio"),
        ("No such device [x]", "no such microphone: x. Known: .*seeed"),
        ("Invalid argument [x]", "cannot be opened: Invalid argument"),
    ],
)
def test_open_errors_name_cause_and_mend(reason: str, text: str) -> None:
    with pytest.raises(DeviceError, match=text):
        raise alsa_names.open_error("x", "capture", reason)


@pytest.mark.usefixtures("two_cards")
def test_an_index_past_the_list_is_no_device() -> None:
    with pytest.raises(DeviceError, match="no capture device number 7"):
        alsa_names.resolve("7", "capture")


class ScriptedPcm:
    """What pyalsaaudio's PCM does on a real card in trouble, which no virtual card can be brought to."""

    script: ClassVar[list[tuple[int, bytes] | Exception]] = []
    info_changes: ClassVar[dict[str, Any]] = {}
    writes: ClassVar[list[int | Exception]] = []

    def __init__(self, *, rate: int, channels: int, periodsize: int, periods: int, **_: object) -> None:
        self._info = {
            "rate": rate,
            "channels": channels,
            "period_size": periodsize,
            "buffer_size": periodsize * periods,
            "format_name": "S16_LE",
        } | self.info_changes
        self.script_left = list(self.script)
        self.writes_left = list(self.writes)

    def info(self) -> dict[str, Any]:
        return self._info

    def state(self) -> int:
        return 4

    def read(self) -> tuple[int, bytes]:
        step = self.script_left.pop(0) if self.script_left else (0, b"")
        if isinstance(step, Exception):
            raise step
        return step

    def write(self, pcm: bytes) -> int:
        step = self.writes_left.pop(0) if self.writes_left else len(pcm) // 2
        if isinstance(step, Exception):
            raise step
        return step

    def drop(self) -> None:
        pass

    def drain(self) -> None:
        pass

    def close(self) -> None:
        pass


class AlsaAudioError(Exception):
    """As pyalsaaudio's."""


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[ScriptedPcm]]:
    """pyalsaaudio with a PCM that follows a script."""

    class Pcm(ScriptedPcm):
        pass

    module: Any = ModuleType("alsaaudio")
    module.PCM, module.ALSAAudioError = Pcm, AlsaAudioError
    module.PCM_CAPTURE, module.PCM_PLAYBACK, module.PCM_NONBLOCK, module.PCM_FORMAT_S16_LE = 1, 0, 1, 2
    module.PCM_STATE_RUNNING, module.PCM_STATE_DRAINING = 3, 5
    module.pcms = lambda _kind: ["default"]
    monkeypatch.setitem(sys.modules, "alsaaudio", module)
    yield Pcm
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith(("capture ", "playback "))]


BLOCK = (1_600, b"\1\0" * 1_600)


async def test_an_overrun_is_counted_and_capture_goes_on(scripted: type[ScriptedPcm]) -> None:
    scripted.script = [BLOCK, (-errno.EPIPE, b""), BLOCK, (0, b"")]
    capture, heard = AlsaCapture(CaptureSettings(), CLOCK), Heard()
    capture.start(heard.on_block, heard.on_end)
    await heard.until_blocks(2)
    await capture.stop()
    assert capture.overruns == 1
    assert heard.ends == []


async def test_a_card_pulled_out_ends_capture(scripted: type[ScriptedPcm]) -> None:
    scripted.script = [BLOCK, AlsaAudioError("No such device [default]")]
    capture, heard = AlsaCapture(CaptureSettings(), CLOCK), Heard()
    capture.start(heard.on_block, heard.on_end)
    await heard.until_end()
    await capture.stop()
    assert len(heard.blocks) == 1
    assert str(heard.ends[0]) == "microphone default was lost: No such device [default]"


async def test_capture_follows_what_the_card_really_gives(scripted: type[ScriptedPcm]) -> None:
    scripted.info_changes = {"rate": 48_000, "channels": 2, "format_name": "S32_LE", "period_size": 4_800}
    scripted.script = [(4_800, b"\0\0\0\1" * 9_600)] * 3
    capture, heard = AlsaCapture(CaptureSettings(), CLOCK), Heard()
    capture.start(heard.on_block, heard.on_end)
    await heard.until_blocks(2)
    await capture.stop()
    assert heard.blocks[1].data == b"\0\1" * 1_600


async def test_a_sample_format_nobody_knows_is_an_error_with_a_way_out(scripted: type[ScriptedPcm]) -> None:
    scripted.info_changes = {"format_name": "MU_LAW"}
    capture, heard = AlsaCapture(CaptureSettings(), CLOCK), Heard()
    capture.start(heard.on_block, heard.on_end)
    await heard.until_end()
    await capture.stop()
    assert "plughw" in str(heard.ends[0])


async def test_an_underrun_between_speech_is_no_error(scripted: type[ScriptedPcm]) -> None:
    scripted.writes = [-errno.EPIPE, 0]
    sink = AlsaPlayback(PlaybackSettings(), CLOCK)
    await sink.open(AudioFormat(16_000))
    await sink.write(bytes(3_200))
    await sink.drain()
    await sink.close()


async def test_a_loudspeaker_pulled_out_ends_a_waiting_write(scripted: type[ScriptedPcm]) -> None:
    scripted.writes = [800, AlsaAudioError("No such device [default]")]
    sink = AlsaPlayback(PlaybackSettings(), CLOCK)
    await sink.open(AudioFormat(16_000))
    with pytest.raises(DeviceError, match="loudspeaker default was lost: No such device"):
        async with asyncio.timeout(5.0):
            await sink.write(bytes(32_000))
    with pytest.raises(DeviceError):
        await sink.write(bytes(320))
    await sink.close()


async def test_a_card_that_is_full_is_waited_for(scripted: type[ScriptedPcm]) -> None:
    scripted.writes = [400, 0, 0, 400]
    sink = AlsaPlayback(PlaybackSettings(), CLOCK)
    await sink.open(AudioFormat(16_000))
    await sink.write(bytes(1_600))
    await sink.drain()
    assert sink.queued_s == 0
    await sink.close()


class StuckPcm(ScriptedPcm):
    """A PCM whose opening hangs, as with a stalled sound server."""

    released = threading.Event()

    def info(self) -> dict[str, Any]:
        self.released.wait(20)
        return super().info()


async def test_a_device_that_does_not_open_is_reported(
    scripted: type[ScriptedPcm], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("satellite.adapters.capture.OPEN_WITHIN_S", 0.3)
    monkeypatch.setattr("satellite.adapters.playback.OPEN_WITHIN_S", 0.3)
    sys.modules["alsaaudio"].PCM = StuckPcm  # type: ignore[attr-defined] # the scripted module of the fixture
    capture, heard = AlsaCapture(CaptureSettings(), CLOCK), Heard()
    sink = AlsaPlayback(PlaybackSettings(), CLOCK)
    capture.start(heard.on_block, heard.on_end)
    with pytest.raises(DeviceError, match="does not open within"):
        await sink.open(AudioFormat(16_000))
    await heard.until_end()
    assert isinstance(heard.ends[0], DeviceError)
    StuckPcm.released.set()
    await capture.stop()
    await heard.until(lambda: not [t for t in threading.enumerate() if t.name == "playback default"])
