"""What the service says, led to those whom it concerns."""

from typing import Any

import pytest

from satellite.backends.flood import FLOOD_MESSAGES
from satellite.backends.vurbo.arguments import Retranslate, TtsPlay
from satellite.backends.vurbo.inbox import LINGER_S, MAX_BAD_AUDIO
from satellite.core.events import (
    ActionAnswered,
    SessionEnded,
    SessionFailed,
    SessionOpened,
    SpeechChunk,
    TranscriptUpdated,
    UtteranceSettled,
)
from satellite.errors import ErrorCategory
from tests.unit.backends.vurbo.stage import (
    TASK,
    Talking,
    connected,
    event,
    result,
    segments,
    started,
    status,
    streaming,
    texts,
    translation,
)
from tests.unit.backends.vurbo.test_speech import encoded, wav


def ignored(book: Talking) -> int:
    return book.session.counters.ignored_messages


def failures(book: Talking) -> list[SessionFailed]:
    return book.all(SessionFailed)


def stopping(**changes: Any) -> Talking:
    """Something was said, and the session is about to end."""
    book = streaming(**changes)
    book.speaks("u1", 1.0).falls_silent("u1")
    book.says(result(1, "One.")).finish().after(0.2)
    book.says(status())
    return book


def test_the_recording_s_id_is_told_for_support() -> None:
    book = connected()
    book.skip().says(started()).expect(SessionOpened(resumed=False, trace_id=TASK))
    again = streaming().says(started(task_id="another"))
    assert again.all(SessionOpened) == [SessionOpened(resumed=False, trace_id=TASK)]
    nameless = connected()
    nameless.skip().says(event("session_started")).expect(SessionOpened(resumed=False))


def test_useless_messages_are_counted() -> None:
    book = streaming()
    book.says(event("mood_changed")).says(b"\x00").says('{"type":"weather"}').says(event("result"))
    assert ignored(book) == 4
    book.says('{"type":"health","data":{"action":"pong"}}').hears_of("stt_event", state="up").says(status())
    assert ignored(book) == 4


def test_a_flood_of_them_is_the_end() -> None:
    book = streaming()
    for _ in range(FLOOD_MESSAGES + 1):
        book.says(event("mood_changed"))
    assert [failure.category for failure in failures(book)] == [ErrorCategory.SERVER]


@pytest.mark.parametrize("text", ["{not json", "[1]"])
def test_what_is_no_message_is_the_end(text: str) -> None:
    book = streaming().says(text)
    assert [failure.category for failure in failures(book)] == [ErrorCategory.SERVER]
    assert ignored(book) == 1


def test_the_recording_is_stored_and_the_session_over() -> None:
    book = stopping(target_languages=())
    book.hears_of("task_complete", task_id=TASK)
    assert book.all(UtteranceSettled) == [UtteranceSettled("u1")]
    assert book.all(SessionEnded) == [SessionEnded("finished", expected=True)]


def test_what_is_late_is_waited_for_a_moment() -> None:
    book = stopping()
    book.hears_of("task_complete", task_id=TASK).after(0.5)
    assert book.all(SessionEnded) == []
    book.says(translation(1, "Eins."))
    assert book.all(SessionEnded) == [SessionEnded("finished", expected=True)]


def test_but_no_longer() -> None:
    book = stopping()
    book.hears_of("task_complete", task_id=TASK).after(LINGER_S + 0.1)
    assert book.all(SessionEnded) == [SessionEnded("finished", expected=True)]


def test_a_recording_that_is_complete_while_it_goes_on_is_not() -> None:
    book = streaming().hears_of("task_complete", task_id=TASK)
    assert book.all(SessionEnded) == []


@pytest.mark.parametrize("severity", ["fatal", "error", "warning"])
def test_an_error_about_a_sentence_never_ends_a_session(severity: str) -> None:
    book = streaming()
    book.speaks("u1", 1.0).says(result(1, "One.")).says(translation(1, "Ei", final=False))
    for code in ("translation_failed", "audio_process_failed", "session_not_started"):
        book.fails(code, severity, sid=1)
    assert failures(book) == []
    assert book.all(TranscriptUpdated)[-1].tentative == ()
    assert texts(book) == ["One."]


@pytest.mark.parametrize(
    ("code", "severity", "category"),
    [
        ("brand_new", "fatal", ErrorCategory.SERVER),
        ("audio_process_failed", "error", ErrorCategory.SERVER),
        ("session_not_started", "error", ErrorCategory.SERVER),
        ("auth_budget_exceeded", "fatal", ErrorCategory.QUOTA),
        ("auth_invalid_api_key", "fatal", ErrorCategory.AUTHENTICATION),
    ],
)
def test_an_error_of_the_session_is_its_end(code: str, severity: str, category: ErrorCategory) -> None:
    assert [failure.category for failure in failures(streaming().fails(code, severity))] == [category]


@pytest.mark.parametrize(
    ("code", "severity"),
    [
        ("brand_new", "error"),
        ("brand_new", "warning"),
        ("session_already_paused", "warning"),
        ("speaker_not_found", "error"),
    ],
)
def test_an_answer_to_nothing_is_passed_over(code: str, severity: str) -> None:
    book = streaming().fails(code, severity)
    assert failures(book) == []
    assert ignored(book) == 1


def test_audio_that_is_refused_again_and_again_is_the_end() -> None:
    book = streaming()
    book.speaks("u1", 1.0)
    for _ in range(MAX_BAD_AUDIO - 1):
        book.fails("audio_decode_failed")
    book.says(result(1, "One", final=False))
    for _ in range(MAX_BAD_AUDIO - 1):
        book.fails("audio_decode_failed")
    assert failures(book) == []
    book.fails("audio_invalid_format")
    assert [failure.category for failure in failures(book)] == [ErrorCategory.INVALID_REQUEST]


def test_it_may_come_as_an_action() -> None:
    book = streaming().says(event("error", error_code="audio_process_failed", severity="error"))
    assert len(failures(book)) == 1


def test_speech_and_its_failure_are_led_on() -> None:
    book = streaming(speech_language="de")
    book.speaks("u1", 1.0).says(result(1, "One.")).says(translation(1, "Eins."))
    book.asks("tts_play", TtsPlay(sid=1)).hears_of("tts_ready", sid=1, audio=encoded(wav()))
    assert [chunk.text for chunk in book.all(SpeechChunk)] == ["Eins."]
    assert book.all(ActionAnswered) == [ActionAnswered("tts_play")]
    book.says(result(2, "Two.")).says(translation(2, "Zwei.")).hears_of("tts_error", sid=2)
    book.hears_of("tts_ready", sid=3, audio="")
    assert ignored(book) == 1


def test_what_is_translated_anew_is_an_answer() -> None:
    book = streaming().asks("retranslate", Retranslate(sid=4, translation_languages=("de",), text="Hi."))
    book.says(translation(4, "Hallo.", is_retranslation=True))
    assert book.all(ActionAnswered) == [ActionAnswered("retranslate", {"sid": 4, "translations": {"de": "Hallo."}})]


def test_a_speaker_s_new_name_is_shown() -> None:
    book = streaming().hears_of("speaker_renamed", speaker_id="Guest-1", new_label="Ann")
    book.speaks("u1", 1.0).says(result(1, "One.", speaker_id="Guest-1"))
    assert [segment.speaker for segment in segments(book)] == ["Ann"]


def test_an_error_that_is_an_answer_is_no_more_than_that() -> None:
    book = streaming().asks("tts_play", TtsPlay(sid=9)).fails("tts_segment_not_found")
    assert book.all(ActionAnswered)[0].reason == "there is no sentence with this sid (tts_segment_not_found)"
    assert failures(book) == []
    assert ignored(book) == 0
