from collections.abc import Callable
from typing import Any

import pytest

from satellite.backends.base import HttpFailed, HttpResponse, SessionState, SocketClosed
from satellite.backends.loopback.options import LoopbackOptions
from satellite.backends.loopback.session import LoopbackSession
from satellite.core.events import (
    Segment,
    SessionEnded,
    SessionOpened,
    SpeechChunk,
    Stream,
    TranscriptUpdated,
    UtteranceSent,
    UtteranceSettled,
)
from satellite.errors import LocalMisuse
from tests.fakes.playbook import WALL_S, Playbook, backlog_of, play
from tests.unit.backends.deepl.stage import setup

OPENED = SessionOpened(resumed=False)


def new_play(**changes: Any) -> Playbook:
    backlog = backlog_of(120)
    return play(LoopbackSession(LoopbackOptions(), setup(backlog, **changes)), backlog)


def update(stream: Stream, language: str | None, spoken_in: str, words: str, ms: float) -> TranscriptUpdated:
    return TranscriptUpdated(stream, language, (Segment(words, spoken_in, WALL_S, WALL_S + ms / 1000, "u1"),), ())


def test_an_utterance_is_answered_with_its_length_and_its_echo() -> None:
    book = new_play(target_languages=("fr", "de"), speech_language="de").start().expect(OPENED)
    book.hears("u1", 500).expect()
    book.falls_silent("u1")
    (echo,) = book.all(SpeechChunk)
    book.expect(
        UtteranceSent("u1"),
        update(Stream.SOURCE, None, "en", "0.5 seconds of speech.", 500),
        update(Stream.TARGET, "fr", "fr", "[fr] 0.5 seconds of speech.", 500),
        update(Stream.TARGET, "de", "de", "[de] 0.5 seconds of speech.", 500),
        echo,
        UtteranceSettled("u1"),
    )
    assert (echo.content_type, echo.duration_ms, echo.text) == (
        "audio/pcm;encoding=s16le;rate=16000",
        500,
        "[de] 0.5 seconds of speech.",
    )
    assert len(b"".join(echo.data)) == 16_000
    assert book.session.counters.sent_samples == 8_000


def test_text_only_and_an_unknown_language() -> None:
    book = new_play(source_language="auto", target_languages=()).waits("u1", 500).waits("u1", 500)
    book.backlog.end_utterance("u1")
    book.start().expect(
        OPENED,
        UtteranceSent("u1"),
        update(Stream.SOURCE, None, "und", "1.0 seconds of speech.", 500),
        UtteranceSettled("u1"),
    )


def test_an_end_without_audio_has_no_text() -> None:
    book = new_play().ended_elsewhere("u1").start()
    book.expect(OPENED, UtteranceSent("u1"), UtteranceSettled("u1"))


def test_a_very_long_utterance_is_not_echoed_whole() -> None:
    book = new_play(speech_language="de").start()
    for _ in range(70):
        book.hears("u1", 1000)
    (echo,) = book.falls_silent("u1").all(SpeechChunk)
    assert (echo.duration_ms, echo.text) == (60_000, "[de] 70.0 seconds of speech.")


def test_an_idle_session_ends() -> None:
    book = new_play(idle_close_s=5.0).start().after(3.0).hears("u1").after(4.9)
    assert book.session.state is SessionState.STREAMING
    book.session.deadline_reached(book.now)
    book.skip().after(0.2).expect(SessionEnded("idle", expected=True))
    book.session.deadline_reached(book.now)
    book.hears("u2").expect()


def test_finishing_answers_what_waits() -> None:
    book = new_play().waits("u1", 100)
    book.backlog.end_utterance("u1")
    book.finish()
    assert book.all(UtteranceSettled) == [UtteranceSettled("u1")]
    assert book.history[-1].what == SessionEnded("finished", expected=True)


def test_finishing_with_nothing_waiting_and_closing() -> None:
    new_play().finish().expect(SessionEnded("finished", expected=True)).close().finish().expect()
    new_play().start().skip().close().expect(SessionEnded("closed", expected=True))


@pytest.mark.parametrize(
    "call",
    [
        lambda session: session.start(0.0),
        lambda session: session.http_response(HttpResponse(200, {}, b""), 0.0),
        lambda session: session.http_failed(HttpFailed("x", was_sent=True), 0.0),
        lambda session: session.socket_opened(0.0),
        lambda session: session.message("{}", 0.0),
        lambda session: session.socket_closed(SocketClosed(was_open=True), 0.0),
        lambda session: session.pong(1, 0.0),
    ],
)
def test_there_is_no_service_to_hear_from(call: Callable[[LoopbackSession], None]) -> None:
    session = LoopbackSession(LoopbackOptions(), setup())
    session.start(0.0)
    with pytest.raises(LocalMisuse):
        call(session)
