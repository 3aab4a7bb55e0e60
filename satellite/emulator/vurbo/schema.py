"""The rules of `start` for each recording type, with the published error codes (Vurbo reference §3A.1, §4)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from satellite.emulator.vurbo.settings import Channel

TYPES = ("transcribe", "conversation", "record", "broadcast")
TEMPLATES = frozenset({"general", "meeting", "lecture"})
NAME_CHARACTERS = 60
PROMPT_CHARACTERS = 2_000
SLUG_CHARACTERS = 64

_CODE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?-([A-Z]{2}|[0-9]{3})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_TOKEN = re.compile(r"[a-z0-9]{4}")


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


_KNOWN = words(
    "action type transcription_languages translation_languages realtime_translation recognition_mode audio_format "
    "summary_template options tts_enabled tts_language tts_voice tts_mode tts_config active_language speakers "
    "conversation_mode broadcast_token broadcast_phase standby_message name summary_language summary_mode "
    "summary_prompt summary_prompt_slug summary_plain_text"
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error code of the service; `rule` names what a client must never do, where it is that."""

    code: str
    detail: str
    rule: str | None = None


@dataclass(slots=True)
class Course:
    """How a session runs: what `start` said, and what was changed since."""

    kind: str
    sources: list[str]
    targets: list[str]
    audio_format: str = "pcm"
    realtime: bool = False
    is_multi_speaker: bool = False
    mode: str = "auto"
    speakers: dict[int, str] = field(default_factory=dict)
    speaks: bool = False
    speech_language: str | None = None
    tts_mode: str = "sync"
    voices: dict[str, object] = field(default_factory=dict)
    phase: str = ""
    name: str = ""
    has_summary: bool = False
    is_paused: bool = False
    speaking: int | None = None
    is_ending_speech: bool = False
    request: Mapping[str, Any] = field(default_factory=dict)

    def targets_of(self, language: str) -> list[str]:
        """What something said in a language is translated to."""
        return [code for code in self.sources if code != language] if self.kind == "conversation" else self.targets

    def is_spoken(self, code: str) -> bool:
        """True when translations to this language are synthesised."""
        return self.speaks and (self.kind == "conversation" or code == self.speech_language)


def is_code(value: object) -> bool:
    """True for a language code with its region."""
    return isinstance(value, str) and _CODE.fullmatch(value) is not None


def check_start(data: Mapping[str, Any], channel: Channel) -> Course | Refusal:
    """The course that a `start` asks for, or what is wrong with it first."""
    refusal = next(_faults(data, channel), None)
    return _course(data, channel) if refusal is None else refusal


def _faults(data: Mapping[str, Any], channel: Channel) -> Iterator[Refusal]:
    unknown = sorted(set(data) - _KNOWN)
    if unknown:
        yield Refusal("invalid_data", f"unknown fields {unknown}", "unknown_field")
    if data.get("type") not in TYPES:
        yield Refusal("invalid_recording_type", f"type {data.get('type')!r:.40}", "invalid_recording_type")
        return
    kind = data["type"]
    if kind == "broadcast":
        yield from _broadcast_faults(data, channel)
    else:
        yield from _language_faults(data)
    if kind == "conversation":
        yield from _conversation_faults(data)
    yield from _form_faults(data)
    yield from _summary_faults(data)
    yield from _speech_faults(data)


def _language_faults(data: Mapping[str, Any]) -> Iterator[Refusal]:
    for name in ("transcription_languages", "translation_languages"):
        if name in data and not isinstance(data[name], list):
            yield Refusal("invalid_data", f"{name} is no array", "scalar_for_array")
            return
    sources = data.get("transcription_languages") or []
    if not sources:
        yield Refusal("missing_transcription_languages", "none given", "missing_transcription_languages")
    if len(sources) > 2:
        yield Refusal("too_many_languages", f"{len(sources)} given", "too_many_languages")
    for code in (*sources, *data.get("translation_languages", [])):
        if not is_code(code):
            yield Refusal("invalid_transcription_language", f"{code!r:.40}", "invalid_language")
    if data.get("recognition_mode") == "multi_speaker" and len(sources) > 1:
        yield Refusal("diarization_multilang_conflict", "two languages", "diarization_multilang_conflict")


def _conversation_faults(data: Mapping[str, Any]) -> Iterator[Refusal]:
    sources, speakers = data["transcription_languages"], data.get("speakers")
    rule = "bad_conversation"
    if len(sources) != 2:
        yield Refusal("conversation_requires_two_languages", f"{len(sources)} given", rule)
    elif sources[0] == sources[1]:
        yield Refusal("conversation_languages_identical", "both are the same", rule)
    if not isinstance(speakers, list):
        yield Refusal("invalid_data", "speakers is no array", "scalar_for_array" if speakers else rule)
        return
    pairs = [(each.get("id"), each.get("language")) if isinstance(each, dict) else (None, None) for each in speakers]
    if sorted(number for number, _ in pairs if isinstance(number, int)) != [1, 2] or len(pairs) != 2:
        yield Refusal("conversation_invalid_speaker", "speakers must be 1 and 2", rule)
    if {language for _, language in pairs} != set(sources):
        yield Refusal("conversation_invalid_language", "a speaker's language is none of the two", rule)
    if data.get("active_language", sources[0]) not in sources:
        yield Refusal("conversation_invalid_language", "active_language is none of the two", rule)
    if data.get("conversation_mode", "auto") not in ("auto", "manual"):
        yield Refusal("conversation_invalid_mode", "auto or manual", rule)
    if data.get("recognition_mode", "single") != "single":
        yield Refusal("invalid_data", "conversation with multi_speaker", "conversation_with_multi_speaker")


def _broadcast_faults(data: Mapping[str, Any], channel: Channel) -> Iterator[Refusal]:
    token = data.get("broadcast_token")
    if token is None:
        yield Refusal("broadcast_token_required", "none given", "broadcast_token_required")
    elif not isinstance(token, str) or not _TOKEN.fullmatch(token) or token != channel.token:
        yield Refusal("broadcast_token_invalid", "unknown or expired")
    if "audio_format" not in data:
        yield Refusal("invalid_data", "audio_format is required for a broadcast", "missing_audio_format")
    if data.get("broadcast_phase", "live") not in ("standby", "live"):
        yield Refusal("invalid_data", "broadcast_phase", "bad_value")


def _form_faults(data: Mapping[str, Any]) -> Iterator[Refusal]:
    if data.get("audio_format", "pcm") not in ("pcm", "webm"):
        yield Refusal("audio_format_unsupported", "pcm or webm", "bad_value")
    if data.get("recognition_mode", "single") not in ("single", "multi_speaker"):
        yield Refusal("invalid_data", "recognition_mode", "bad_value")
    for name in ("realtime_translation", "tts_enabled", "summary_plain_text"):
        if not isinstance(data.get(name, False), bool):
            yield Refusal("invalid_data", f"{name} is no boolean", "bad_value")
    name = data.get("name", "x")
    if not isinstance(name, str) or not 0 < len(name) <= NAME_CHARACTERS:
        yield Refusal("set_name_too_long", "name", "bad_value")


def _summary_faults(data: Mapping[str, Any]) -> Iterator[Refusal]:
    mode, template = data.get("summary_mode", "builtin"), data.get("summary_template")
    prompt, slug = data.get("summary_prompt"), data.get("summary_prompt_slug")
    if mode not in ("builtin", "custom"):
        yield Refusal("summary_invalid_mode", f"{mode!r:.40}", "summary_invalid_mode")
    mixed = mode == "builtin" and (prompt is not None or slug is not None)
    if mixed or (mode == "custom" and (prompt is None or slug is None or template is not None)):
        yield Refusal("summary_mode_field_mismatch", f"fields do not go with {mode}", "summary_fields")
    if prompt is not None and len(str(prompt)) > PROMPT_CHARACTERS:
        yield Refusal("summary_prompt_too_long", f"{len(str(prompt))} characters", "summary_prompt_too_long")
    if slug is not None and len(str(slug)) > SLUG_CHARACTERS:
        yield Refusal("summary_prompt_slug_too_long", f"{len(str(slug))} characters", "summary_prompt_slug_too_long")
    if slug is not None and _CONTROL.search(str(slug)):
        yield Refusal("summary_prompt_slug_invalid", "control characters", "summary_prompt_slug_invalid")
    if template is not None and template not in TEMPLATES:
        yield Refusal("invalid_summary_template", f"{template!r:.40}")
    if template is None and mode == "builtin" and data["type"] == "transcribe":
        yield Refusal("invalid_summary_template", "required for transcribe", "missing_summary_template")


def _speech_faults(data: Mapping[str, Any]) -> Iterator[Refusal]:
    if data.get("tts_mode", "sync") not in ("sync", "async"):
        yield Refusal("invalid_data", "tts_mode", "bad_value")
    language = data.get("tts_language")
    if language is not None and language not in data.get("translation_languages", []):
        yield Refusal("tts_invalid_language", f"{language!r:.40} is not translated to", "tts_invalid_language")
    config = data.get("tts_config", {})
    if not isinstance(config, dict) or not all(is_voice(each) for each in config.values()):
        yield Refusal("invalid_data", "tts_config", "bad_value")


def is_voice(value: object) -> bool:
    """True for `{"voice": ..., "speaking_rate": 0.5 to 2.0}`, either of them left out or not."""
    if not isinstance(value, dict) or set(value) - {"voice", "speaking_rate"}:
        return False
    rate = value.get("speaking_rate", 1.0)
    return isinstance(value.get("voice", ""), str) and isinstance(rate, int | float) and 0.5 <= rate <= 2.0


def _course(data: Mapping[str, Any], channel: Channel) -> Course:
    kind = data["type"]
    is_conversation, is_broadcast = kind == "conversation", kind == "broadcast"
    sources = [channel.transcription_language] if is_broadcast else list(data["transcription_languages"])
    targets = list(channel.translation_languages) if is_broadcast else list(data.get("translation_languages", []))
    return Course(
        kind=kind,
        sources=sources,
        targets=[] if is_conversation or kind == "record" else targets,
        audio_format=data.get("audio_format", "pcm"),
        realtime=data.get("realtime_translation", is_broadcast),
        is_multi_speaker=data.get("recognition_mode") == "multi_speaker",
        mode=data.get("conversation_mode", "auto"),
        speakers={each["id"]: each["language"] for each in data.get("speakers", [])} if is_conversation else {},
        speaks=not is_broadcast and data.get("tts_enabled", is_conversation),
        speech_language=data.get("tts_language"),
        tts_mode=data.get("tts_mode", "sync"),
        voices=dict(data.get("tts_config", {})),
        phase=data.get("broadcast_phase", "live") if is_broadcast else "",
        name=data.get("name", ""),
        has_summary="summary_template" in data or data.get("summary_mode") == "custom" or is_broadcast,
        request=dict(data),
    )
