"""The `set_task` payload: streams, languages, and those settings that differ from the defaults (reference §8)."""

from typing import Any

from satellite.backends.base import VoiceChoice
from satellite.backends.palabra.languages import wire_source, wire_target
from satellite.backends.palabra.options import PalabraOptions, wanted_targets
from satellite.backends.palabra.settings import changed
from satellite.backends.tags import AUTO
from satellite.core.audio import RATE_HZ


def task(options: PalabraOptions, voice: VoiceChoice) -> dict[str, Any]:
    """What the service is to do."""
    transcription = {
        "source_language": voice.source_language
        if voice.source_language == AUTO
        else wire_source(voice.source_language),
        **changed(options.transcription),
    }
    pipeline: dict[str, Any] = {
        "transcription": transcription,
        "translations": [_translation(options, voice, target) for target in wanted_targets(voice)],
        "allowed_message_types": _message_types(options),
    }
    if preprocessing := changed(options.preprocessing):
        pipeline["preprocessing"] = preprocessing
    if queue := changed(options.queue):
        # beside the translations and not beside the pipeline, where some examples have it: §8.5
        pipeline["translation_queue_configs"] = {"global": queue}
    return {**_streams(options, voice), "pipeline": pipeline}


def _streams(options: PalabraOptions, voice: VoiceChoice) -> dict[str, Any]:
    source: dict[str, Any] = {"type": "webrtc"}
    target: dict[str, Any] = {"type": "webrtc"}
    if options.transport == "websocket":
        source = {"type": "ws", "format": "pcm_s16le", "sample_rate": RATE_HZ, "channels": 1}
        target = {"type": "ws", "format": options.speech_format}
    speaks = voice.speech_language is not None
    return {
        "input_stream": {"content_type": "audio", "source": source},
        "output_stream": {"content_type": "audio", "target": target} if speaks else None,
    }


def _translation(options: PalabraOptions, voice: VoiceChoice, target: str) -> dict[str, Any]:
    settings = changed(options.translation)
    speech = settings.pop("speech_generation", {})
    if voice.speech_voice is not None and not options.translation.speech_generation.voice_cloning:
        speech["voice_id"] = voice.speech_voice
    if speech and target == voice.speech_language:
        settings["speech_generation"] = speech
    return {"target_language": wire_target(target), **settings}


def _message_types(options: PalabraOptions) -> list[str]:
    """Exactly what is read."""
    types = ["partial_transcription", "validated_transcription", "translated_transcription"]
    if options.translation.translate_partial_transcriptions:
        types.append("partial_translated_transcription")
    return types
