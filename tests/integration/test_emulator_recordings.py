"""Long recordings of human voices are found again in whatever way they are sent; pocketsphinx hears without labels."""

import random
import wave
from pathlib import Path

import pytest

from satellite.emulator.labels import load_labels
from satellite.emulator.pcm import read_wav, resample, rms
from satellite.emulator.recogniser import HeardWord, LabelRecogniser
from satellite.emulator.sphinx import SphinxRecogniser
from tests.fakes.rawdeepl import DATA, demo_pcm
from tests.fakes.recordings import Recording, long_recording

STEP_BYTES = 3_200


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return long_recording(tmp_path_factory.mktemp("long") / "long.wav", minutes=5)


def hear(recogniser: LabelRecogniser | SphinxRecogniser, pcm: bytes) -> list[HeardWord]:
    words: list[HeardWord] = []
    for at in range(0, len(pcm), STEP_BYTES):
        heard = recogniser.push(pcm[at : at + STEP_BYTES], at / 32_000)
        assert heard.resent == []
        words += heard.words
    return words + recogniser.finish().words


def test_the_demo_recording_is_small_and_exactly_labelled() -> None:
    labels = load_labels(DATA / "demo.labels.json")
    with wave.open(str(DATA / "demo.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        assert 18 < file.getnframes() / 16_000 < 30
    assert (DATA / "demo.wav").stat().st_size < 1_000_000
    pcm = demo_pcm()
    sentences: dict[int, list[tuple[int, int]]] = {}
    for word in labels.words:
        sentences.setdefault(word.sentence, []).append((word.start_sample, word.end_sample))
    edges = [(spans[0][0], spans[-1][1]) for spans in sentences.values()]
    assert len(edges) == 5
    for (start, end), following in zip(edges, [*edges[1:], (len(pcm), 0)], strict=True):
        assert rms(pcm[(start - 160) * 2 : start * 2]) < 30
        assert rms(pcm[start * 2 : (start + 320) * 2]) > 50
        assert rms(pcm[(end + 160) * 2 : (end + 8_000) * 2]) < 30
        assert following[0] - end >= 24_000


def test_every_repeated_clip_is_told_apart(recording: Recording) -> None:
    labels = load_labels(recording.labels)
    pcm = read_wav(recording.wav, 16_000)
    assert len(set(recording.sentences)) < len(recording.sentences)
    words = hear(LabelRecogniser(pcm, labels, exact=True), pcm)
    assert " ".join(word.text for word in words) == " ".join(recording.sentences)


def test_gated_and_in_part_lost_audio_gives_just_what_came(recording: Recording) -> None:
    labels = load_labels(recording.labels)
    pcm = read_wav(recording.wav, 16_000)
    rng = random.Random(8)
    spans: dict[int, tuple[int, int]] = {}
    for word in labels.words:
        spans[word.sentence] = (spans.get(word.sentence, (word.start_sample, 0))[0], word.end_sample)
    kept = [sentence for sentence in spans if rng.random() < 0.6]
    pieces = [pcm[(spans[at][0] - 6_400) * 2 : (spans[at][1] + 14_400) * 2] for at in kept]
    words = hear(LabelRecogniser(pcm, labels, exact=True), (bytes(3_200)).join(pieces))
    assert " ".join(word.text for word in words) == " ".join(recording.sentences[at] for at in kept)


@pytest.mark.slow
def test_a_telephone_line_does_not_hide_the_words(recording: Recording) -> None:
    labels = load_labels(recording.labels)
    pcm = read_wav(recording.wav, 16_000)
    line = resample(resample(pcm, 16_000, 8_000), 8_000, 16_000)
    words = hear(LabelRecogniser(pcm, labels, exact=False), line)
    assert " ".join(word.text for word in words) == " ".join(recording.sentences)


@pytest.mark.slow
def test_pocketsphinx_hears_something_of_the_demo_and_nothing_in_silence(tmp_path: Path) -> None:
    words = hear(SphinxRecogniser(), demo_pcm(4_000, 7_600))
    assert len(words) >= 3
    assert all(300 <= word.start_ms < word.end_ms <= 3_100 for word in words)
    assert hear(SphinxRecogniser(), bytes(64_000)) == []
