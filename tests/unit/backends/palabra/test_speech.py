from satellite.backends.lifecycle import Lifecycle
from satellite.backends.palabra.messages import OutputAudio
from satellite.backends.palabra.speech import HELD_BYTES, MAX_TEXTS, MessageSpeech
from satellite.core.events import SpeechChunk

PCM = bytes(range(200)) * 24  # 100 ms


def audio(sentence_id: str, data: bytes = PCM, part: str = "0", *, last: bool = False) -> OutputAudio:
    return OutputAudio(sentence_id, part, "de", data, last)


class Scene:
    def __init__(self) -> None:
        self.life = Lifecycle()
        self.speech = MessageSpeech("de", self.life)

    def heard(self) -> list[tuple[bytes, str | None]]:
        chunks = self.life.take_events()
        for chunk in chunks:
            assert isinstance(chunk, SpeechChunk)
            assert (chunk.language, chunk.content_type) == ("de", "audio/pcm;encoding=s16le;rate=24000")
            assert chunk.duration_ms == round(sum(map(len, chunk.data)) / 48)
        return [(b"".join(chunk.data), chunk.text) for chunk in chunks if isinstance(chunk, SpeechChunk)]


def test_speech_begins_with_its_text() -> None:
    scene = Scene()
    scene.speech.concluded(("a", "0"), "Hallo.", 0.0)
    scene.speech.take(audio("a"), 0.1)
    scene.speech.take(audio("a"), 0.1)
    scene.speech.take(audio("a", b"", last=True), 0.2)
    assert scene.heard() == [(PCM, "Hallo."), (PCM, None)]
    assert scene.speech.deadline is None


def test_more_is_expected_until_the_last_piece() -> None:
    scene = Scene()
    assert scene.speech.until < 0
    scene.speech.concluded(("a", "0"), "Hallo.", 0.0)
    assert scene.speech.until == 10.0
    scene.speech.take(audio("a"), 3.0)
    assert scene.speech.until == 13.0
    scene.speech.take(audio("a", last=True), 4.0)
    assert scene.speech.until < 0


def test_speech_waits_a_moment_for_its_text() -> None:
    scene = Scene()
    scene.speech.take(audio("a"), 1.0)
    scene.speech.take(audio("a"), 1.1)
    assert scene.heard() == []
    assert scene.speech.deadline == 2.5
    scene.speech.concluded(("a", "0"), "Hallo.", 1.2)
    assert scene.heard() == [(PCM, "Hallo."), (PCM, None)]


def test_and_goes_on_without_it() -> None:
    scene = Scene()
    scene.speech.take(audio("a"), 1.0)
    scene.speech.deadline_reached(2.5)
    assert scene.heard() == [(PCM, "")]


def test_order_is_kept_while_something_waits() -> None:
    scene = Scene()
    scene.speech.concluded(("b", "0"), "Zwei.", 1.0)
    scene.speech.take(audio("a"), 1.0)
    scene.speech.take(audio("b"), 1.1)
    assert scene.heard() == []
    scene.speech.concluded(("a", "0"), "Eins.", 1.2)
    assert scene.heard() == [(PCM, "Eins."), (PCM, "Zwei.")]


def test_no_more_waits_than_is_bearable() -> None:
    scene = Scene()
    scene.speech.take(audio("a", bytes(HELD_BYTES)), 1.0)
    assert scene.heard() == []
    scene.speech.take(audio("a"), 1.0)
    assert [text for _, text in scene.heard()] == ["", None]


def test_each_part_has_its_text() -> None:
    scene = Scene()
    scene.speech.concluded(("a", "0"), "Eins", 0.0)
    scene.speech.concluded(("a", "1"), "zwei.", 0.0)
    scene.speech.take(audio("a"), 0.1)
    scene.speech.take(audio("a", part="1"), 0.1)
    assert [text for _, text in scene.heard()] == ["Eins", "zwei."]


def test_a_sample_in_two_messages_is_one_sample() -> None:
    scene = Scene()
    scene.speech.concluded(("a", "0"), "x", 0.0)
    scene.speech.take(audio("a", b"\x01\x02\x03"), 0.1)
    scene.speech.take(audio("a", b"\x04\x05\x06"), 0.1)
    assert [pcm for pcm, _ in scene.heard()] == [b"\x01\x02", b"\x03\x04\x05\x06"]


def test_half_a_sample_is_not_carried_into_another_sentence() -> None:
    scene = Scene()
    scene.speech.concluded(("a", "0"), "x", 0.0)
    scene.speech.concluded(("b", "0"), "y", 0.0)
    scene.speech.take(audio("a", b"\x01"), 0.1)
    scene.speech.take(audio("b", b"\x05\x06"), 0.1)
    assert scene.heard() == [(b"", "x"), (b"\x05\x06", "y")]


def test_cancelled_speech_is_not_waited_for() -> None:
    scene = Scene()
    scene.speech.concluded(("a", "0"), "x", 0.0)
    scene.speech.take(audio("b"), 0.1)
    scene.speech.cancel()
    assert scene.speech.until < 0
    assert scene.speech.deadline is None


def test_what_is_remembered_has_its_bound() -> None:
    scene = Scene()
    for number in range(3 * MAX_TEXTS):
        scene.speech.concluded((str(number), "0"), "x", 0.0)
    assert len(scene.speech._texts) == len(scene.speech._awaited) == MAX_TEXTS
