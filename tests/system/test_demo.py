"""The demo as a newcomer runs it: at a terminal, to its end, and interrupted."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.fakes.daemon import DATA, words
from tests.fakes.tty import tty

pytestmark = pytest.mark.slow

SENTENCES = [sentence["text"] for sentence in json.loads((DATA / "demo.labels.json").read_text())["sentences"]]


def processes_of(directory: Path) -> list[str]:
    """Command lines that name this directory."""
    found = subprocess.run(["pgrep", "-af", str(directory)], capture_output=True, text=True, check=False)
    return found.stdout.splitlines()


def message_of(line: str) -> str:
    return line[29:]


def test_at_a_terminal_it_explains_itself(tmp_path: Path) -> None:
    with tty(120) as screen:
        process = screen.start("demo", TMPDIR=str(tmp_path))
        assert screen.wait_for_end(process, 58) == 0
        lines = screen.seen()
    said = [message_of(line) for line in lines if line[7:].startswith("transcript ")]
    translated = [message_of(line) for line in lines if line[7:].startswith("translation/de ")]
    assert words(" ".join(said)) == words(" ".join(SENTENCES))
    assert "".join(translated).count("[de]") == len(SENTENCES)
    assert sum(message_of(line).startswith("complete") for line in lines) == len(SENTENCES)
    assert not [line for line in lines if line.endswith(" …")], "tentative text stayed on the screen"
    speech = next(Path(line.strip()) for line in lines if line.endswith("speech.wav"))
    assert speech.is_relative_to(tmp_path)
    assert speech.stat().st_size > 100_000
    command = lines[-2].split()
    assert command[:4] == ["voice-satellite", "replay", "-c", "config.yaml"]
    assert Path(command[4]).samefile(DATA / "demo.wav")
    assert processes_of(tmp_path) == []


def test_ctrl_c_ends_all_of_it_and_leaves_nothing(tmp_path: Path) -> None:
    with tty(60) as screen:
        process = screen.start("demo", TMPDIR=str(tmp_path))
        screen.wait_for("Good …")
        assert len(processes_of(tmp_path)) == 2, "a broker and a satellite"
        screen.press("\x03")
        assert screen.wait_for_end(process, 5) == 130
        lines = screen.seen()
    assert lines[-2] == "Interrupted."
    assert not re.search("Traceback|Error|exception", screen.written)
    assert processes_of(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
