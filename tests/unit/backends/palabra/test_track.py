import pytest

from satellite.backends.lifecycle import Lifecycle
from satellite.backends.palabra.track import TrackSpeech
from satellite.core.events import SpeechChunk

LOUD = b"\x00\x10" * 2400  # 100 ms
FAINT = b"\x05\x00" * 2400
NEGATIVE = b"\x00\xf0" * 2400


class Scene:
    def __init__(self) -> None:
        self.life = Lifecycle()
        self.track = TrackSpeech("de", self.life)

    def heard(self) -> list[tuple[bytes, str | None]]:
        chunks = [chunk for chunk in self.life.take_events() if isinstance(chunk, SpeechChunk)]
        return [(b"".join(chunk.data), chunk.text) for chunk in chunks]


def test_silence_is_not_played() -> None:
    scene = Scene()
    for tenth in range(50):
        scene.track.take(FAINT, tenth / 10)
    scene.track.take(b"", 6.0)
    assert scene.heard() == []
    assert scene.track.until < 0


def test_sound_begins_with_the_text_that_waits_and_a_little_before_it() -> None:
    scene = Scene()
    scene.track.concluded("Hallo. ", 0.0)
    scene.track.concluded("Du.", 0.0)
    assert scene.track.until == 10.0
    scene.track.take(FAINT, 0.9)
    scene.track.take(LOUD, 1.0)
    assert scene.track.until == 1.4
    scene.track.take(NEGATIVE, 1.1)
    assert scene.heard() == [(FAINT + LOUD, "Hallo. Du."), (NEGATIVE, None)]


def test_pauses_within_speech_stay_and_what_follows_is_cut_off() -> None:
    scene = Scene()
    scene.track.take(LOUD, 1.0)
    for tenth in range(11, 20):
        scene.track.take(FAINT, tenth / 10)
    assert [len(pcm) for pcm, _ in scene.heard()] == [4800] * 4
    scene.track.take(LOUD, 2.0)
    assert scene.heard() == [(FAINT + LOUD, "")]


@pytest.mark.parametrize("pcm", [b"", b"\x7f"])
def test_a_piece_without_a_sample_is_no_speech(pcm: bytes) -> None:
    scene = Scene()
    scene.track.take(LOUD, 1.0)
    scene.track.take(pcm, 1.1)
    scene.track.concluded("Zwei.", 1.1)
    scene.track.take(pcm, 1.1)
    scene.track.take(LOUD, 1.2)
    assert scene.heard() == [(LOUD, ""), (LOUD, "Zwei.")]


def test_a_text_that_comes_while_it_sounds_begins_a_new_piece() -> None:
    scene = Scene()
    scene.track.take(LOUD, 1.0)
    scene.track.concluded("Zwei.", 1.05)
    scene.track.take(LOUD, 1.1)
    assert scene.heard() == [(LOUD, ""), (LOUD, "Zwei.")]


def test_a_cancelled_text_waits_no_longer() -> None:
    scene = Scene()
    scene.track.concluded("Eins.", 1.0)
    scene.track.cancel()
    assert scene.track.until < 0
    scene.track.take(LOUD + b"\x01", 2.0)
    assert scene.heard() == [(LOUD, "")]
