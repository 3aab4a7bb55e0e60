"""Sentences by number: tentative, concluded once, dated, translated."""

from typing import Any

import pytest

from satellite.backends.vurbo.sentences import MAX_KNOWN, MAX_OPEN, MAX_OWED, MAX_SPEAKERS, MAX_UNASKED
from satellite.core.events import Segment, SpeechChunk, Stream, TranscriptUpdated, UtteranceSettled
from tests.fakes.playbook import WALL_S
from tests.unit.backends.vurbo.stage import (
    Talking,
    conversing,
    event,
    options,
    origin,
    result,
    segments,
    streaming,
    texts,
    translation,
)
from tests.unit.backends.vurbo.test_speech import encoded, wav


def last(book: Talking, stream: Stream = Stream.SOURCE) -> TranscriptUpdated:
    return [update for update in book.all(TranscriptUpdated) if update.stream is stream][-1]


def speaking(**changes: Any) -> Talking:
    """Somebody speaks for two seconds."""
    book = streaming(**changes)
    book.speaks("u1", 2.0)
    return book


def test_a_sentence_grows_and_is_concluded_once() -> None:
    book = speaking()
    book.says(result(1, "The washing", final=False))
    assert [segment.text for segment in last(book).tentative] == ["The washing"]
    book.says(result(1, "The washing machine is done."))
    assert last(book).tentative == ()
    book.says(result(1, "THE WASHING MACHINE IS DONE."))
    book.says(result(1, "The washing", final=False))
    assert texts(book) == ["The washing machine is done."]
    assert segments(book)[0].utterance_id == "u1"
    assert segments(book)[0].language == "en"


def test_blanks_stand_between_sentences_where_the_language_has_them() -> None:
    book = speaking()
    book.says(result(1, "One.")).says(result(2, "Two.", final=False)).says(result(3, "Three.", final=False))
    assert [segment.text for segment in last(book).tentative] == [" Two.", " Three."]
    book.says(result(2, "Two."))
    assert texts(book) == ["One.", " Two."]
    other = streaming(source_language="ja")
    other.speaks("u1", 1.0)
    other.says(result(1, "はい。", language="ja-JP")).says(result(2, "いいえ。", language="ja-JP"))
    assert texts(other) == ["はい。", "いいえ。"]


def test_a_first_tail_has_no_blank_before_it() -> None:
    book = speaking()
    book.says(result(1, "One", final=False)).says(result(2, "Two", final=False))
    assert [segment.text for segment in last(book).tentative] == ["One", " Two"]
    book.says(translation(1, "Eins", final=False)).says(translation(2, "Zwei", final=False))
    assert [segment.text for segment in last(book, Stream.TARGET).tentative] == ["Eins", " Zwei"]


def test_sentences_lie_where_they_were_spoken() -> None:
    """The first word's text comes 0.7 s after the word began; the service names the whole second."""
    book = streaming()
    book.speaks("u1", 3.0)
    book.says(result(1, "Good", final=False, start_time="00:02"))
    book.speaks("u1", 1.0)
    book.says(result(1, "Good morning.", final=False)).says(result(1, "Good morning."))
    (segment,) = segments(book)
    assert segment.start_s - WALL_S == pytest.approx(2.4, abs=0.2)
    assert segment.end_s - WALL_S == pytest.approx(3.8, abs=0.2)


@pytest.mark.parametrize(
    ("start_time", "final", "begins_s"),
    [
        (None, False, 3.3),
        ("00:01", False, 1.5),
        ("00:03", False, 3.3),
        ("00:04", False, 4.0),
        ("00:59", False, 3.3),
        (None, True, 0.0),
        ("00:02", True, 2.5),
        ("00:00", True, 0.0),
    ],
)
def test_a_second_that_cannot_be_is_not_believed(start_time: str | None, final: bool, begins_s: float) -> None:
    book = streaming()
    book.speaks("u1", 4.0)
    more = {} if start_time is None else {"start_time": start_time}
    book.says(result(1, "Now.", final=final, **more)).says(result(1, "Now."))
    assert segments(book)[0].start_s - WALL_S == pytest.approx(begins_s, abs=0.2)


def test_translations_have_the_times_of_what_they_translate() -> None:
    book = speaking()
    book.says(translation(1, "Zu früh", final=False))
    book.says(result(1, "One", final=False)).says(translation(1, "Eins", final=False))
    book.says(result(1, "One.")).says(translation(1, "Eins."))
    (source,), (target,) = segments(book), segments(book, Stream.TARGET)
    assert (target.start_s, target.end_s, target.utterance_id) == (source.start_s, source.end_s, "u1")
    assert (target.language, target.text) == ("de", "Eins.")
    assert last(book, Stream.TARGET).tentative == ()


def test_text_that_is_translated_anew_is_never_told() -> None:
    book = speaking()
    book.says(result(1, "One.")).says(translation(1, "Eins."))
    book.says(translation(1, "Ein.", is_retranslation=True))
    book.says(event("batch_retranslation", sid=1, translations={"es-ES": {"sid": 1, "text": "Uno.", "is_final": True}}))
    book.says(translation(1, "Uno.", "es-ES"))
    assert texts(book, Stream.TARGET) == ["Eins."]
    assert book.session.counters.ignored_messages == 0


def test_what_is_empty_is_concluded_without_a_word() -> None:
    book = speaking()
    book.says(result(1, "Hm", final=False)).says(result(1, " ")).says(translation(1, ""))
    assert texts(book) == []
    assert texts(book, Stream.TARGET) == []
    assert last(book).tentative == ()


def test_an_utterance_is_settled_when_its_text_is_final() -> None:
    book = speaking().says(result(1, "One", final=False)).falls_silent("u1").after(3.0)
    assert book.all(UtteranceSettled) == []
    book.says(result(1, "One.")).after(1.1)
    assert book.all(UtteranceSettled) == [UtteranceSettled("u1")]


def test_a_sentence_that_failed_is_no_longer_waited_for() -> None:
    book = speaking(speech_language="de")
    book.says(result(1, "One.")).says(translation(1, "Eins", final=False))
    book.fails("translation_failed", severity="fatal", sid=1)
    assert last(book, Stream.TARGET).tentative == ()
    book.fails("translation_failed", severity="fatal", sid=7)
    book.says(result(2, "Two.")).says(translation(2, "Zwei."))
    book.hears_of("tts_error", sid=2)
    assert texts(book) == ["One.", " Two."]
    assert not book.session._sentences.owes  # type: ignore[attr-defined]  # a Vurbo session


def test_speech_that_never_comes_is_not_waited_for() -> None:
    book = speaking(speech_language="de")
    book.says(result(1, "One.")).says(translation(1, "Eins."))
    book.says(result(2, "Two.")).says(translation(2, "Zwei."))
    book.hears_of("tts_error", sid=9).hears_of("tts_error")
    book.hears_of("tts_ready", audio=encoded(wav()))
    assert [chunk.text for chunk in book.all(SpeechChunk)] == [" Zwei.".strip()]


def test_speech_of_a_language_finds_its_sentence() -> None:
    book = conversing("auto")
    book.speaks("u1", 2.0)
    book.says(result(1, "One.")).says(translation(1, "Eins."))
    book.says(result(2, "Zwei.", language="de-DE")).says(translation(2, "Two.", "en-US"))
    book.hears_of("tts_ready", language="en-US", audio=encoded(wav()))
    book.hears_of("tts_ready", language="fr-FR", audio=encoded(wav()))
    assert [(chunk.language, chunk.text) for chunk in book.all(SpeechChunk)][:1] == [("en", "Two.")]


def test_speakers_have_their_labels() -> None:
    book = streaming(options(recognition_mode="multi_speaker"))
    book.speaks("u1", 2.0)
    book.says(result(1, "One", final=False, speaker_id="Guest-1")).says(result(1, "One."))
    book.hears_of("speaker_renamed", speaker_id="Guest-1", new_label="Ann", affected_sids=[1])
    book.hears_of("speaker_renamed", speaker_id="Guest-2", affected_sids=[])
    book.says(result(2, "Two.", speaker_id="Guest-1")).says(result(3, "Three.", speaker_id="Guest-2"))
    assert [segment.speaker for segment in segments(book)] == ["Guest-1", "Ann", "Guest-2"]
    for number in range(MAX_SPEAKERS + 10):
        book.hears_of("speaker_renamed", speaker_id=f"Guest-{number}", new_label="x")
    assert len(book.session._sentences._labels) == MAX_SPEAKERS  # type: ignore[attr-defined]  # a Vurbo session


def test_a_sentence_may_not_say_its_language() -> None:
    book = speaking()
    book.says(event("result", origin={"sid": 1, "text": "One.", "is_final": True}))
    assert segments(book) == [Segment("One.", "en", segments(book)[0].start_s, segments(book)[0].end_s, "u1")]


def test_nothing_grows_without_end() -> None:
    book = speaking(speech_language="de")
    sentences = book.session._sentences  # type: ignore[attr-defined]  # a Vurbo session
    for sid in range(1, MAX_KNOWN + 20):
        book.says(event("result", origin=origin(sid, "x"), translations={"de-DE": {"sid": sid, "text": "y"}}))
    assert len(sentences._spans) == MAX_KNOWN
    assert len(sentences._final._sids) == MAX_KNOWN
    assert len(sentences._targets["de"].open) == MAX_OPEN
    assert len(sentences._targets["de"].owed) == MAX_OWED
    told = len(segments(book))
    book.says(result(3, "again"))
    assert len(segments(book)) == told, "what is long ago is final"
    for sid in range(1_000, 1_000 + MAX_OPEN + 9):
        book.says(result(sid, "x", final=False))
    assert len(sentences._open) == MAX_OPEN
    for number in range(MAX_UNASKED + 9):
        book.says(translation(1, "x", f"x{chr(97 + number)}-XX"))
    assert len(sentences._targets) == MAX_UNASKED
    assert book.session.counters.ignored_messages == 10


def test_other_languages_owe_nothing() -> None:
    book = speaking(speech_language="de")
    sentences = book.session._sentences  # type: ignore[attr-defined]  # a Vurbo session
    book.says(result(1, "One.")).says(translation(1, "Eins.")).says(result(2, "Two."))
    assert sentences.owes
    sentences.switched()
    assert not sentences.owes


def test_a_translation_may_come_before_its_source_is_final() -> None:
    book = speaking()
    book.says(result(1, "One", final=False)).says(translation(1, "Eins."))
    book.says(result(1, "One."))
    assert texts(book, Stream.TARGET) == ["Eins."]
    assert not book.session._sentences.owes  # type: ignore[attr-defined]  # a Vurbo session
