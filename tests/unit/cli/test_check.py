from pathlib import Path

import pytest

from satellite.cli import main


def test_a_good_file_is_ok(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("voice: {deepl: {api_key: abcdefgh}}\nmqtt: {port: 8883}\n")
    assert main(["check", "-c", str(file)]) == 0
    warning, ok = capsys.readouterr().out.splitlines()
    assert warning.startswith(f"{file}:2: mqtt.port: warning: ")
    assert ok == f"{file}: ok"


def test_problems_go_to_standard_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("voice: {backend: loopback, idle: 5}\n")
    assert main(["check", "-c", str(file)]) == 78
    output = capsys.readouterr()
    assert (output.out, output.err) == (f"{file}:1: voice.idle: unknown key\n", "")
