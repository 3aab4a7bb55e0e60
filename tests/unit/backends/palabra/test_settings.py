from typing import Any

import pytest

from satellite.backends.palabra import settings
from satellite.backends.palabra.settings import Preprocessing, Queue, Transcription, Translation, changed
from satellite.core.section import Section
from tests.fakes.sections import RefusedError, made


@pytest.mark.parametrize("section", [Preprocessing, Transcription, Translation, Queue])
def test_nothing_is_sent_of_what_is_left_as_it_is(section: type[Section]) -> None:
    assert changed(section()) == {}


def test_what_is_changed_is_sent_in_its_place() -> None:
    given: dict[str, Any] = {
        "asr_model": "large",
        "speakers_total": 2,
        "detectable_languages": ["en", "de"],
        "sentence_splitter": {"advanced": {"context_size": 10}},
        "verification": {"auto_transcription_correction": True},
    }
    assert changed(made(Transcription, given)) == given


def test_a_value_that_is_named_as_it_is_anyway_is_not_sent() -> None:
    assert changed(made(Queue, {"auto_tempo": True, "max_tempo": 1.5})) == {"max_tempo": 1.5}


@pytest.mark.parametrize("seconds", [0.2, 2.1])
def test_the_silence_that_confirms_a_sentence_has_its_bounds(seconds: float) -> None:
    with pytest.raises(RefusedError):
        made(Transcription, {"segment_confirmation_silence_threshold": seconds})


def test_the_defaults_are_those_that_are_published() -> None:
    queue, speech = Queue(), settings.SpeechGeneration()
    assert (queue.desired_queue_level_ms, queue.max_queue_level_ms) == (5000, 20_000)
    assert (queue.min_tempo, queue.max_tempo) == (1.15, 1.45)
    assert Transcription().segment_confirmation_silence_threshold == 0.7
    assert speech.voice_timbre_detection.high_timbre_voices == ("default_high",)
    assert Translation().translate_partial_transcriptions is False
