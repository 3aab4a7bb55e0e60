"""`replay` with real services on loopback, inside this process: what it prints, what it refuses, how it ends."""

import json
import os
import signal
import threading
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from satellite.adapters.conversion import spread_channels
from satellite.cli import main, printer
from tests.fakes.daemon import API_KEY, DATA, emulator
from tests.fakes.link_peers import unused_port
from tests.fakes.restored import process_restored
from tests.fakes.sound import tone, write_wav

SENTENCE_S = 3.8
"""The first sentence of the demo recording, and the silence after which it is over."""


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    with process_restored():
        yield


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where an emulated DeepL answers."""
    with emulator(tmp_path_factory.mktemp("service")) as running:
        yield running.base_url


@pytest.fixture
def sentence(tmp_path: Path) -> Path:
    with wave.open(str(DATA / "demo.wav")) as wav:
        return write_wav(tmp_path / "sentence.wav", wav.readframes(int(SENTENCE_S * 16_000)))


@pytest.fixture
def beep(tmp_path: Path) -> Path:
    """Half a second of what the energy detector takes for speech."""
    return write_wav(tmp_path / "beep.wav", bytes(6_400) + tone(440, 16_000, 0.5) + bytes(6_400))


def write_config(directory: Path, voice: dict[str, Any], **sections: Any) -> str:
    path = directory / "config.yaml"
    vad = {"detector": "energy", "hang_over_ms": 100}
    path.write_text(yaml.safe_dump({"voice": voice, "vad": vad, **sections}))
    return str(path)


ENDLESS: dict[str, Any] = {"detector": "none"}
"""A gate for which all is speech."""


@pytest.fixture
def long(tmp_path: Path) -> str:
    """A recording that no test waits for."""
    return str(write_wav(tmp_path / "long.wav", tone(440, 16_000, 600.0)))


def deepl(base_url: str, api_key: str = API_KEY) -> dict[str, Any]:
    return {"source_language": "en", "target_languages": ["de"], "deepl": {"base_url": base_url, "api_key": api_key}}


LOOPBACK: dict[str, Any] = {"backend": "loopback", "target_languages": ["de"]}
HEARD = ["00:00.0  en     0.8 seconds of speech.", "00:00.0  de     [de] 0.8 seconds of speech."]


# --- what is printed --------------------------------------------------------------------------------------------


def test_text_comes_with_its_time(
    service: str, sentence: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", "-c", write_config(tmp_path, deepl(service), vad={}), str(sentence)]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert output.out.splitlines() == [
        "00:00.8  en     Good morning,",
        "00:00.8  de     [de] dooG gninrom,",
        "00:01.6  en     the kitchen light is on.",
        "00:01.6  de     eht nehctik thgil si no.",
    ]


def test_json_lines(beep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "-c", write_config(tmp_path, LOOPBACK), "--json", str(beep), str(beep)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["kind"] for line in lines] == ["transcript", "translation", "utterance"] * 2
    assert {line["file"] for line in lines} == {str(beep)}
    assert lines[2]["translations"] == {"de": "[de] 0.8 seconds of speech."}
    assert lines[0]["from_s"] == pytest.approx(0.0, abs=0.02)


def test_several_files_are_told_apart(beep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    silence = write_wav(tmp_path / "silence.wav", bytes(16_000))
    assert main(["replay", "-c", write_config(tmp_path, LOOPBACK), str(silence), str(beep)]) == 0
    output = capsys.readouterr()
    assert output.out.splitlines() == [f"==> {silence} <==", f"==> {beep} <==", *HEARD]
    assert output.err.startswith(f"voice-satellite: {silence}: no speech was found in it; ")


def test_settings_of_devices_do_not_matter(beep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_config(
        tmp_path,
        {**LOOPBACK, "speech_language": "de"},
        audio={
            "driver": "alsa",
            "input": {"device": "none such", "rate_hz": 48_000, "channels": 8, "channel": 7, "gain_db": -40},
            "output": {"device": f"file:{tmp_path}/heard.wav", "volume": 0},
        },
        mqtt={"host": "192.0.2.1", "base_topic": "a/b/c", "discovery_prefix": None},
        logging={"level": "debug", "transcripts": True},
    )
    before = sorted(tmp_path.iterdir())
    assert main(["replay", "-c", config, str(beep)]) == 0
    output = capsys.readouterr()
    assert (output.out.splitlines(), output.err) == (HEARD, "")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(("rate_hz", "channels"), [(44_100, 2), (8_000, 1)])
def test_any_wav_will_do(tmp_path: Path, capsys: pytest.CaptureFixture[str], rate_hz: int, channels: int) -> None:
    sound = bytes(rate_hz) + tone(440, rate_hz, 0.5) + bytes(rate_hz)
    path = write_wav(tmp_path / "a.wav", spread_channels(sound, channels), rate_hz, channels)
    assert main(["replay", "-c", write_config(tmp_path, LOOPBACK), str(path)]) == 0
    assert "seconds of speech." in capsys.readouterr().out


def test_a_picture_is_drawn_first(beep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.png"
    assert main(["replay", "-c", write_config(tmp_path, LOOPBACK), "--plot", str(out), str(beep)]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    output = capsys.readouterr()
    assert (output.out.splitlines(), output.err) == (HEARD, f"{out}: drawn\n")
    assert main(["replay", "-c", write_config(tmp_path, LOOPBACK), "--plot", "/proc/x.png", str(beep)]) == 1
    output = capsys.readouterr()
    assert (output.out, output.err) == (
        "",
        "voice-satellite: /proc/x.png cannot be written: No such file or directory\n",
    )


# --- what is refused --------------------------------------------------------------------------------------------


def test_every_file_that_cannot_be_played_is_named_before_any_is(
    beep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty, text, silent, fifo = (tmp_path / name for name in ("empty.wav", "text.wav", "silent.wav", "fifo"))
    empty.touch()
    text.write_text("hello")
    write_wav(silent, b"")
    os.mkfifo(fifo)
    files = [beep, tmp_path / "missing.wav", empty, text, silent, fifo, tmp_path]
    assert main(["replay", "-c", write_config(tmp_path, LOOPBACK), *map(str, files)]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.splitlines() == [
        f"voice-satellite: {tmp_path}/missing.wav cannot be read: No such file or directory",
        f"voice-satellite: {empty} is not a WAV file",
        f"voice-satellite: {text} is not a WAV file",
        f"voice-satellite: {silent} holds no sound",
        f"voice-satellite: {fifo} is not a file with a recording in it",
        f"voice-satellite: {tmp_path} is not a file with a recording in it",
    ]


def test_a_wrong_configuration_is_78(beep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "-c", write_config(tmp_path, {"backend": "nobody"}), str(beep)]) == 78
    assert "voice.backend" in capsys.readouterr().err
    assert main(["replay", "-c", str(tmp_path / "missing.yaml"), str(beep)]) == 78


def test_a_bad_key_ends_it_at_once(
    service: str, beep: Path, long: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path, deepl(service, "another-key-9876"))
    assert main(["replay", "-c", config, str(beep), long]) == 1
    output = capsys.readouterr()
    assert output.out.splitlines() == [f"==> {beep} <=="]
    (line,) = output.err.splitlines()
    assert line.startswith(f"voice-satellite: {beep}: ")
    assert line.endswith("(check voice.deepl.api_key)")
    assert "another-key" not in line


def test_an_unreachable_service_ends_it_soon(
    long: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(printer, "GIVE_UP_AFTER_S", 1.0)
    config = write_config(tmp_path, deepl(f"http://127.0.0.1:{unused_port()}"), vad=ENDLESS)
    assert main(["replay", "-c", config, long]) == 1
    first, last = capsys.readouterr().err.splitlines()
    assert first.endswith(
        "Connection refused (check the network and the service's base_url in the configuration); trying again for 1 s"
    )
    assert first.startswith(last.removesuffix(")"))


def test_a_file_that_vanishes_is_told(beep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = write_wav(tmp_path / "other.wav", tone(440, 16_000, 1.0))
    threading.Timer(0.5, other.unlink).start()
    assert (
        main(
            [
                "replay",
                "-c",
                write_config(tmp_path, LOOPBACK),
                str(beep),
                str(other),
            ]
        )
        == 1
    )
    output = capsys.readouterr()
    assert output.out.splitlines() == [f"==> {beep} <==", *HEARD, f"==> {other} <=="]
    assert output.err.startswith(f"voice-satellite: {other}: ")
    assert "No such file" in output.err
    assert "devices" not in output.err


# --- how it ends ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_with_what_was_said(
    long: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    threading.Timer(1.5, os.kill, (os.getpid(), number)).start()
    assert main(["replay", "-c", write_config(tmp_path, LOOPBACK, vad=ENDLESS), long, long]) == 130
    output = capsys.readouterr()
    assert len(output.out.splitlines()) == 3
    assert "seconds of speech." in output.out
    assert output.err == "voice-satellite: interrupted\n"
