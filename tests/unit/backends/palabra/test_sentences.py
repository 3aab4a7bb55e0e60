from typing import Any

import pytest

from satellite.backends.palabra.messages import Transcription
from satellite.backends.palabra.sentences import MAX_AWAITED, MAX_OPEN, MAX_REMEMBERED, Sentences
from satellite.core.audio import RATE_HZ
from satellite.core.events import Segment, Stream, TranscriptUpdated
from tests.unit.backends.palabra.stage import conversation

WALL_S = 1_000_000.0


class Scene:
    """Ten seconds of one utterance were sent."""

    def __init__(self, **changes: Any) -> None:
        self.shared = conversation(**changes)
        self.shared.timeline.sent(10 * RATE_HZ, WALL_S, "u1")
        self.shared.progress.spoke("u1")
        self.sentences = Sentences(self.shared)

    def hears(self, sentence_id: str, text: str, times: tuple[float, float] | None = None, **more: Any) -> "Scene":
        final, language = more.get("final", False), more.get("language", "en")
        times_ms = None if times is None else (times[0] * 1000, times[1] * 1000)
        self.sentences.source(Transcription(True, final, sentence_id, language, text, times_ms=times_ms), 1.0)
        return self

    def confirms(self, sentence_id: str, text: str, times: tuple[float, float] | None = None, **more: Any) -> "Scene":
        return self.hears(sentence_id, text, times, final=True, **more)

    def translates(self, sentence_id: str, text: str, part: str = "0", **more: Any) -> str | None:
        final, language = more.get("final", True), more.get("language", "de")
        return self.sentences.target(Transcription(False, final, sentence_id, language, text, part, more.get("times")))

    def updates(self) -> list[TranscriptUpdated]:
        return [event for event in self.shared.life.take_events() if isinstance(event, TranscriptUpdated)]

    def texts(self) -> list[tuple[str | None, list[str], list[str]]]:
        return [
            (update.language, [each.text for each in update.concluded], [each.text for each in update.tentative])
            for update in self.updates()
        ]


def test_provisional_text_is_replaced_and_concluded_once() -> None:
    scene = Scene().hears("a", "Good").hears("a", "Good morning").confirms("a", "Good morning.")
    scene.hears("a", "Good mo").confirms("a", "Good morning!")
    assert scene.texts() == [
        (None, [], [" Good"]),
        (None, [], [" Good morning"]),
        (None, [" Good morning."], []),
    ]


def test_the_tail_holds_every_open_sentence_in_its_order() -> None:
    scene = Scene().hears("a", "One").hears("b", "Two").confirms("a", "One.")
    assert scene.texts()[1:] == [(None, [], [" One", " Two"]), (None, [" One."], [" Two"])]


def test_text_without_letters_shows_nothing() -> None:
    scene = Scene().hears("a", "Hm").hears("a", " ").hears("b", "So").confirms("b", "")
    assert scene.texts() == [(None, [], [" Hm"]), (None, [], []), (None, [], [" So"]), (None, [], [])]


def test_times_are_those_of_the_audio() -> None:
    (update,) = Scene().confirms("a", "Good.", (2.0, 3.5)).updates()
    assert update.concluded == (Segment(" Good.", "en", WALL_S + 2.0, WALL_S + 3.5, "u1"),)


def test_without_times_it_was_now_or_when_it_was_before() -> None:
    scene = Scene().hears("a", "Good", (2.0, 3.5)).confirms("a", "Good.").confirms("b", "Day.")
    *_, first, second = scene.updates()
    assert (first.concluded[0].start_s, first.concluded[0].end_s) == (WALL_S + 2.0, WALL_S + 3.5)
    assert second.concluded[0].start_s == second.concluded[0].end_s == WALL_S + 10.0


@pytest.mark.parametrize(
    ("configured", "received", "shown"),
    [
        ("en-GB", "en", "en-GB"),
        ("en", None, "en"),
        ("en", "fr", "fr"),
        ("en", "no tag!", "en"),
        ("auto", "fr", "fr"),
        ("auto", None, "und"),
    ],
)
def test_the_spoken_language_keeps_its_spelling(configured: str, received: str | None, shown: str) -> None:
    scene = Scene(source_language=configured).confirms("a", "x", language=received)
    assert scene.updates()[0].concluded[0].language == shown


def test_translations_have_the_times_of_their_sentence() -> None:
    scene = Scene().confirms("a", "Good.", (2.0, 3.5))
    scene.updates()
    assert scene.translates("a", "Gut.") == "de"
    (update,) = scene.updates()
    assert update == TranscriptUpdated(
        Stream.TARGET, "de", (Segment(" Gut.", "de", WALL_S + 2.0, WALL_S + 3.5, "u1"),), ()
    )


def test_a_translation_on_its_own_has_its_own_times() -> None:
    scene = Scene()
    scene.translates("a", "Gut.", times=(1000.0, 2000.0))
    assert scene.updates()[0].concluded[0].start_s == WALL_S + 1.0


def test_parts_are_sentences_of_their_own_and_repeats_are_none() -> None:
    scene = Scene()
    assert scene.translates("a", "Gut", "0") == "de"
    assert scene.translates("a", "Morgen.", "1") == "de"
    assert scene.translates("a", "Morgen.", "1", language="de-at") is None
    assert scene.texts() == [("de", [" Gut"], []), ("de", [" Morgen."], [])]


def test_provisional_translations() -> None:
    scene = Scene()
    assert scene.translates("a", "Gut", final=False) is None
    before = scene.sentences.is_tentative
    scene.translates("a", "Gut.")
    assert (before, scene.sentences.is_tentative) == (True, False)
    assert scene.texts() == [("de", [], [" Gut"]), ("de", [" Gut."], [])]


def test_results_have_the_configured_spelling() -> None:
    scene = Scene(target_languages=("EN",), speech_language=None, source_language="de")
    assert scene.translates("a", "Good.", language="en-us") == "EN"
    assert scene.translates("b", "Good.", language=None) == "EN"


def test_a_language_that_nobody_asked_for_is_counted() -> None:
    scene = Scene(target_languages=("de", "fr"))
    assert scene.translates("a", "Bueno.", language="es") is None
    assert scene.translates("b", "Bueno.", language=None) is None
    assert scene.shared.counters.ignored_messages == 2
    assert scene.texts() == []


def test_translations_of_what_is_final_are_awaited() -> None:
    scene = Scene(target_languages=("de", "fr")).hears("a", "x")
    assert scene.sentences.awaited_until < 0
    scene.confirms("a", "x.")
    assert scene.sentences.awaited_until == 11.0
    scene.translates("a", "y.")
    assert scene.sentences.awaited_until == 11.0
    scene.translates("a", "", language="fr")
    assert scene.sentences.awaited_until < 0


def test_what_is_cancelled_never_comes_back() -> None:
    scene = Scene().hears("a", "Good").confirms("b", "Day.")
    scene.translates("c", "Gut", final=False)
    scene.texts()
    scene.sentences.cancel(5.0)
    assert scene.texts() == [(None, [], []), ("de", [], [])]
    assert scene.sentences.awaited_until < 0
    assert not scene.shared.progress.is_tentative
    scene.confirms("a", "Good.")
    scene.translates("b", "Tag.")
    assert scene.texts() == []
    assert scene.sentences.is_cancelled("a")
    assert scene.sentences.is_cancelled("b")
    assert not scene.sentences.is_cancelled("d")


def test_cancelling_where_nothing_is_open_says_nothing() -> None:
    scene = Scene()
    scene.sentences.cancel(5.0)
    assert scene.texts() == []


def test_what_is_remembered_has_its_bounds() -> None:
    scene = Scene()
    for number in range(MAX_REMEMBERED + 10):
        scene.hears(f"open{number}", "x")
        scene.confirms(f"final{number}", "x")
    assert len(scene.sentences._open[None]) == MAX_OPEN
    assert len(scene.sentences._awaited) == MAX_AWAITED
    assert len(scene.sentences._spans) == MAX_REMEMBERED
