from typing import Any

import pytest

from satellite.backends.base import SessionState
from satellite.backends.palabra.inbox import FLOOD_MESSAGES, Inbox
from satellite.backends.palabra.jobs import Jobs, Say
from satellite.backends.palabra.options import PalabraOptions
from satellite.backends.palabra.steering import Steering, TaskState
from satellite.core.events import (
    SessionFailed,
    SpeechCancelled,
    SpeechChunk,
    TranscriptUpdated,
    UtteranceSettled,
    VoiceEvent,
)
from satellite.errors import ErrorCategory
from tests.unit.backends.palabra.stage import (
    PAIR,
    confirmed,
    conversation,
    error,
    guessed,
    heard,
    message,
    options,
    spoken,
    task_is,
    translated,
)

PCM = b"\x00\x10" * 480


class Scene:
    def __init__(self, given: PalabraOptions | None = None, **changes: Any) -> None:
        self.shared = conversation(given, **changes)
        self.shared.life.state = SessionState.STREAMING
        self.steering = Steering({}, self.shared.life, self.shared.commands)
        self.jobs = Jobs(self.shared.life, self.shared.commands, "en", self.shared.setup.speech_language)
        self.inbox = Inbox(self.shared, self.steering, self.jobs)

    def running(self) -> "Scene":
        self.steering.state = TaskState.RUNNING
        return self

    def says(self, data: str | bytes, now: float = 1.0) -> bool:
        return self.inbox.take(data, now)

    def events(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.all_events() if isinstance(event, kind)]

    def all_events(self) -> list[VoiceEvent]:
        return self.shared.life.take_events()

    @property
    def ignored(self) -> int:
        return self.shared.counters.ignored_messages


def room() -> PalabraOptions:
    return options(**PAIR, transport="webrtc")


def test_the_task_runs() -> None:
    scene = Scene()
    scene.steering.ask(0.0)
    scene.steering.next_step()[1](0.0)
    assert not scene.says(task_is("paused"))
    assert scene.says(task_is("running"))
    assert scene.ignored == 0


def test_text_and_its_speech() -> None:
    scene = Scene()
    scene.says(heard("a", "Good"))
    scene.says(confirmed("a", "Good."))
    scene.says(translated("a", "Gut."))
    assert len(scene.events(TranscriptUpdated)) == 3
    assert scene.inbox.expected_until == 11.0
    scene.says(spoken("a", PCM, last=True))
    (chunk,) = scene.events(SpeechChunk)
    assert (chunk.text, chunk.data) == ("Gut.", (PCM,))
    assert scene.inbox.expected_until < 0
    assert (scene.ignored, scene.inbox.deadline) == (0, None)


def test_provisional_translations_are_not_spoken() -> None:
    scene = Scene()
    scene.says(guessed("a", "Gut"))
    assert scene.inbox.is_tentative
    scene.says(spoken("a", PCM))
    assert scene.events(SpeechChunk) == []
    assert scene.inbox.deadline == 2.5
    scene.inbox.deadline_reached(2.5)
    assert len(scene.events(SpeechChunk)) == 1


def test_other_languages_are_written_and_not_spoken() -> None:
    scene = Scene(target_languages=("fr", "de"))
    scene.says(translated("a", "Bon.", language="fr"))
    scene.says(spoken("a", PCM, language="fr"))
    assert scene.inbox.expected_until < 0
    assert scene.events(SpeechChunk) == []
    assert scene.ignored == 0
    scene.says(spoken("a", PCM, language="es"))
    assert scene.ignored == 1


def test_without_a_spoken_language_speech_is_of_no_use() -> None:
    scene = Scene(speech_language=None)
    scene.says(translated("a", "Gut."))
    scene.says(spoken("a", PCM))
    scene.inbox.track_audio("translation_de", PCM, 1.0)
    scene.inbox.deadline_reached(9.0)
    assert scene.events(SpeechChunk) == []
    assert scene.ignored == 1
    assert scene.inbox.expected_until < 0


def test_deflated_speech_is_inflated_where_it_was_asked_for() -> None:
    import zlib  # noqa: PLC0415 - for this test only

    scene = Scene(options(speech_format="zlib_pcm_s16le"))
    scene.says(translated("a", "Gut."))
    scene.says(spoken("a", zlib.compress(PCM)))
    assert scene.events(SpeechChunk)[0].data == (PCM,)


@pytest.mark.parametrize(
    ("name", "plays"), [("translation_de", 1), ("TRANSLATION_DE-AT", 1), ("translation_fr", 0), ("music", 0)]
)
def test_a_room_speaks_on_the_track_of_the_language(name: str, plays: int) -> None:
    scene = Scene(room())
    scene.says(translated("a", "Gut."))
    assert scene.inbox.sounds_until == 11.0
    scene.inbox.track_audio(name, PCM, 2.0)
    assert len(scene.events(SpeechChunk)) == plays
    scene.says(spoken("a", PCM))
    assert scene.ignored == 1


def test_a_socket_has_no_tracks() -> None:
    scene = Scene()
    scene.inbox.track_audio("translation_de", PCM, 2.0)
    assert scene.events(SpeechChunk) == []
    assert scene.inbox.sounds_until < 0


def test_cancelled_speech_is_dropped_here_and_at_the_loudspeaker() -> None:
    scene = Scene()
    scene.says(confirmed("a", "Good."))
    scene.all_events()
    scene.inbox.cancel(2.0)
    assert scene.all_events() == [SpeechCancelled("cancelled on request")]
    scene.says(spoken("a", PCM))
    assert scene.all_events() == []
    for other in (Scene(room()), Scene(speech_language=None)):
        other.inbox.cancel(2.0)
        assert other.all_events() == [SpeechCancelled("cancelled on request")]


def test_the_end_settles_what_was_sent() -> None:
    scene = Scene()
    scene.shared.progress.spoke("u1")
    scene.shared.progress.ended("u1", 0.5)
    scene.says(message("eos"))
    assert scene.inbox.is_over
    assert scene.all_events() == [UtteranceSettled("u1")]


def test_known_messages_that_say_nothing() -> None:
    scene = Scene()
    for data in ("{}", message("warning", code="VOICE_NOT_FOUND"), message("tts_buffer_stats")):
        scene.says(data)
    assert (scene.ignored, scene.all_events()) == (0, [])


def test_what_is_of_no_use_is_counted() -> None:
    scene = Scene()
    for data in ("{", b"\xff", message("surprise"), message("validated_transcription")):
        scene.says(data)
    assert scene.ignored == 4


def test_a_flood_of_it_is_the_end() -> None:
    scene = Scene()
    for number in range(FLOOD_MESSAGES + 1):
        scene.says("{", number / 1000)
    (event,) = scene.all_events()
    assert isinstance(event, SessionFailed)
    assert event.detail == "the service sent 1001 messages of no use within 10 s"
    slow = Scene()
    for number in range(FLOOD_MESSAGES + 10):
        slow.says("{", number / 50)
    assert slow.all_events() == []


def test_an_error_goes_to_whom_it_concerns() -> None:
    scene = Scene()
    scene.steering.ask(0.0)
    scene.says(error("NOT_FOUND"))
    assert (scene.ignored, scene.all_events()) == (0, [])
    scene.running().jobs.ask(Say(text="x"))
    scene.jobs.step(1.0)
    scene.says(error("VALIDATION_ERROR", "no"))
    assert scene.jobs.is_idle
    assert scene.ignored == 0
    scene.says(error("VALIDATION_ERROR", "whatever"))
    assert scene.ignored == 1


@pytest.mark.parametrize(
    ("code", "category", "detail", "wait_s"),
    [
        (1006, ErrorCategory.CONNECTIVITY, "the stream ended with 1006: gone", None),
        (1008, ErrorCategory.RATE_LIMIT, "the stream ended with 1008: gone", 60.0),
    ],
)
def test_the_cause_of_an_end(code: int, category: ErrorCategory, detail: str, wait_s: float | None) -> None:
    assert Scene().inbox.cause(code, "gone", 5.0) == SessionFailed(category, detail, None, wait_s)
    assert Scene().inbox.cause(code, "", 5.0).detail == f"the stream ended with {code}"


def test_an_error_shortly_before_it_is_the_cause() -> None:
    scene = Scene().running()
    scene.says(error("SERVICE_TIMEOUT", "no input"), 1.0)
    assert scene.inbox.cause(1008, "x", 11.0) == SessionFailed(
        ErrorCategory.CONNECTIVITY, "the stream ended with 1008 after SERVICE_TIMEOUT no input"
    )
    assert scene.inbox.cause(1008, "x", 11.1).category is ErrorCategory.RATE_LIMIT
