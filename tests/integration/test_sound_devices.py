"""Choosing a device: drivers, names, lists, the `devices` command, and what ALSA's errors mean."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from satellite import cli
from satellite.adapters import alsa_names, devices, portaudio_host
from satellite.adapters.capture import DeviceCapture
from satellite.adapters.clock import SystemClock
from satellite.adapters.playback import DevicePlayback
from satellite.adapters.sound import CaptureSettings, DeviceInfo, Direction, PlaybackSettings
from satellite.adapters.wavefile import FileCapture, FilePlayback, NullCapture, NullPlayback
from satellite.errors import DeviceError
from tests.fakes.sound import MakeCard, make_card
from tests.fakes.vcard import CardFormat

__all__ = ["make_card"]

CLOCK = SystemClock()


@pytest.mark.parametrize(
    ("driver", "device", "capture", "playback"),
    [
        ("auto", "default", DeviceCapture, DevicePlayback),
        ("alsa", "default", DeviceCapture, DevicePlayback),
        ("portaudio", "default", DeviceCapture, DevicePlayback),
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
            "asound/card0/pcm0p/sub0/status": "closed\n",
            "asound/card1/pcm0c/sub0/status": "state: RUNNING\nowner_pid   : 4243\n",
            "4243/status": "Name:\tworker\nTgid:\t4242\n",
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
        ("Connection refused [x]", r"sound server \(PulseAudio, PipeWire\) does not run"),
        ("No such device [x]", "no such microphone: x. Known: .*seeed"),
        ("Invalid argument [x]", "cannot be opened: Invalid argument"),
    ],
)
def test_open_errors_name_cause_and_mend(reason: str, text: str) -> None:
    with pytest.raises(DeviceError, match=text):
        raise alsa_names.open_error("x", "plughw:CARD=seeed2micvoicec,DEV=0", "capture", reason)


@pytest.mark.usefixtures("two_cards")
def test_an_index_past_the_list_is_no_device() -> None:
    with pytest.raises(DeviceError, match="no capture device number 7"):
        alsa_names.resolve("7", "capture")


@pytest.mark.usefixtures("two_cards")
@pytest.mark.parametrize(
    ("name", "direction", "text"),
    [
        ("plughw:CARD=seeed2micvoicec,DEV=0", "capture", " by arecord (pid 4242)"),
        ("hw:1,0", "capture", " by arecord (pid 4242)"),
        ("USB Audio: - (hw:1,0)", "capture", " by arecord (pid 4242)"),
        ("default", "capture", " by arecord (pid 4242)"),
        ("hw:0,0", "playback", ""),
        ("hw:1,0", "playback", ""),
    ],
)
def test_who_holds_a_card_is_asked_for_that_card(name: str, direction: Direction, text: str) -> None:
    assert alsa_names.holder(name, direction) == text


@pytest.mark.usefixtures("two_cards")
def test_who_has_the_node_open_is_found_without_the_kernels_word(tmp_path: Path) -> None:
    (tmp_path / "asound/card1/pcm0c/sub0/status").unlink()
    assert alsa_names.holder("hw:1,0", "capture") == ""
    open_files = tmp_path / "77/fd"
    open_files.mkdir(parents=True)
    (open_files / "3").symlink_to("/dev/snd/pcmC1D0c")
    (open_files / "4").symlink_to("/dev/snd/pcmC1D0p")
    (tmp_path / "77/comm").write_text("jackd\n")
    assert alsa_names.holder("hw:1,0", "capture") == " by jackd (pid 77)"
    assert alsa_names.holder("hw:0,0", "capture") == ""


@pytest.mark.usefixtures("two_cards")
@pytest.mark.parametrize("gone", ["78/fd", "asound/card1/pcm0c"])
def test_what_goes_away_while_we_look_holds_nothing(gone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without(look: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def looking(path: Any) -> Any:
            if str(path).endswith(gone):
                raise FileNotFoundError(2, "No such file or directory")
            return look(path)

        return looking

    (tmp_path / "asound/card1/pcm0c/sub0/status").write_text("closed\n")
    (tmp_path / "78/fd").mkdir(parents=True)
    monkeypatch.setattr(os, "scandir", without(os.scandir))
    monkeypatch.setattr(os, "listdir", without(os.listdir))
    assert alsa_names.holder("hw:1,0", "capture") == ""


@pytest.mark.usefixtures("two_cards")
def test_a_card_is_found_again_under_another_number(tmp_path: Path) -> None:
    before = alsa_names.resolve("respeaker", "capture")
    shutil.move(tmp_path / "asound/card1", tmp_path / "asound/card3")
    (tmp_path / "asound/pcm").write_text("03-00: USB Audio : USB Audio : playback 1 : capture 1\n")
    (tmp_path / "asound/cards").write_text(" 3 [seeed2micvoicec]: USB-Audio - ReSpeaker 2 Mics\n")
    assert alsa_names.resolve("respeaker", "capture") == before == "plughw:CARD=seeed2micvoicec,DEV=0"
    assert alsa_names.holder(before, "capture") == " by arecord (pid 4242)"
