import json
from typing import Any

import pytest

from satellite.backends.base import CloseSocket, HttpRequest, SessionState
from satellite.backends.deepl.inbox import MAX_UNASKED
from satellite.backends.deepl.options import DeepLOptions
from satellite.backends.flood import FLOOD_MESSAGES, FLOOD_S
from satellite.core.events import (
    AudioLost,
    Segment,
    SessionEnded,
    SessionFailed,
    SpeechChunk,
    SpeechEnded,
    Stream,
    TranscriptUpdated,
    UtteranceSettled,
)
from satellite.errors import ErrorCategory
from tests.fakes.playbook import WALL_S, Like, Playbook
from tests.unit.backends.deepl.stage import (
    end_of,
    error,
    media,
    options,
    resumed,
    segment,
    source,
    streaming,
    target,
    ticket,
)

PCM = "audio/pcm;encoding=s16le;rate=24000"


def spoken_to(session_options: DeepLOptions | None = None, **changes: Any) -> Playbook:
    """Two seconds of an utterance were sent, beginning at 0.0 s; the end is known."""
    book = streaming(session_options, **changes).hears("u1", 100).speaks("u1", 2.0)
    return book.falls_silent("u1").skip()


def at(ms: float) -> float:
    return WALL_S + ms / 1000


def heard(text: str, start_ms: float, end_ms: float, language: str = "en") -> Segment:
    return Segment(text, language, at(start_ms), at(end_ms), "u1")


def ignored(book: Playbook) -> int:
    return book.session.counters.ignored_messages


def test_text_has_its_language_wall_clock_and_utterance() -> None:
    update = source([segment("Guten Tag.", 100, 900, language="de")], [segment(" How", 900, 1200)])
    spoken_to().says(update).expect(
        TranscriptUpdated(Stream.SOURCE, None, (heard("Guten Tag.", 100, 900, "de"),), (heard(" How", 900, 1200),))
    )


@pytest.mark.parametrize(
    ("configured", "received", "language"),
    [("en", "de/#", "en"), ("en", None, "en"), ("auto", None, "und"), ("en", "pt-BR", "pt-BR")],
)
def test_a_source_segment_without_usable_language(configured: str, received: Any, language: str) -> None:
    book = spoken_to(source_language=configured).says(source([segment("Hi", 0, 10, language=received)], []))
    (update,) = book.all(TranscriptUpdated)
    assert update.concluded[0].language == language


@pytest.mark.parametrize(
    ("received", "reported"), [("ZH-hans", "zh-Hans"), ("en", "en-GB"), ("en-GB", "en-GB"), ("fr", "fr"), ("zh", "zh")]
)
def test_translations_are_told_by_the_configured_spelling(received: str, reported: str) -> None:
    book = spoken_to(target_languages=("zh-Hans", "zh-Hant", "en-GB"))
    book.says(target(received, [segment("x", 0, 100)], [])).expect(
        TranscriptUpdated(Stream.TARGET, reported, (heard("x", 0, 100, reported),), ())
    )


def test_the_spoken_language_is_a_target_too() -> None:
    book = spoken_to(target_languages=("fr",), speech_language="de")
    (update,) = book.says(target("DE", [], [segment("x", 0, 1)])).all(TranscriptUpdated)
    assert update.language == "de"


def test_a_translation_into_nowhere_is_counted() -> None:
    update = json.dumps({"target_transcript_update": {"concluded": [], "tentative": []}})
    book = spoken_to(target_languages=("de", "fr")).says(update).says(target("de/#", [], [])).expect()
    assert ignored(book) == 2


def test_the_only_translation_needs_no_name() -> None:
    update = json.dumps({"target_transcript_update": {"concluded": [segment("x", 0, 10)], "tentative": []}})
    spoken_to().says(update).expect(TranscriptUpdated(Stream.TARGET, "de", (heard("x", 0, 10, "de"),), ()))


def test_a_translation_that_was_not_asked_for_keeps_its_name_or_goes() -> None:
    book = spoken_to(target_languages=())
    book.says(target("fr", [], [])).says('{"target_transcript_update":{}}').expect()
    assert ignored(book) == 2


def test_an_empty_update_clears() -> None:
    spoken_to().says(source([], [])).expect(TranscriptUpdated(Stream.SOURCE, None, (), ()))


def test_what_a_new_connection_repeats_is_dropped() -> None:

    first = [segment("Hello", 0, 500), segment("Hello", 0, 500)]
    book = spoken_to().says(source(first, [])).says(target("de", [segment("Hallo", 0, 500)], []))
    assert len(book.all(TranscriptUpdated)[0].concluded) == 2  # within a connection the service is taken at its word
    book.closes().answers(200, ticket("t2")).opens().skip()
    again = source([segment("Hello", 0, 500), segment(" you", 500, 900)], [])
    book.says(again).expect(TranscriptUpdated(Stream.SOURCE, None, (heard(" you", 500, 900),), ()))
    book.says(target("de", [segment("Hallo", 0, 500)], []))
    assert book.all(TranscriptUpdated)[-1].concluded == ()
    book.says(target("de", [segment("Hello", 0, 500)], []))
    assert len(book.all(TranscriptUpdated)[-1].concluded) == 1  # the same words of another stream are something else


@pytest.mark.parametrize("is_source", [True, False])
def test_a_new_connection_that_counts_from_zero_again_is_noticed(is_source: bool) -> None:
    def update(part: dict[str, Any]) -> str:
        return source([part], []) if is_source else target("de", [part], [])

    book = streaming().speaks("u1", 5.0).falls_silent("u1").says(update(segment("First.", 0, 4900)))
    resumed(book).speaks("u2", 2.0).says(update(segment("Second.", 100, 1500)))
    assert [text.concluded[0].utterance_id for text in book.all(TranscriptUpdated)] == ["u1", "u2"]


def test_a_new_connection_that_counts_on_is_left_alone() -> None:
    book = streaming().speaks("u1", 5.0).falls_silent("u1").says(source([segment("First.", 0, 4900)], []))
    resumed(book).speaks("u2", 2.0).says(source([segment("Second.", 5100, 6500)], []))
    assert [text.concluded[0].utterance_id for text in book.all(TranscriptUpdated)] == ["u1", "u2"]


def test_speech_is_handed_on_with_the_type_of_its_first_message() -> None:
    book = spoken_to(speech_language="de", target_languages=("de", "fr"))
    book.says(media([b"abcd"], content_type=f" {PCM}; ", duration=640, text="Hallo.")).says(
        media([b"ef", b"gh"], duration=580, text=None)
    )
    book.expect(
        SpeechChunk("de", PCM, (), (b"abcd",), 640, "Hallo."),
        SpeechChunk("de", PCM, (), (b"efgh",), 580, None),
    )
    book.says(end_of("target_media", language="DE")).expect(SpeechEnded("de"))


def test_headers_are_no_audio() -> None:
    book = spoken_to(options(speech_media="audio/opus"), speech_language="de")
    book.says(media([b"OpusHead", b"\xf8"], headers=1, text="Gern.")).expect(
        SpeechChunk("de", "audio/opus", (b"OpusHead",), (b"\xf8",), 0, "Gern.")
    )


def test_half_a_sample_of_a_dead_connection_is_forgotten() -> None:

    book = spoken_to(speech_language="de").says(media([b"abc"]))
    book.closes().answers(200, ticket("t2")).opens().says(media([b"de"]))
    assert [chunk.data for chunk in book.all(SpeechChunk)] == [(b"ab",), (b"de",)]


def test_words_without_audio_are_handed_on_and_nothing_at_all_is_not() -> None:
    book = spoken_to(speech_language="de").says(media([], text="Ja.")).says(media([]))
    book.expect(SpeechChunk("de", PCM, (), (), 0, "Ja."))
    assert ignored(book) == 1


@pytest.mark.parametrize("message", [media([b"ab"]), end_of("target_media", language="de")])
def test_speech_that_was_not_asked_for_is_counted(message: str) -> None:
    book = spoken_to().says(message)
    assert (book.all(SpeechChunk), book.all(SpeechEnded), ignored(book)) == ([], [], 1)


def test_unknown_messages_are_counted_and_change_nothing() -> None:
    book = spoken_to().says('{"mood":{}}').says("{}").says(end_of("target_transcript", language="de")).expect()
    assert (ignored(book), book.session.state) == (2, SessionState.STREAMING)


def test_a_few_messages_of_no_use_now_and_then_are_a_feature_to_come() -> None:
    book = spoken_to()
    for _ in range(3):
        for _ in range(FLOOD_MESSAGES):
            book.says('{"mood":{}}')
        book.after(FLOOD_S + 0.1)
    assert book.session.state is SessionState.STREAMING


def test_a_flood_of_messages_of_no_use_is_the_end() -> None:
    book = spoken_to()
    for _ in range(FLOOD_MESSAGES + 5):
        if book.session.state is SessionState.STREAMING:
            book.says('{"mood":{}}')
    (failure,) = book.all(SessionFailed)
    assert failure.category is ErrorCategory.SERVER
    assert failure.detail == f"the service sent {FLOOD_MESSAGES + 1} messages of no use within 10 s"
    assert ignored(book) == FLOOD_MESSAGES + 1


def test_one_envelope_can_be_a_flood() -> None:
    envelope = json.dumps({f"mood{number}": {} for number in range(3 * FLOOD_MESSAGES)})
    (failure,) = spoken_to().says(envelope).all(SessionFailed)
    assert "of no use" in failure.detail


def test_only_so_many_languages_are_told_that_nobody_asked_for() -> None:
    book = spoken_to(target_languages=("de", "fr"))
    for number in range(2 * MAX_UNASKED):
        book.says(target(f"x{number:02}", [], [])).says(target("x00", [], []))
    told = {update.language for update in book.all(TranscriptUpdated)}
    assert (len(told), ignored(book)) == (MAX_UNASKED, MAX_UNASKED)
    book.says(target("de", [], [segment("Ja", 0, 1)]))
    assert book.all(TranscriptUpdated)[-1].language == "de"


def test_the_end_of_the_transcript_settles_what_is_not_tentative() -> None:
    book = spoken_to().says(source([segment("Hi", 0, 500)], []))
    book.says(end_of("source_transcript")).expect(book.all(TranscriptUpdated)[0], UtteranceSettled("u1"))
    book.says(end_of("source_transcript")).expect()


def test_what_stays_tentative_is_never_settled() -> None:
    book = spoken_to().says(source([], [segment("Hi", 0, 500)])).says(end_of("stream"))
    assert book.all(UtteranceSettled) == []


def test_a_stream_that_the_service_ends_by_itself_was_not_expected() -> None:
    book = spoken_to().says(end_of("stream"))
    assert book.all(SessionEnded) == [SessionEnded("ended by the service", expected=False)]


def test_what_follows_the_end_in_one_envelope_is_not_read() -> None:
    book = spoken_to().says('{"end_of_stream":{},"error":{"error_code":500},"source_transcript_update":{}}')
    assert (book.session.state, book.all(TranscriptUpdated)) == (SessionState.CLOSED, [])


@pytest.mark.parametrize(
    ("code", "text", "category", "detail"),
    [
        (429, "Sending too fast", ErrorCategory.RATE_LIMIT, "the service reported error 429 (1): Sending too fast"),
        (456, "", ErrorCategory.QUOTA, "the service reported error 456 (1)"),
        ("?", "", ErrorCategory.SERVER, "the service reported error None (1)"),
    ],
)
def test_an_error_is_the_end(code: Any, text: str, category: ErrorCategory, detail: str) -> None:
    (failure,) = spoken_to().says(error(code, text)).all(SessionFailed)
    assert (failure.category, failure.detail) == (category, detail)


@pytest.mark.parametrize("message", [error(500), "nonsense"])
def test_audio_that_was_not_answered_is_lost_and_told_before_the_failure(message: str) -> None:
    book = streaming().speaks("u1", 3.1).skip()
    book.says(message).expect(CloseSocket(), AudioLost("u1", 49_600), Like(SessionFailed))


def test_what_is_no_message_is_a_fault_of_the_service() -> None:
    book = spoken_to().says(b"\x80")
    (failure,) = book.all(SessionFailed)
    assert (failure.category, ignored(book)) == (ErrorCategory.SERVER, 1)


@pytest.mark.parametrize(("concluded", "methods"), [(("de",), ["POST", "GET"]), (("de", "fr"), ["POST"])])
def test_a_tentative_translation_is_worth_a_reconnect(concluded: tuple[str, ...], methods: list[str]) -> None:
    book = spoken_to(target_languages=("de", "fr")).says(source([segment("Hi", 0, 10)], [])).after(2.0)
    for language in ("de", "fr"):
        book.says(target(language, [], [segment("x", 0, 10)]))
    for language in concluded:
        book.says(target(language, [segment("x", 0, 10)], []))
    book.finish().closes()
    assert [request.method for request in book.all(HttpRequest)] == methods
