"""`demo` inside this process, on one sentence of its recording, and with everything that can be missing."""

import array
import functools
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import wave
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from satellite.cli import demo, main
from satellite.emulator.deepl.settings import DeepLLimits, DeepLSettings
from satellite.emulator.registry import load
from tests.fakes.daemon import DATA
from tests.fakes.restored import process_restored
from tests.fakes.sound import write_wav
from tests.fakes.tty import tty

SENTENCE_S = 3.8
"""The first sentence of the demo recording, and the silence after which it is over."""


def beginning(directory: Path, seconds: float) -> tuple[Path, Path]:
    """The beginning of the demo recording, with the labels of it all."""
    with wave.open(str(DATA / "demo.wav")) as wav:
        return write_wav(directory / "short.wav", wav.readframes(int(seconds * 16_000))), DATA / "demo.labels.json"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary files go; the recording is short, and the process afterwards as it was."""
    files = beginning(tmp_path, SENTENCE_S)
    monkeypatch.setattr(demo, "demo_files", lambda: files)
    directory = tmp_path / "temporary"
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    with process_restored():
        yield directory


def children() -> list[str]:
    """What this process has started and not ended."""
    return subprocess.run(
        ["pgrep", "-a", "-P", str(os.getpid())], capture_output=True, text=True, check=False
    ).stdout.splitlines()


def started(*words: str) -> list[str]:
    ours = [line for line in children() if "multiprocessing.resource_tracker" not in line]
    return [line for line in ours if any(word in line for word in words)]


@pytest.mark.slow
def test_it_shows_the_main_job_and_one_next_step(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo"]) == 0
    output = capsys.readouterr()
    lines = output.out.splitlines()
    table = [line for line in lines if re.match(r" *\d+\.\d  ", line)]
    assert [line[7:].rstrip() for line in table if "transcript" in line] == [
        "transcript      en    Good morning,",
        "transcript      en    the kitchen light is on.",
    ]
    assert [line[7:].rstrip() for line in table if "translation" in line] == [
        "translation/de  de    [de] dooG gninrom,",
        "translation/de  de    eht nehctik thgil si no.",
    ]
    assert table[-1].endswith("availability          offline")
    times = [float(line[:5]) for line in table]
    assert times == sorted(times)
    assert "pseudo-translation" in output.out
    assert "It works: 1 utterances came back as 2 transcript and 2 translation segments." in lines
    (speech,) = place.rglob("speech.wav")
    assert f"    {speech}" in lines
    assert "    voice: {backend: deepl, deepl: {api_key: YOUR-KEY}}" in lines
    assert output.err == ""
    assert started("mosquitto", "satellite") == []
    with wave.open(str(speech)) as wav:
        samples = array.array("h", wav.readframes(wav.getnframes()))
        seconds = wav.getnframes() / wav.getframerate()
    level = 20 * math.log10(math.sqrt(sum(sample * sample for sample in samples) / len(samples)) / 32_768)
    assert any(line.startswith(f"What was spoken ({seconds:.1f} s at {level:.0f} dBFS on average; ") for line in lines)


@pytest.mark.slow
def test_it_shows_another_service(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--backend", "palabra"]) == 0
    output = capsys.readouterr().out
    assert "An emulated Palabra service answers" in " ".join(output.split())
    assert "transcript      en    Good morning, the kitchen light is on." in output
    assert "translation/de  de    [de] dooG gninrom, eht nehctik thgil si no." in output
    assert "It works: 1 utterances came back as 1 transcript and 1 translation segments." in output
    assert "    voice: {backend: palabra, palabra: {api_key: YOUR-KEY}}" in output


@pytest.mark.slow
def test_only_the_speech_is_kept_where_one_wishes_it(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep = tmp_path / "a" / "b"
    assert main(["demo", "--keep", str(keep)]) == 0
    assert f"    {keep}/speech.wav" in capsys.readouterr().out.splitlines()
    assert [path.name for path in keep.iterdir()] == ["speech.wav"]
    assert list(place.iterdir()) == []


@pytest.mark.slow
def test_without_espeak_the_speech_is_tones(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["demo"]) == 0
    assert "a tone for each word: espeak-ng" in capsys.readouterr().out


# --- what can be missing ----------------------------------------------------------------------------------------


def test_without_mosquitto_it_says_how_to_get_it(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    assert main(["demo"]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == "voice-satellite: mosquitto is not installed; install it: apt install mosquitto\n"
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("directory", ["/proc/x", "/dev/null/x"])
def test_without_a_place_to_write_it_says_so(place: Path, directory: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--keep", directory]) == 1
    assert capsys.readouterr().err.startswith(f"voice-satellite: {directory} cannot be written: No")
    assert list(place.iterdir()) == []


def test_without_a_place_for_temporary_files_it_says_so(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(place / "missing"))
    assert main(["demo"]) == 1
    assert "missing" in capsys.readouterr().err


def test_silence_does_not_pass_for_success(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    silence = write_wav(tmp_path / "silence.wav", bytes(16_000))
    monkeypatch.setattr(demo, "demo_files", lambda: (silence, DATA / "demo.labels.json"))
    assert main(["demo"]) == 1
    out = capsys.readouterr().out
    assert "It does not work:\n- no transcript came\n- no translation came\n- no speech came\n" in out
    (log,) = place.rglob("satellite.log")
    assert f"The end of the satellite's log, {log}:" in out
    assert out.splitlines()[-1] in log.read_text()


def use_settings(monkeypatch: pytest.MonkeyPatch, settings: Callable[..., DeepLSettings]) -> None:
    monkeypatch.setattr(demo, "load", lambda name: replace(load(name), settings=settings))


@pytest.mark.slow
def test_an_inaudible_translation_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hush = write_wav(tmp_path / "hush.wav", b"\1\0" * 12_000, 24_000)
    use_settings(monkeypatch, functools.partial(DeepLSettings, speech_wav=hush))
    assert main(["demo"]) == 1
    assert "It does not work:\n- the speech is silence\n" in capsys.readouterr().out


@pytest.mark.slow
def test_a_satellite_that_breaks_rules_does_not_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    strict = functools.partial(DeepLSettings, limits=DeepLLimits(jitter_ms=-10_000))
    use_settings(monkeypatch, strict)
    assert main(["demo"]) == 1
    assert "times what it does not allow: " in capsys.readouterr().out


def test_a_satellite_that_cannot_start_does_not_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "SATELLITE_ID", "Not an id")
    monkeypatch.setattr(demo, "LAST_MESSAGES_WITHIN_S", 0.1)
    assert main(["demo"]) == 1
    out = capsys.readouterr().out
    assert "- the satellite ended with exit code 78\n" in out
    assert "satellite.id" in out


def test_a_satellite_that_does_not_end_is_ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "ENDS_WITHIN_S", 1.0)
    assert main(["demo"]) == 1
    assert "- the satellite did not end within 1 s\n" in capsys.readouterr().out
    assert started("satellite", "mosquitto") == []


# --- how it is ended --------------------------------------------------------------------------------------------


def soon(act: Callable[[], object], after_s: float = 1.5) -> None:
    threading.Timer(after_s, act).start()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_nothing_behind(
    place: Path, capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    before = signal.getsignal(number)

    def strike() -> None:
        while signal.getsignal(number) is before:  # else it would end the tests
            time.sleep(0.05)
        for pause_s in (1.5, 0.005):
            time.sleep(pause_s)
            os.kill(os.getpid(), number)

    threading.Thread(target=strike, daemon=True).start()
    assert main(["demo"]) == 128 + number
    output = capsys.readouterr()
    assert output.out.endswith("\nInterrupted.\n")
    assert output.err == ""
    assert started("satellite", "mosquitto") == []
    assert list(place.iterdir()) == []


def test_a_broker_that_dies_is_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def end_broker() -> None:
        ((number, _),) = (line.split(" ", 1) for line in started("mosquitto.conf"))
        os.kill(int(number), signal.SIGKILL)

    soon(end_broker)
    assert main(["demo"]) == 1
    assert capsys.readouterr().err.startswith("voice-satellite: the private mosquitto is gone: ")
    assert started("satellite", "mosquitto") == []
    assert list(place.iterdir()) == []


@pytest.mark.slow
def test_on_a_terminal_tentative_text_goes_before_its_conclusion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    with tty(100) as screen:
        monkeypatch.setattr(sys, "stdout", screen.stream)
        assert main(["demo"]) == 0
        written = screen.read()
    assert f"{'en':>25}    Good …" in written
    assert written.index("Good …") < written.index("Good morning,\x1b[0m")
    assert "\x1b[1m" in written
