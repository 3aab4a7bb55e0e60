from typing import Any

from satellite.backends.palabra.task import task
from tests.unit.backends.palabra.stage import KEY, PAIR, options, setup

TYPES = ["partial_transcription", "validated_transcription", "translated_transcription"]


def pipeline(given: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = task(options(**(given or {})), setup(**changes))["pipeline"]
    return found


def test_the_smallest_task_says_nothing_that_the_service_knows() -> None:
    assert task(options(), setup(target_languages=("de", "en"), source_language="es-MX")) == {
        "input_stream": {
            "content_type": "audio",
            "source": {"type": "ws", "format": "pcm_s16le", "sample_rate": 16_000, "channels": 1},
        },
        "output_stream": {"content_type": "audio", "target": {"type": "ws", "format": "pcm_s16le"}},
        "pipeline": {
            "transcription": {"source_language": "es"},
            "translations": [{"target_language": "de"}, {"target_language": "en-us"}],
            "allowed_message_types": TYPES,
        },
    }


def test_without_speech_there_is_no_output() -> None:
    assert task(options(), setup(speech_language=None))["output_stream"] is None


def test_in_a_room_streams_have_no_format() -> None:
    found = task(options(**PAIR, transport="webrtc"), setup())
    assert found["input_stream"] == {"content_type": "audio", "source": {"type": "webrtc"}}
    assert found["output_stream"] == {"content_type": "audio", "target": {"type": "webrtc"}}


def test_settings_go_where_they_belong() -> None:
    given = {
        "speech_format": "zlib_pcm_s16le",
        "preprocessing": {"pre_vad_denoise": True},
        "transcription": {"denoise": "alpha"},
        "translation": {"style": "formal", "translate_partial_transcriptions": True},
        "queue": {"desired_queue_level_ms": 6000},
    }
    found = pipeline(given, source_language="auto")
    assert found["preprocessing"] == {"pre_vad_denoise": True}
    assert found["transcription"] == {"source_language": "auto", "denoise": "alpha"}
    assert found["translations"][0]["style"] == "formal"
    assert found["translation_queue_configs"] == {"global": {"desired_queue_level_ms": 6000}}
    assert found["allowed_message_types"] == [*TYPES, "partial_translated_transcription"]
    streams = task(options(**given), setup())
    assert streams["output_stream"]["target"]["format"] == "zlib_pcm_s16le"


def test_the_voice_is_for_the_language_that_is_spoken() -> None:
    found = pipeline(target_languages=("de", "fr"), speech_voice="default_high")["translations"]
    assert found == [
        {"target_language": "de", "speech_generation": {"voice_id": "default_high"}},
        {"target_language": "fr"},
    ]


def test_a_cloned_voice_has_no_name() -> None:
    given = {"api_key": KEY, "translation": {"speech_generation": {"voice_cloning": True}}}
    found = pipeline(given, speech_voice="default_high")["translations"]
    assert found == [{"target_language": "de", "speech_generation": {"voice_cloning": True}}]
