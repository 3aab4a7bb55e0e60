"""`replay` as its users run it: a whole recording, at a terminal, into a pipe, and interrupted."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fakes.daemon import API_KEY, DATA, ROOT, Emulator, command, emulator, words
from tests.fakes.tty import tty

pytestmark = pytest.mark.slow

RECORDING = str(DATA / "demo.wav")
LABELS: list[dict[str, Any]] = json.loads((DATA / "demo.labels.json").read_text())["sentences"]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Emulator]:
    with emulator(tmp_path / "service") as running:
        yield running


@pytest.fixture
def config(tmp_path: Path, service: Emulator) -> str:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"voice": {"deepl": {"api_key": API_KEY, "base_url": service.base_url}}}))
    return str(path)


def test_every_word_has_its_time_in_the_file(service: Emulator, config: str, tmp_path: Path) -> None:
    with command(tmp_path, "replay", "-c", config, "--json", RECORDING) as replay:
        assert replay.wait(60) == 0
    lines = [json.loads(line) for line in replay.log.splitlines()]
    transcript = [line for line in lines if line["kind"] == "transcript"]
    assert words(" ".join(line["text"] for line in transcript)) == words(" ".join(label["text"] for label in LABELS))
    starts_s = {tuple(words(line["text"]))[:2]: line["from_s"] for line in transcript}
    for label in LABELS:
        assert starts_s[tuple(words(label["text"]))[:2]] == pytest.approx(label["start_ms"] / 1000, abs=0.15)
    assert [line["complete"] for line in lines if line["kind"] == "utterance"] == [True] * len(LABELS)
    report = service.stop()
    assert report["violations"] == []
    assert API_KEY not in replay.log


def test_ctrl_c_concludes_what_was_said(config: str) -> None:
    with tty(60) as screen:
        process = screen.start("replay", "-c", config, RECORDING)
        screen.wait_for(" of 21.0 s")
        screen.wait_for("    2.9 of")
        screen.press("\x03")
        assert screen.wait_for_end(process, 10) == 130
        lines = screen.seen()
    assert words(" ".join(line[16:] for line in lines if line[9:11] == "en")) == words(LABELS[0]["text"])
    assert lines[-2:] == ["voice-satellite: interrupted", ""]
    assert not [line for line in lines if "#" in line], "the bar stayed on the screen"


def test_a_reader_that_leaves_ends_it(config: str) -> None:
    replay = subprocess.Popen(
        [sys.executable, "-m", "satellite", "replay", "-c", config, RECORDING],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    assert replay.stdout is not None
    assert replay.stderr is not None
    with replay, replay.stdout as out, replay.stderr as err:
        assert out.readline() == b"00:00.8  en     Good morning,\n"
        out.close()
        assert replay.wait(20) == 1
        assert err.read() == b""
