import itertools
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from satellite.cli import plot
from satellite.cli.plot import hear, plot_gate, spans_of
from satellite.config.model import Config
from satellite.emulator.pcm import read_wav as read_mono
from satellite.errors import MediaError
from tests.fakes.daemon import DATA
from tests.fakes.restored import logging_restored
from tests.fakes.sections import made
from tests.fakes.sound import tone, write_wav

PNG_SIZE_AT = 16
SILENCE_S = 1.0


def config(**vad: object) -> Config:
    return made(Config, {"voice": {"backend": "loopback"}, "vad": {"detector": "energy", **vad}})


def spoken(*lengths_s: float) -> bytes:
    """Tones of these lengths, each between two seconds of silence."""
    silence = bytes(int(32_000 * SILENCE_S))
    return b"".join(silence + tone(440, 16_000, length_s) + silence for length_s in lengths_s)


def size_of(png: Path) -> tuple[int, int]:
    width, height = struct.unpack_from(">II", png.read_bytes(), PNG_SIZE_AT)
    return width, height


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    with logging_restored():
        yield


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "a.wav", spoken(0.5))


# --- what is heard ----------------------------------------------------------------------------------------------


def test_openings_have_their_parts() -> None:
    hearing = hear("a", spoken(0.5, 1.0), config(onset_ms=60, pre_roll_ms=300, hang_over_ms=500))
    first, second = hearing.openings
    assert first.start_s == pytest.approx(0.7, abs=0.03)
    assert first.onset_s == pytest.approx(1.0, abs=0.03)
    assert first.speech_end_s == pytest.approx(1.5, abs=0.03)
    assert first.end_s == pytest.approx(2.0, abs=0.03)
    assert second.end_s - second.start_s == pytest.approx(0.3 + 1.0 + 0.5, abs=0.06)
    assert len(hearing.probabilities) == 275
    assert hearing.seconds == 5.5
    assert hearing.peak == pytest.approx(16_000 / 32_768, abs=0.001)


def test_an_utterance_that_goes_on_ends_with_the_recording() -> None:
    pcm = bytes(16_000) + tone(440, 16_000, 1.5)
    (opening,) = hear("a", pcm, config()).openings
    assert opening.end_s == 2.0


def test_what_is_too_long_is_sent_in_parts() -> None:
    openings = hear("a", tone(440, 16_000, 12.0), config(detector="none", max_utterance_s=5)).openings
    assert [round(opening.end_s - opening.start_s) for opening in openings] == [5, 5, 2]
    assert all(before.end_s == after.start_s for before, after in itertools.pairwise(openings))


def test_silence_is_not_sent() -> None:
    hearing = hear("a", bytes(64_001), config())
    assert (hearing.openings, hearing.peak, hearing.seconds) == ([], 0.0, 2.0)
    assert hear("a", b"", config()).seconds == 0.0


def test_the_gate_is_the_one_of_the_satellite() -> None:
    pcm = read_mono(DATA / "demo.wav", 16_000)
    assert len(hear("a", pcm, config(detector="webrtc")).openings) == 5


@pytest.mark.parametrize(
    ("seconds", "count"), [(0.0, 1), (4.0, 1), (60.0, 1), (61.0, 2), (600.0, 10), (720.0, 12), (36_000.0, 12)]
)
def test_long_recordings_are_continued_in_rows(seconds: float, count: int) -> None:
    spans = spans_of(seconds)
    assert len(spans) == count
    assert spans[0][0] == 0.0
    assert spans[-1][1] == pytest.approx(max(0.02, seconds))
    assert all(before[1] == after[0] for before, after in itertools.pairwise(spans))


# --- what is drawn ----------------------------------------------------------------------------------------------


def test_a_picture_is_drawn_for_one_file_and_for_several(tmp_path: Path, wav: Path) -> None:
    plot_gate([wav], config(), tmp_path / "one.png")
    plot_gate([wav, wav], config(), tmp_path / "two.png")
    one, two = size_of(tmp_path / "one.png"), size_of(tmp_path / "two.png")
    assert one[0] == two[0] == 1540
    assert one[1] == 385
    assert two[1] - one[1] == 330


def colours_of(axis: object) -> list[tuple[float, float, str]]:
    """Beginning, end and colour of each shade."""
    from matplotlib.colors import to_hex  # noqa: PLC0415 - loaded only when used

    patches = axis.patches  # type: ignore[attr-defined]  # matplotlib's Axes
    return [
        (round(patch.get_x(), 1), round(patch.get_x() + patch.get_width(), 1), to_hex(patch.get_facecolor()))
        for patch in patches
    ]


def test_the_picture_shows_what_is_sent(wav: Path) -> None:
    from matplotlib.figure import Figure  # noqa: PLC0415 - loaded only when used

    hearing = hear("a.wav", wav.read_bytes()[44:], config(onset_ms=60, pre_roll_ms=300, hang_over_ms=500))
    wave, speech = Figure().subplots(2, 1)
    plot.draw(wave, speech, hearing, (0.0, 2.5))
    expected = [(0.7, 1.0, plot.PRE_ROLL), (1.0, 1.5, plot.SPEECH), (1.5, 2.0, plot.HANG_OVER)]
    assert colours_of(wave) == colours_of(speech) == expected
    assert wave.get_title(loc="left") == "a.wav: 2.5 s, of which 1.3 s (52%) are sent in 1 utterance"
    assert speech.get_xlabel() == "time in the recording (s)"
    heights = wave.collections[0].get_paths()[0].vertices
    assert heights[:, 1].max() == pytest.approx(16_000 / 32_768, abs=0.01)
    assert heights[:, 1].min() == pytest.approx(-16_000 / 32_768, abs=0.01)
    (line, _) = speech.lines
    assert max(line.get_ydata()) > 0.9


def test_a_row_shows_its_own_stretch() -> None:
    from matplotlib.figure import Figure  # noqa: PLC0415 - loaded only when used

    hearing = hear("a.wav", spoken(*[1.0] * 24), config())
    wave, speech = Figure().subplots(2, 1)
    plot.draw(wave, speech, hearing, (36.0, 72.0))
    assert wave.get_xlim() == speech.get_xlim() == (36.0, 72.0)
    assert wave.get_title(loc="left") == ""
    assert all(end_s >= 36.0 and start_s <= 72.0 for start_s, end_s, _ in colours_of(wave))
    assert len(colours_of(wave)) == 3 * 12
    assert speech.xaxis.get_major_formatter()(65.0, 0) == "1:05"
    assert "min:s" in speech.get_xlabel()


@pytest.mark.parametrize("pcm", [b"", bytes(2)])
def test_next_to_nothing_can_be_drawn_too(tmp_path: Path, pcm: bytes) -> None:
    plot_gate([write_wav(tmp_path / "a.wav", pcm)], config(), tmp_path / "a.png")
    assert size_of(tmp_path / "a.png")[0] == 1540


@pytest.mark.parametrize(
    ("vad", "text"),
    [
        ({"detector": "webrtc"}, "detector webrtc, aggressiveness 2; onset 60 ms, pre-roll 400 ms"),
        ({"detector": "energy"}, "detector energy; onset 60 ms"),
    ],
)
def test_the_settings_stand_above(vad: dict[str, object], text: str) -> None:
    assert plot.settings_text(config(**vad)).startswith(text)


def test_what_cannot_be_drawn_is_a_sentence(tmp_path: Path, wav: Path) -> None:
    with pytest.raises(MediaError, match=r"x\.png cannot be written: No such file or directory"):
        plot_gate([wav], config(), tmp_path / "missing" / "x.png")
    with pytest.raises(MediaError, match=r"x\.doc cannot be drawn: Format 'doc' is not supported"):
        plot_gate([wav], config(), tmp_path / "x.doc")


def test_without_matplotlib_it_says_how_to_get_it(tmp_path: Path, wav: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MediaError, match=r"install the extra plot \(docs/install\.md\)"):
        plot_gate([wav], config(), tmp_path / "x.png")
