"""One utterance: its streams, its deadlines, its record."""

import pytest

from satellite.core.events import Segment
from satellite.core.utterance import (
    MAX_CHARACTERS,
    MAX_LANGUAGES,
    MAX_SEGMENTS,
    BookSettings,
    StreamText,
    Utterance,
)

NOON = 1_795_262_400.0
NOTHING: frozenset[str | None] = frozenset()


def segment(text: str, start_s: float = 0.0, end_s: float = 1.0, language: str = "en") -> Segment:
    return Segment(text, language, NOON + start_s, NOON + end_s, "u1")


def utterance(*targets: str, speech: str | None = None) -> Utterance:
    return Utterance("u1", NOON - 0.4, NOON, BookSettings(tuple(targets), speech))


def sent(*targets: str, speech: str | None = None) -> Utterance:
    """Ended at 10, sent at 11."""
    made = utterance(*targets, speech=speech)
    made.ended(NOON + 2, "silence", 10)
    made.sent(11)
    return made


# --- StreamText ---------------------------------------------------------------------------------------------------


def test_pieces_join_with_nothing_between_and_are_stripped_as_a_whole() -> None:
    text = StreamText()
    assert [text.append(segment(piece)) for piece in (" Accendi", " la", "luce", " ")] == [1, 2, 3, None]
    assert text.text == "Accendi laluce"


def test_an_empty_stream() -> None:
    text = StreamText()
    assert (text.text, text.language, text.start_s, text.end_s) == ("", None, None, None)


def test_blank_pieces_take_no_number_and_set_no_end() -> None:
    text = StreamText()
    assert text.append(segment("")) is None
    assert text.append(segment("a", 0, 1)) == 1
    assert text.append(segment("b", -0.3, 0.5)) == 2
    assert (text.start_s, text.end_s) == (NOON - 0.3, NOON + 1)


def test_the_language_is_the_one_of_most_of_the_text() -> None:
    text = StreamText()
    for piece, language in (("ok", "en"), ("natürlich", "de"), ("fine", "en")):
        text.append(segment(piece, language=language))
    assert text.language == "de"


@pytest.mark.parametrize(
    ("other", "is_held"),
    [
        (segment("ja", 0, 1, "de"), True),
        (segment(" ja", 0, 1, "de"), False),
        (segment("ja", 0, 1, "en"), False),
        (segment("ja", 0.1, 1, "de"), False),
        (segment("ja", 0, 1.1, "de"), False),
    ],
)
def test_duplicates(other: Segment, is_held: bool) -> None:
    text = StreamText()
    text.append(segment("ja", 0, 1, "de"))
    assert text.holds(other) is is_held


def test_text_without_length_is_never_a_duplicate() -> None:
    text = StreamText()
    text.append(segment("no", 2, 2))
    assert not text.holds(segment("no", 2, 2))


# --- settings -----------------------------------------------------------------------------------------------------


def test_a_spoken_language_is_expected_as_text_too() -> None:
    assert BookSettings(("fr",), "de").expected_languages == ("fr", "de")
    assert BookSettings(("fr", "de"), "de").expected_languages == ("fr", "de")
    assert BookSettings(("fr",), None).expected_languages == ("fr",)


# --- when it is done ----------------------------------------------------------------------------------------------


def test_never_while_audio_is_missing() -> None:
    talking = utterance()
    assert talking.done_at(NOTHING, owes_speech=False) is None
    talking.sent(5)
    assert talking.done_at(NOTHING, owes_speech=False) is None
    waiting = utterance()
    waiting.ended(NOON + 2, "silence", 10)
    assert waiting.done_at(NOTHING, owes_speech=False) is None


def test_source_settles_after_silence() -> None:
    made = sent()
    assert made.done_at(NOTHING, owes_speech=False) == 11 + 3
    made.heard(None, 12)
    assert made.done_at(NOTHING, owes_speech=False) == 12 + 3
    made.heard("de", 13)
    assert made.done_at(NOTHING, owes_speech=False) == 12 + 3
    made.settled(13)
    assert made.done_at(NOTHING, owes_speech=False) == 13


def test_settled_stands_for_sent() -> None:
    made = utterance()
    made.ended(NOON + 2, "silence", 10)
    made.settled(12)
    assert made.done_at(NOTHING, owes_speech=False) == 12


def test_settled_before_the_end_says_nothing_about_audio_to_come() -> None:
    made = utterance()
    made.settled(9)
    made.ended(NOON + 2, "silence", 10)
    assert made.done_at(NOTHING, owes_speech=False) is None
    made.sent(11)
    assert made.done_at(NOTHING, owes_speech=False) == 11 + 3


def test_tentative_source_text_is_waited_for_longer() -> None:
    made = sent()
    made.heard(None, 12)
    assert made.done_at({None}, owes_speech=False) == 12 + 3 + 8


@pytest.mark.parametrize(("end_s", "done_at"), [(1.85, 11), (1.84, 12 + 8), (2.5, 11)])
def test_a_translation_must_reach_the_end_of_the_source(end_s: float, done_at: float) -> None:
    made = sent("de")
    made.stream(None).append(segment("yes", 0, 2))
    made.stream("de").append(segment("ja", 0, end_s, "de"))
    made.heard("de", 12)
    made.settled(11)
    assert made.done_at(NOTHING, owes_speech=False) == done_at


def test_a_translation_that_is_missing_or_tentative() -> None:
    made = sent("de", "fr")
    made.settled(11)
    assert made.done_at(NOTHING, owes_speech=False) == 11, "nothing said, nothing to translate"
    assert made.done_at({"fr"}, owes_speech=False) == 11 + 8
    made.stream(None).append(segment("yes", 0, 2))
    made.stream("de").append(segment("ja", 0, 2, "de"))
    made.heard("de", 14)
    assert made.done_at(NOTHING, owes_speech=False) == 14 + 8


def test_speech_that_is_owed() -> None:
    made = sent("de", speech="de")
    made.settled(11)
    assert made.done_at(NOTHING, owes_speech=True) == 11 + 8
    made.spoken("de", 500, 20)
    assert made.done_at(NOTHING, owes_speech=True) == 20 + 8
    assert made.done_at(NOTHING, owes_speech=False) == 11


def test_the_end_of_the_session_ends_what_was_sent() -> None:
    made = sent("de")
    made.session_over(was_tentative=False, is_final=False, now=12)
    assert made.done_at({None, "de"}, owes_speech=True) == 12


@pytest.mark.parametrize("has_ended", [True, False])
def test_the_end_of_the_session_does_not_end_what_waits_to_be_sent(has_ended: bool) -> None:
    made = utterance()
    if has_ended:
        made.ended(NOON + 2, "silence", 10)
    made.session_over(was_tentative=False, is_final=False, now=12)
    assert made.done_at(NOTHING, owes_speech=False) is None
    made.session_over(was_tentative=False, is_final=True, now=13)
    assert made.done_at(NOTHING, owes_speech=False) == 13


def test_lost_audio_is_waited_for_no_longer() -> None:
    made = utterance("de")
    made.ended(NOON + 2, "silence", 10)
    made.lost(12)
    assert made.done_at(NOTHING, owes_speech=False) == 12


# --- what is published --------------------------------------------------------------------------------------------


def test_noise_has_no_record() -> None:
    made = sent("de")
    made.stream(None).append(segment(" "))
    assert made.record(NOTHING) is None


def test_a_whole_record() -> None:
    made = sent("de", speech="fr")
    made.stream(None).append(segment(" Yes", 0, 1))
    made.stream(None).append(segment(", please.", 1, 2))
    made.stream("es").append(segment("Sí.", 0, 2, "es"))
    made.stream("fr").append(segment("Oui.", 0, 2, "fr"))
    made.stream("de").append(segment("Ja, bitte.", 0, 2, "de"))
    made.spoken("fr", 300, 12)
    made.spoken("fr", 200, 13)
    record = made.record(NOTHING)
    assert record is not None
    assert (record.id, record.start_s, record.end_s, record.reason) == ("u1", NOON, NOON + 2, "silence")
    assert (record.source_language, record.source_text) == ("en", "Yes, please.")
    assert record.translations == (("de", "Ja, bitte."), ("fr", "Oui."), ("es", "Sí."))
    assert (record.speech_language, record.speech_ms) == ("fr", 500)
    assert (record.lost_ms, record.complete) == (0, True)


@pytest.mark.parametrize(("start_s", "published"), [(-0.3, -0.3), (0.7, 0.7), (2.5, 2.5)])
def test_it_starts_with_its_first_words(start_s: float, published: float) -> None:
    made = sent()
    made.stream(None).append(segment("Yes", start_s, 3))
    record = made.record(NOTHING)
    assert record is not None
    assert record.start_s == NOON + published
    assert record.end_s == max(record.start_s, NOON + 2)


def test_without_source_text_it_starts_when_somebody_began() -> None:
    made = sent("de")
    made.stream("de").append(segment("Ja", 0.5, 1, "de"))
    record = made.record(NOTHING)
    assert record is not None
    assert record.start_s == NOON


def test_text_that_was_only_ever_tentative_is_news_without_words() -> None:
    made = sent("de")
    record = made.record({None})
    assert record is not None
    assert (record.source_text, record.complete) == ("", False)
    made.session_over(was_tentative=True, is_final=False, now=12)
    assert made.record(NOTHING) == record


def test_lost_audio_is_news_even_without_text() -> None:
    made = sent("de")
    made.lost_ms = 250.0
    record = made.record(NOTHING)
    assert record is not None
    assert (record.source_language, record.source_text, record.translations) == (None, "", ())
    assert (record.lost_ms, record.complete) == (250.0, False)


@pytest.mark.parametrize("case", ["tentative", "cut short", "untranslated", "unsent"])
def test_incomplete(case: str) -> None:
    made = utterance("de")
    made.ended(NOON + 2, "silence", 10)
    made.stream(None).append(segment("Yes"))
    if case != "untranslated":
        made.stream("de").append(segment("Ja", language="de"))
    if case != "unsent":
        made.sent(11)
    if case == "cut short":
        made.session_over(was_tentative=True, is_final=False, now=12)
    record = made.record({"de"} if case == "tentative" else NOTHING)
    assert record is not None
    assert not record.complete


def test_text_in_a_target_only_counts_as_whole() -> None:
    made = sent("de", "fr")
    made.stream("de").append(segment("Ja", language="de"))
    record = made.record(NOTHING)
    assert record is not None
    assert record.complete


def test_an_utterance_that_was_still_going_on_at_the_very_end() -> None:
    made = utterance()
    made.stream(None).append(segment("Ye", 0, 0.7))
    made.session_over(was_tentative=True, is_final=True, now=12)
    record = made.record(NOTHING)
    assert record is not None
    assert (record.end_s, record.reason, record.complete) == (NOON + 0.7, "session_over", False)


def test_distance() -> None:
    made = utterance()
    assert [made.distance_s(NOON + s) for s in (-3.4, -0.4, 99)] == [pytest.approx(3), 0, 0]
    made.ended(NOON + 2, "silence", 10)
    assert [made.distance_s(NOON + s) for s in (-3.4, 1, 6)] == [pytest.approx(3), 0, 4]


# --- memory -------------------------------------------------------------------------------------------------------


def test_segments_beyond_the_bound_are_numbered_and_not_kept() -> None:
    text = StreamText()
    numbers = [text.append(segment("a", at, at + 1)) for at in range(MAX_SEGMENTS + 10)]
    assert numbers[-1] == MAX_SEGMENTS + 10
    assert (len(text.text), text.is_cut) == (MAX_SEGMENTS, True)
    assert text.end_s == NOON + MAX_SEGMENTS + 10


def test_characters_beyond_the_bound_are_not_kept() -> None:
    text = StreamText()
    text.append(segment("a" * MAX_CHARACTERS))
    assert not text.is_cut
    text.append(segment("b", 1, 2))
    assert (len(text.text), text.is_cut) == (MAX_CHARACTERS, True)


def test_a_service_that_finds_ever_more_languages_is_not_followed() -> None:
    text = StreamText()
    for number in range(10 * MAX_LANGUAGES):
        text.append(segment("a", number, number + 1, f"x{number}"))
    text.append(segment("a", 0, 1, "x3"))
    text.append(segment("longer than that", 0, 1, "de"))
    assert text.language == "x3"


def test_what_was_published_is_known_and_not_kept() -> None:
    done = sent()
    done.stream(None).append(segment("Hello."))
    done.completed()
    assert done.stream(None).text == ""
    assert done.stream(None).holds(segment("Hello."))
    assert done.stream(None).append(segment("More.", 1, 2)) == 2


def test_an_utterance_of_which_text_was_not_kept_is_not_complete() -> None:
    done = sent()
    done.stream(None).append(segment("a" * (MAX_CHARACTERS + 1)))
    record = done.record(NOTHING)
    assert record is not None
    assert not record.complete
