import array
import audioop
import random

import pytest

from satellite.emulator.aligner import Aligner
from satellite.emulator.labels import Labels, parse_labels
from satellite.emulator.pcm import resample
from satellite.emulator.recogniser import HeardWord, LabelRecogniser, Resent
from satellite.errors import MediaError

RATE_HZ = 16_000
STEP = 3_200


def voice(samples: int, seed: int) -> bytes:
    """Something like speech: band-limited noise with a slow envelope, unlike any other of its kind."""
    rng = random.Random(seed)
    out, value = array.array("h"), 0.0
    for at in range(samples):
        value = 0.85 * value + rng.gauss(0, 1500)
        out.append(int(max(-30_000, min(30_000, value * (0.6 + 0.4 * ((at // 1600) % 3))))))
    return out.tobytes()


def quiet(samples: int, seed: int = 99) -> bytes:
    rng = random.Random(seed)
    return array.array("h", (rng.randint(-12, 12) for _ in range(samples))).tobytes()


@pytest.fixture(scope="module")
def recording() -> bytes:
    """1 s quiet, 1.2 s "one two three.", 1 s quiet, 0.8 s "four five.", 1 s quiet."""
    return quiet(16_000, 1) + voice(19_200, 2) + quiet(16_000, 3) + voice(12_800, 4) + quiet(16_000, 5)


@pytest.fixture(scope="module")
def labels() -> Labels:
    return parse_labels(
        {
            "language": "en",
            "sentences": [
                {
                    "text": "One two three.",
                    "start_ms": 1000,
                    "end_ms": 2200,
                    "words": [
                        {"text": "One", "start_ms": 1000, "end_ms": 1400},
                        {"text": "two", "start_ms": 1400, "end_ms": 1800},
                        {"text": "three", "start_ms": 1800, "end_ms": 2200},
                    ],
                },
                {
                    "text": "Four five.",
                    "start_ms": 3200,
                    "end_ms": 4000,
                    "words": [
                        {"text": "Four", "start_ms": 3200, "end_ms": 3600},
                        {"text": "five", "start_ms": 3600, "end_ms": 4000},
                    ],
                },
            ],
        }
    )


def ms(recording: bytes, start: int, end: int) -> bytes:
    return recording[start * 32 : end * 32]


def hear(
    recogniser: LabelRecogniser, pcm: bytes, at_s: float = 0.0, step: int = STEP
) -> tuple[list[HeardWord], list[Resent]]:
    words: list[HeardWord] = []
    resent: list[Resent] = []
    for at in range(0, len(pcm), step):
        heard = recogniser.push(pcm[at : at + step], at_s + at / 32_000)
        words += heard.words
        resent += heard.resent
    return words, resent


def texts(words: list[HeardWord]) -> list[str]:
    return [word.text for word in words]


def test_the_whole_recording_gives_every_word_with_its_times(recording: bytes, labels: Labels) -> None:
    words, resent = hear(LabelRecogniser(recording, labels, exact=True), recording)
    assert texts(words) == ["One", "two", "three.", "Four", "five."]
    assert [(word.start_ms, word.end_ms) for word in words][:2] == [(1000, 1400), (1400, 1800)]
    assert len({word.sentence for word in words}) == 2
    assert resent == []


def test_gated_audio_is_found_and_times_count_received_audio_only(recording: bytes, labels: Labels) -> None:
    gated = ms(recording, 907, 2303) + ms(recording, 3101, 4203)
    words, _ = hear(LabelRecogniser(recording, labels, exact=True), gated)
    assert texts(words) == ["One", "two", "three.", "Four", "five."]
    assert (words[0].start_ms, words[3].start_ms) == (93, 2303 - 907 + 99)


def test_a_word_needs_four_fifths_of_its_samples(recording: bytes, labels: Labels) -> None:
    enough = ms(recording, 1080, 1720)
    short = ms(recording, 1085, 1715)
    for pcm, expected in ((enough, ["One", "two"]), (short, [])):
        recogniser = LabelRecogniser(recording, labels, exact=True)
        words, _ = hear(recogniser, pcm)
        assert texts(words + recogniser.finish().words) == expected


def test_a_hole_in_a_word_counts_what_came_on_both_sides(recording: bytes, labels: Labels) -> None:
    holed = ms(recording, 1000, 1500) + ms(recording, 1560, 2400)
    gone = ms(recording, 1000, 1500) + ms(recording, 1600, 2400)
    assert texts(hear(LabelRecogniser(recording, labels, exact=True), holed)[0]) == ["One", "two", "three."]
    assert texts(hear(LabelRecogniser(recording, labels, exact=True), gone)[0]) == ["One", "three."]


def test_other_audio_is_not_transcribed(recording: bytes, labels: Labels) -> None:
    for other in (bytes(64_000), voice(32_000, 77), quiet(32_000, 78)):
        assert hear(LabelRecogniser(recording, labels, exact=True), other) == ([], [])


def test_silence_between_pieces_does_not_disturb(recording: bytes, labels: Labels) -> None:
    pcm = bytes(3_200) + ms(recording, 900, 2300) + bytes(16_000) + ms(recording, 3100, 4100) + bytes(32_000)
    assert len(hear(LabelRecogniser(recording, labels, exact=True), pcm)[0]) == 5


@pytest.mark.parametrize("step", [64, 642, 3_200, 32_000, 1_000_000])
def test_the_cutting_into_chunks_does_not_matter(recording: bytes, labels: Labels, step: int) -> None:
    words, _ = hear(LabelRecogniser(recording, labels, exact=True), recording, step=step)
    assert texts(words) == ["One", "two", "three.", "Four", "five."]


def test_a_repeated_recording_is_heard_again_as_new_sentences(recording: bytes, labels: Labels) -> None:
    words, resent = hear(LabelRecogniser(recording, labels, exact=True), recording * 3)
    assert texts(words) == ["One", "two", "three.", "Four", "five."] * 3
    assert len({word.sentence for word in words}) == 6
    assert resent == []


def test_audio_sent_again_soon_is_noticed_once(recording: bytes, labels: Labels) -> None:
    recogniser = LabelRecogniser(recording, labels, exact=True)
    first, _ = hear(recogniser, ms(recording, 900, 2000))
    again, resent = hear(recogniser, ms(recording, 1600, 2300), at_s=1.2)
    assert texts(first) == ["One", "two"]
    assert len(resent) == 1
    assert resent[0].duration_ms >= 200
    assert abs(resent[0].first_stream_ms - 700) <= 100
    assert "three." in texts(again)


def test_the_next_audio_and_quiet_audio_are_not_called_resent(recording: bytes, labels: Labels) -> None:
    recogniser = LabelRecogniser(recording, labels, exact=True)
    hear(recogniser, ms(recording, 0, 1500))
    assert hear(recogniser, ms(recording, 1500, 2900), at_s=1.5)[1] == []
    assert hear(recogniser, ms(recording, 2300, 2900), at_s=3.0)[1] == []


@pytest.mark.parametrize("change", ["louder", "telephone"])
def test_changed_audio_is_found_by_likeness(recording: bytes, labels: Labels, change: str) -> None:
    if change == "louder":
        pcm = audioop.mul(recording, 2, 1.3)
    else:
        pcm = resample(resample(recording, 16_000, 8_000), 8_000, 16_000)
    recogniser = LabelRecogniser(recording, labels, exact=change == "louder")
    words, _ = hear(recogniser, pcm)
    assert texts(words + recogniser.finish().words) == ["One", "two", "three.", "Four", "five."]
    assert abs(words[0].start_ms - 1000) <= 100


def test_likeness_transcribes_nothing_that_did_not_come(recording: bytes, labels: Labels) -> None:
    softer = audioop.mul(recording, 2, 0.7)
    recogniser = LabelRecogniser(recording, labels, exact=False)
    words, _ = hear(recogniser, softer[3000 * 32 : 4300 * 32] + bytes(32_000))
    assert texts(words + recogniser.finish().words) == ["Four", "five."]


def test_runs_name_stream_and_recording_places(recording: bytes) -> None:
    aligner = Aligner(recording, exact=True)
    piece = recording[40_000:60_000]
    (run,) = aligner.push(voice(1_000, 55) + piece)
    assert (run.stream_start, run.recording_start, run.samples) == (1_000, 20_000, 10_000)


@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        {"sentences": [{"text": "a"}]},
        {"sentences": [{"text": "a", "start_ms": 5, "end_ms": 5}]},
        {"sentences": [{"text": "a", "start_ms": "x", "end_ms": 5}]},
        {"sentences": [{"text": "a", "start_ms": 0, "end_ms": float("inf")}]},
        {"sentences": ["a"]},
    ],
)
def test_malformed_labels_are_refused(value: object) -> None:
    with pytest.raises(MediaError, match="malformed"):
        parse_labels(value)


def test_a_sentence_without_words_is_one_word() -> None:
    labels = parse_labels({"sentences": [{"text": "Front center.", "start_ms": 0, "end_ms": 900}]})
    assert [word.text for word in labels.words] == ["Front center."]
