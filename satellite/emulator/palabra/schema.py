"""The task as published (Palabra reference §8): every field, type and range, checked strictly."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


def _codes(text: str) -> frozenset[str]:
    return frozenset(text.split())


SOURCE_LANGUAGES = _codes(
    "auto ar ba be bg bn ca cs cy da de el en eo es et eu fa fi fr ga gl he hi hr hu ia id it ja ko lt lv mn mr ms mt "
    "nl no pl pt ro ru sk sl sv sw ta th tr ug uk ur vi yue zh"
)
TARGET_LANGUAGES = _codes(
    "ar ar-ae ar-sa az be bg bs ca cs cy da de el en-us en-gb en-au en-ca es es-mx et fi fil fr fr-ca gl he hi hr hu "
    "id is it ja kk ko lt lv mk ms nl no pl pt pt-br ro ru sk sl sr sv sw ta tr uk ur vi zh-hans zh-hant"
)
MESSAGE_TYPES = _codes(
    "partial_transcription validated_transcription translated_transcription partial_translated_transcription "
    "pipeline_timings tts_buffer_stats"
)
USUAL_MESSAGE_TYPES = _codes("partial_transcription validated_transcription translated_transcription")

_BOOL, _TEXT, _TEXTS, _NUMBER, _WHOLE = "a boolean", "a text", "a list of texts", "a number", "a whole number"
_OPTIONAL_TEXT = "a text or null"
Shape = str | dict[str, Any]

_SPLITTER: dict[str, Shape] = {
    "min_sentence_characters": _WHOLE,
    "min_sentence_seconds": _NUMBER,
    "min_split_interval": _NUMBER,
    "context_size": _WHOLE,
    "segments_after_restart": _WHOLE,
    "step_size": _WHOLE,
    "max_steps_without_eos": _WHOLE,
    "force_end_of_segment": _NUMBER,
    "force_split_min_characters": _WHOLE,
    "force_split_min_seconds": _NUMBER,
}
_SPEECH: dict[str, Shape] = {
    "voice_id": _TEXT,
    "voice_cloning": _BOOL,
    "voice_cloning_mode": _TEXT,
    "denoise_voice_samples": _BOOL,
    "voice_timbre_detection": {"enabled": _BOOL, "high_timbre_voices": _TEXTS, "low_timbre_voices": _TEXTS},
    "tts_model": _TEXT,
    "speech_tempo_auto": _BOOL,
    "speech_tempo_timings_factor": _NUMBER,
    "speech_tempo_adjustment_factor": _NUMBER,
    "advanced": {"f0_variance_factor": _NUMBER, "energy_variance_factor": _NUMBER, "with_custom_stress": _BOOL},
}
_QUEUE: dict[str, Shape] = {
    "desired_queue_level_ms": _NUMBER,
    "max_queue_level_ms": _NUMBER,
    "auto_tempo": _BOOL,
    "min_tempo": _NUMBER,
    "max_tempo": _NUMBER,
    "auto_tempo_max_delay_ms": _NUMBER,
    "tempo_decay": _NUMBER,
    "tempo_smoothing": _NUMBER,
}
_PREPROCESSING: dict[str, Shape] = {
    "enable_vad": _BOOL,
    "vad_threshold": _NUMBER,
    "vad_left_padding": _WHOLE,
    "vad_right_padding": _WHOLE,
    "pre_vad_denoise": _BOOL,
    "pre_vad_dsp": _BOOL,
    "record_tracks": _TEXTS,
    "auto_tempo": _BOOL,
    "normalize_audio": _BOOL,
}
_TRANSCRIPTION: dict[str, Shape] = {
    "source_language": _TEXT,
    "detectable_languages": _TEXTS,
    "segment_confirmation_silence_threshold": _NUMBER,
    "only_confirm_by_silence": _BOOL,
    "sentence_splitter": {"enabled": _BOOL, "splitter_model": _TEXT, "advanced": _SPLITTER},
    "asr_model": _TEXT,
    "denoise": _TEXT,
    "allow_hotwords_glossaries": _BOOL,
    "supress_numeral_tokens": _BOOL,
    "diarize_speakers": _BOOL,
    "batched_inference": _BOOL,
    "force_detect_language": _BOOL,
    "calculate_voice_loudness": _BOOL,
    "priority": _TEXT,
    "min_alignment_score": _NUMBER,
    "max_alignment_cer": _NUMBER,
    "speakers_total": _WHOLE,
    "verification": {
        "verification_model": _TEXT,
        "allow_verification_glossaries": _BOOL,
        "auto_transcription_correction": _BOOL,
        "transcription_correction_style": _OPTIONAL_TEXT,
    },
    "advanced": {"filler_phrases": {"enabled": _BOOL}, "ignore_languages": _TEXTS},
}
_TRANSLATION: dict[str, Shape] = {
    "target_language": _TEXT,
    "allowed_source_languages": _TEXTS,
    "translation_model": _TEXT,
    "allow_translation_glossaries": _BOOL,
    "style": _OPTIONAL_TEXT,
    "translate_partial_transcriptions": _BOOL,
    "speech_generation": _SPEECH,
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a task is refused: where, and a sentence."""

    loc: tuple[str, ...]
    msg: str


@dataclass(frozen=True, slots=True)
class Task:
    """What was asked for."""

    transport: str
    rate_hz: int
    channels: int
    source_language: str
    target_languages: tuple[str, ...]
    speaks: bool
    is_deflated: bool
    silence_s: float
    translates_partials: bool
    message_types: frozenset[str]
    voices: tuple[str, ...]


def check_task(data: Mapping[str, Any]) -> Refusal | Task:
    """The task that a decoded payload asks for, or the first rule it breaks."""
    unknown = data.keys() - {"input_stream", "output_stream", "pipeline"}
    if unknown:
        return Refusal((min(unknown),), "extra fields not permitted")
    pipeline = data.get("pipeline")
    if not isinstance(pipeline, dict):
        return Refusal(("pipeline",), "field required")
    return _check_streams(data) or _check_pipeline(pipeline) or _check_ranges(pipeline) or _task(data, pipeline)


def _check_streams(data: Mapping[str, Any]) -> Refusal | None:
    source = _end(data.get("input_stream"), "source")
    if not isinstance(source, dict):
        return Refusal(("input_stream", "source"), "an audio stream with a source is required")
    if "output_stream" not in data:
        return Refusal(("output_stream",), "field required")
    target = None if data["output_stream"] is None else _end(data["output_stream"], "target")
    if data["output_stream"] is not None and not isinstance(target, dict):
        return Refusal(("output_stream", "target"), "an audio stream with a target is required")
    if target is not None and target.get("type") != source.get("type"):
        return Refusal(("output_stream", "target", "type"), "must be the same as that of the input")
    if source.get("type") == "webrtc":
        extra = {**source, **(target or {})}.keys() - {"type"}
        return Refusal(("input_stream", "source"), f"{min(extra)} is not for webrtc") if extra else None
    return _check_socket_ends(source, target)


def _check_socket_ends(source: dict[str, Any], target: dict[str, Any] | None) -> Refusal | None:
    at = ("input_stream", "source")
    if source.get("type") != "ws" or source.keys() - {"type", "format", "sample_rate", "channels"}:
        return Refusal(at, "must be a ws or webrtc source with published fields")
    if source.get("format") not in ("pcm_s16le", "opus", "wav"):
        return Refusal((*at, "format"), "unknown format")
    rate = source.get("sample_rate")
    if not isinstance(rate, int) or not 16_000 <= rate <= 48_000:
        return Refusal((*at, "sample_rate"), "must be 16000 to 48000")
    if source.get("channels") not in (1, 2):
        return Refusal((*at, "channels"), "must be 1 or 2")
    if target is not None and target.get("format") not in ("pcm_s16le", "zlib_pcm_s16le"):
        return Refusal(("output_stream", "target", "format"), "unknown format")
    return None


def _end(stream: Any, name: str) -> Any:
    """The source or target of a stream; None where the stream is not as published."""
    if not isinstance(stream, dict) or stream.get("content_type") != "audio" or stream.keys() != {"content_type", name}:
        return None
    return stream[name]


def _check_pipeline(pipeline: dict[str, Any]) -> Refusal | None:
    known = {"preprocessing", "transcription", "translations", "translation_queue_configs", "allowed_message_types"}
    unknown = pipeline.keys() - known
    if unknown:
        return Refusal(("pipeline", min(unknown)), "extra fields not permitted")
    translations = pipeline.get("translations")
    if not isinstance(translations, list) or not translations:
        return Refusal(("pipeline", "translations"), "at least one is required")
    types = pipeline.get("allowed_message_types", [])
    if not isinstance(types, list) or set(types) - MESSAGE_TYPES:
        return Refusal(("pipeline", "allowed_message_types"), "unknown message type")
    found = _check_shape(pipeline.get("preprocessing", {}), _PREPROCESSING, ("pipeline", "preprocessing"))
    found = found or _check_shape(pipeline.get("transcription"), _TRANSCRIPTION, ("pipeline", "transcription"))
    for index, translation in enumerate(translations):
        found = found or _check_shape(translation, _TRANSLATION, ("pipeline", "translations", str(index)))
    queues = pipeline.get("translation_queue_configs", {})
    if not isinstance(queues, dict):
        return Refusal(("pipeline", "translation_queue_configs"), "must be an object")
    for name, queue in queues.items():
        found = found or _check_shape(queue, _QUEUE, ("pipeline", "translation_queue_configs", name))
    return found


def _check_shape(value: Any, shape: dict[str, Shape], at: tuple[str, ...]) -> Refusal | None:
    if not isinstance(value, dict):
        return Refusal(at, "must be an object")
    for name, entry in value.items():
        wanted = shape.get(name)
        if wanted is None:
            return Refusal((*at, name), "extra fields not permitted")
        if isinstance(wanted, dict):
            found = _check_shape(entry, wanted, (*at, name))
            if found is not None:
                return found
        elif not _is(entry, wanted):
            return Refusal((*at, name), f"must be {wanted}")
    return None


def _is(value: Any, wanted: str) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return {
        _BOOL: isinstance(value, bool),
        _TEXT: isinstance(value, str),
        _OPTIONAL_TEXT: value is None or isinstance(value, str),
        _TEXTS: isinstance(value, list) and all(isinstance(item, str) for item in value),
        _NUMBER: is_number,
        _WHOLE: is_number and isinstance(value, int),
    }[wanted]


def _check_ranges(pipeline: dict[str, Any]) -> Refusal | None:
    transcription = pipeline["transcription"]
    if transcription.get("source_language") not in SOURCE_LANGUAGES:
        return Refusal(("pipeline", "transcription", "source_language"), "unknown language")
    if not 0.3 <= transcription.get("segment_confirmation_silence_threshold", 0.7) <= 2.0:
        return Refusal(("pipeline", "transcription", "segment_confirmation_silence_threshold"), "must be 0.3 to 2.0")
    for index, translation in enumerate(pipeline["translations"]):
        at = ("pipeline", "translations", str(index))
        if translation.get("target_language") not in TARGET_LANGUAGES:
            return Refusal((*at, "target_language"), "unknown language")
        speech = translation.get("speech_generation", {})
        if speech.get("voice_cloning") and "voice_id" in speech:
            return Refusal((*at, "speech_generation", "voice_id"), "not together with voice_cloning")
    for name, queue in pipeline.get("translation_queue_configs", {}).items():
        if queue.get("max_queue_level_ms", 20_000) <= queue.get("desired_queue_level_ms", 5_000):
            where = ("pipeline", "translation_queue_configs", name, "max_queue_level_ms")
            return Refusal(where, "must be greater than desired_queue_level_ms")
    return None


def _task(data: Mapping[str, Any], pipeline: dict[str, Any]) -> Task:
    source = data["input_stream"]["source"]
    target = data["output_stream"]["target"] if data["output_stream"] is not None else None
    transcription, translations = pipeline["transcription"], pipeline["translations"]
    return Task(
        transport=source["type"],
        rate_hz=source.get("sample_rate", 48_000),
        channels=source.get("channels", 1),
        source_language=transcription["source_language"],
        target_languages=tuple(each["target_language"] for each in translations),
        speaks=target is not None,
        is_deflated=target is not None and target.get("format") == "zlib_pcm_s16le",
        silence_s=transcription.get("segment_confirmation_silence_threshold", 0.7),
        translates_partials=any(each.get("translate_partial_transcriptions") for each in translations),
        message_types=frozenset(pipeline.get("allowed_message_types", USUAL_MESSAGE_TYPES)),
        voices=tuple(
            voice for each in translations if (voice := each.get("speech_generation", {}).get("voice_id")) is not None
        ),
    )
