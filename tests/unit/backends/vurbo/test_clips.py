"""Clips on their way to the loudspeaker."""

from typing import Any

from satellite.core.events import SpeechChunk, Stream
from tests.unit.backends.vurbo.stage import Talking, conversing, result, streaming, texts, translation
from tests.unit.backends.vurbo.test_speech import encoded, wav

PCM = "audio/pcm;encoding=s16le;rate=24000"


def translated(**changes: Any) -> Talking:
    """Two sentences were said and translated."""
    book = streaming(speech_language="de", **changes)
    book.speaks("u1", 2.0)
    book.says(result(1, "One.")).says(translation(1, "Eins.")).says(result(2, "Two.")).says(translation(2, "Zwei."))
    return book


def spoken(book: Talking) -> list[tuple[str, str, str | None]]:
    return [(chunk.language, chunk.content_type, chunk.text) for chunk in book.all(SpeechChunk)]


def test_a_clip_is_one_piece_with_the_text_of_its_sentence() -> None:
    book = translated()
    book.hears_of("tts_ready", sid=2, audio=encoded(wav()))
    book.hears_of("tts_ready", audio=encoded(b"OggS...."))
    assert spoken(book) == [("de", PCM, "Zwei."), ("de", "audio/ogg", "Eins.")]
    first = book.all(SpeechChunk)[0]
    assert (first.headers, first.data, first.duration_ms) == ((), (b"\1\0" * 2400,), 100)


def test_what_is_played_again_belongs_to_no_sentence_that_waits() -> None:
    book = translated()
    for _ in range(2):
        book.hears_of("tts_ready", sid=1, language="de-DE", audio=encoded(wav()))
    assert spoken(book) == [("de", PCM, "Eins."), ("de", PCM, "")]


def test_a_form_that_cannot_be_played_is_told_once_and_text_goes_on() -> None:
    book = translated()
    book.hears_of("tts_ready", sid=1, audio=encoded(b"\1\2\3\4"))
    book.hears_of("tts_ready", sid=2)
    assert book.all(SpeechChunk) == [SpeechChunk("de", "application/octet-stream", (), (), 0, "Eins.")]
    assert book.session.counters.ignored_messages == 2
    book.says(result(3, "Three.")).says(translation(3, "Drei."))
    assert texts(book, Stream.TARGET) == ["Eins.", " Zwei.", " Drei."]


def test_speech_that_nobody_asked_for_is_not_played() -> None:
    book = streaming()
    book.hears_of("tts_ready", sid=1, language="de-DE", audio=encoded(wav()))
    other = conversing("auto")
    other.hears_of("tts_ready", audio=encoded(wav()))
    assert spoken(book) + spoken(other) == []
    assert book.session.counters.ignored_messages == other.session.counters.ignored_messages == 1
