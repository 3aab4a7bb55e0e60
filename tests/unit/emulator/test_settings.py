"""The command's arguments become settings."""

import argparse
from pathlib import Path

import pytest

from satellite.cli import emulator as command
from satellite.emulator.deepl.settings import DeepLSettings
from satellite.emulator.faults import Fault
from satellite.emulator.registry import load


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    return parser.parse_args(["emulator", *arguments])


def settings_of(args: argparse.Namespace) -> DeepLSettings:
    settings = command.settings_of(args, load("deepl"))
    assert isinstance(settings, DeepLSettings)
    return settings


def test_the_demo_is_the_default_recording() -> None:
    settings = settings_of(parse())
    assert (settings.recording, settings.labels) == command.demo_files()
    assert all(path.is_file() for path in command.demo_files())
    assert settings_of(parse("--recogniser", "pocketsphinx")).recording is None


def test_arguments_reach_their_settings() -> None:
    arguments = [
        "--port",
        "1",
        "--ws-port",
        "2",
        "--api-key",
        "k",
        "--recording",
        "a.wav",
        "--labels",
        "a.json",
        "--forget",
    ]
    arguments += ["--fault", "cut:after_chunks=5-5", "--fault", "refuse", "--limit", "inactivity_s=3", "--seed", "4"]
    arguments += ["--variant", "null_text", "--variant", "no_conclude_on_silence", "--target-media", "audio/opus"]
    settings = settings_of(parse(*arguments))
    assert (settings.http_port, settings.ws_port, settings.api_key, settings.seed) == (1, 2, "k", 4)
    assert (settings.recording, settings.labels) == (Path("a.wav"), Path("a.json"))
    assert settings.faults == (Fault("cut", after_chunks=5), Fault("refuse"))
    assert settings.limits.inactivity_s == 3.0
    assert (settings.variants.null_text, settings.variants.conclude_on_silence) == (True, False)
    assert (settings.target_media, settings.keep_audio) == ("audio/opus", False)


@pytest.mark.parametrize(
    "arguments", [["--variant", "x"], ["--limit", "x=1"], ["--limit", "inactivity_s=x"], ["--fault", "x"]]
)
def test_what_is_unknown_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(parse(*arguments)) == 1
    assert capsys.readouterr().err.startswith("emulator: ")
