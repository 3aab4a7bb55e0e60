"""Whether the options of the Vurbo backend and the languages asked for go together (reference §3A.1, §4)."""

from collections.abc import Iterator

from satellite.backends.base import Finding, Severity, VoiceChoice
from satellite.backends.vurbo.languages import AUTO, has_region, is_tag, unique, wire_code
from satellite.backends.vurbo.options import VurboOptions

MAX_TARGETS = 8
"""The service names no number; each one is a translation that is paid for."""

_SOURCE = "voice.source_language"
_TARGETS = "voice.target_languages"
_SPEECH = "voice.speech_language"
_OPTIONS = "voice.vurbo"


def check(options: VurboOptions, voice: VoiceChoice) -> list[Finding]:
    """Everything wrong or doubtful with these options and languages together."""
    by_type = {"conversation": _check_conversation, "broadcast": _check_broadcast}
    return [
        *_check_languages(options, voice),
        *by_type.get(options.recording_type, _check_one_way)(options, voice),
        *_check_speech(options, voice),
        *_check_summary(options),
        *_check_unused(options),
    ]


def _check_languages(options: VurboOptions, voice: VoiceChoice) -> Iterator[Finding]:
    if options.recording_type == "broadcast":
        return
    if voice.source_language == AUTO:
        yield Finding(
            _SOURCE,
            "is auto; the service has to be told what is spoken",
            "name the language, and another one in voice.vurbo.second_source_language where two are spoken",
        )
    for path, tags in ((_SOURCE, (voice.source_language,)), (_TARGETS, voice.target_languages)):
        for tag in tags:
            if tag != AUTO and not (is_tag(tag) and has_region(tag)):
                message = f"{tag} is not in the list of languages known here; the service wants one with a region"
                yield Finding(path, message, "write it with a region, such as de-AT", Severity.WARNING)
    if len(unique(voice.target_languages)) > MAX_TARGETS:
        message = f"{len(voice.target_languages)} languages; {MAX_TARGETS} at the most"
        yield Finding(_TARGETS, message, "leave some out")


def _check_one_way(options: VurboOptions, voice: VoiceChoice) -> Iterator[Finding]:
    second, path = options.second_source_language, f"{_OPTIONS}.second_source_language"
    if second is not None and options.recognition_mode == "multi_speaker":
        yield Finding(path, "goes with recognition_mode single only", "multi_speaker takes one spoken language")
    if second is not None and wire_code(second) == wire_code(voice.source_language):
        yield Finding(path, "is the source language", "name another one, or leave it out")
    for target in unique(voice.target_languages):
        if voice.source_language != AUTO and wire_code(target) == wire_code(voice.source_language):
            message = f"{target} is the source language: its translation says the same again"
            yield Finding(_TARGETS, message, "leave it out", Severity.WARNING)
    if options.recording_type == "record" and (voice.target_languages or voice.speech_language):
        message = "the service does not say whether plain recordings are translated"
        yield Finding(f"{_OPTIONS}.recording_type", message, "transcribe is sure to be", Severity.WARNING)


def _check_conversation(options: VurboOptions, voice: VoiceChoice) -> Iterator[Finding]:
    path = f"{_OPTIONS}.recording_type"
    targets = unique(voice.target_languages)
    if len(targets) != 1:
        hint = "voice.source_language is the one, the only target the other"
        yield Finding(_TARGETS, f"a conversation has two languages, so there is one target, not {len(targets)}", hint)
    elif wire_code(targets[0]) == wire_code(voice.source_language):
        yield Finding(_TARGETS, "is the source language; a conversation has two different ones", "name the other one")
    elif voice.speech_language is not None and wire_code(voice.speech_language) != wire_code(targets[0]):
        message = "a conversation is spoken in its two languages"
        yield Finding(_SPEECH, message, f"set it to {targets[0]}, or to null for text only")
    if options.recognition_mode == "multi_speaker":
        message = "conversation does not go with recognition_mode multi_speaker"
        yield Finding(path, message, "transcribe tells speakers apart; set recognition_mode to single otherwise")
    active = options.active_language
    if active is not None and wire_code(active) not in map(wire_code, (voice.source_language, *targets)):
        yield Finding(f"{_OPTIONS}.active_language", "is none of the conversation's languages", "leave it out")
    if options.second_source_language is not None:
        message = "is for transcribe and record; the conversation's other language is the target"
        yield Finding(f"{_OPTIONS}.second_source_language", message, "leave it out")


def _check_broadcast(options: VurboOptions, voice: VoiceChoice) -> Iterator[Finding]:
    if options.broadcast_token is None:
        message = "is missing: a broadcast belongs to a channel"
        yield Finding(f"{_OPTIONS}.broadcast_token", message, "create a channel and write its token here")
    if voice.speech_language is not None:
        message = "speech of a broadcast is for its viewers and never comes back"
        yield Finding(_SPEECH, message, "set it to null")
    if voice.target_languages:
        message = "the channel's languages count"
        yield Finding(_TARGETS, message, "name those of the channel, so that text comes under them", Severity.WARNING)
    if options.standby_message is not None and options.broadcast_phase == "live":
        message = "has no effect while broadcast_phase is live"
        yield Finding(f"{_OPTIONS}.standby_message", message, None, Severity.WARNING)


def _check_speech(options: VurboOptions, voice: VoiceChoice) -> Iterator[Finding]:
    if voice.speech_voice is None:
        return
    path = "voice.speech_voice"
    if voice.speech_language is None:
        yield Finding(path, "has no effect without voice.speech_language", None, Severity.WARNING)
    elif options.recording_type == "conversation":
        yield Finding(path, "has no effect in a conversation", "use voice.vurbo.voices", Severity.WARNING)


def _check_summary(options: VurboOptions) -> Iterator[Finding]:
    """Prompt and label go with custom, and neither of the two with builtin (reference §3A.1)."""
    given = {"summary_prompt": options.summary_prompt, "summary_prompt_slug": options.summary_prompt_slug}
    for name, value in given.items():
        if options.summary_mode == "custom" and value is None:
            yield Finding(
                f"{_OPTIONS}.{name}", "is missing: summary_mode is custom", "set it, or make the mode builtin"
            )
        if options.summary_mode == "builtin" and value is not None:
            yield Finding(f"{_OPTIONS}.{name}", "goes with summary_mode custom only", "leave it out")


def _check_unused(options: VurboOptions) -> Iterator[Finding]:
    """What has no effect with this recording type."""
    given = {
        "conversation": {
            "active_language": options.active_language is not None,
            "conversation_mode": options.conversation_mode != "auto",
        },
        "broadcast": {
            "broadcast_token": options.broadcast_token is not None,
            "standby_message": options.standby_message is not None,
        },
    }
    for recording_type, names in given.items():
        for name, is_given in names.items():
            if is_given and options.recording_type != recording_type:
                message = f"has no effect: it is for recording_type {recording_type}"
                yield Finding(f"{_OPTIONS}.{name}", message, None, Severity.WARNING)
    if options.voices and options.recording_type in ("transcribe", "record"):
        message = "has no effect: use voice.speech_voice"
        yield Finding(f"{_OPTIONS}.voices", message, None, Severity.WARNING)
