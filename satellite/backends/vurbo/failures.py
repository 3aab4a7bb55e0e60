"""Every way Vurbo can refuse or drop us, sorted by one table (reference §1.3, §2.2, §3, §11).

The table has each published error code once. What is not in it is judged by its severity, and whether it is about one
sentence only.
"""

import enum
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from satellite.backends.answers import retry_after_s
from satellite.core.events import SessionFailed
from satellite.errors import ErrorCategory

RATE_LIMIT_S = 60.0
"""What a 429 without Retry-After is worth."""

KEY_HINT = "check voice.vurbo.api_key"
LANGUAGES_HINT = "check the languages and voice.vurbo.second_source_language"
REQUEST_HINT = "check the voice.vurbo options"
SUMMARY_HINT = "check the voice.vurbo.summary_* options"
CHANNEL_HINT = "create the channel anew and set voice.vurbo.broadcast_token"
BUDGET_HINT = "the month's budget is spent: raise it in the dashboard or wait for the next month"
TEXT_ONLY_HINT = (
    "check voice.speech_language and voice.speech_voice, or set voice.speech_language to null for text only"
)
ADDRESS_HINT = "check voice.vurbo.rest_url"
PORTAL_HINT = "a network that wants a log-in first answers so (captive portal): log in with a browser"


class Then(enum.Enum):
    """What follows from a code."""

    RETRY = "tried again with growing pauses"
    PARK = "parked until a person acts"
    REPORT = "told as the action's answer"
    IGNORE = "nothing to do: it is as was asked"
    COUNT = "left out; three in a row end the session"


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table: what a code means, what follows, and which commands it can be the answer to."""

    meaning: str
    then: Then
    commands: frozenset[str] = frozenset()
    category: ErrorCategory = ErrorCategory.SERVER
    hint: str | None = None


def _commands(text: str) -> frozenset[str]:
    return frozenset(text.split())


_START = frozenset({"start"})
_CONVERSE = _commands(
    "start_speaking stop_speaking set_speaker_language switch_conversation_mode set_tts switch_language start"
)
_TTS = _commands("tts_play tts_stop tts_mode set_tts")


def _wrong_start(meaning: str, hint: str = REQUEST_HINT) -> Rule:
    return Rule(meaning, Then.PARK, _START, ErrorCategory.INVALID_REQUEST, hint)


def _refused_key(meaning: str) -> Rule:
    return Rule(meaning, Then.PARK, frozenset(), ErrorCategory.AUTHENTICATION, KEY_HINT)


def _busy(meaning: str, commands: frozenset[str] = frozenset()) -> Rule:
    return Rule(meaning, Then.RETRY, commands)


def _told(meaning: str, commands: str) -> Rule:
    return Rule(meaning, Then.REPORT, _commands(commands))


def _as_asked(meaning: str, commands: str) -> Rule:
    return Rule(meaning, Then.IGNORE, _commands(commands))


def _bad_audio(meaning: str) -> Rule:
    return Rule(meaning, Then.COUNT, frozenset(), ErrorCategory.INVALID_REQUEST, REQUEST_HINT)


RULES: Mapping[str, Rule] = {
    "auth_missing_api_key": _refused_key("no API key was sent"),
    "auth_invalid_api_key": _refused_key("the API key is not known"),
    "auth_invalid_key_format": _refused_key("the API key is malformed"),
    "auth_budget_exceeded": Rule("the month's budget is spent", Then.PARK, _START, ErrorCategory.QUOTA, BUDGET_HINT),
    "ticket_invalid": _busy("the ticket is unknown or too old"),
    "ticket_expired": _busy("the ticket is older than a minute"),
    "ticket_already_used": _busy("the ticket was used before"),
    "ticket_validation_failed": _busy("the service could not look the ticket up"),
    "missing_transcription_languages": _wrong_start("no spoken language", LANGUAGES_HINT),
    "invalid_transcription_language": _wrong_start("the spoken language is not known", LANGUAGES_HINT),
    "too_many_languages": _wrong_start("more than two spoken languages", LANGUAGES_HINT),
    "diarization_multilang_conflict": _wrong_start("multi_speaker takes one spoken language", LANGUAGES_HINT),
    "invalid_recording_type": _wrong_start("the recording type is not known"),
    "invalid_summary_template": _wrong_start("there is no such summary template", SUMMARY_HINT),
    "summary_invalid_mode": _wrong_start("the summary mode is not known", SUMMARY_HINT),
    "summary_mode_field_mismatch": _wrong_start("summary options that do not go with the mode", SUMMARY_HINT),
    "summary_prompt_too_long": _wrong_start("the summary prompt is too long", SUMMARY_HINT),
    "summary_prompt_slug_too_long": _wrong_start("the summary's label is too long", SUMMARY_HINT),
    "summary_prompt_slug_invalid": _wrong_start("control characters in the summary's label", SUMMARY_HINT),
    "tts_invalid_language": _wrong_start("the spoken translation is not among the translations", TEXT_ONLY_HINT),
    "broadcast_token_required": _wrong_start("a broadcast without a token", CHANNEL_HINT),
    "broadcast_token_invalid": _wrong_start("the channel is unknown or over", CHANNEL_HINT),
    "stt_init_failed": _busy("the recogniser is not available", _START),
    "tts_init_failed": Rule("the synthesiser is not available", Then.RETRY, _START, hint=TEXT_ONLY_HINT),
    "broadcast_not_ready": _busy("the broadcast service is not ready", _START),
    "config_empty": _told("no vocabulary was given", "config"),
    "config_term_too_long": _told("a term has more than 100 characters", "config"),
    "config_too_many_entries": _told("more than 500 terms in a language", "config"),
    "config_too_many_dict_entries": _told("more than 50 entries in the dictionary", "config"),
    "session_not_started": _busy("the service knows of no session here"),
    "audio_invalid_format": _bad_audio("the audio is not valid base64"),
    "audio_format_unsupported": _bad_audio("the audio format is not supported"),
    "audio_decode_failed": _bad_audio("the audio cannot be decoded"),
    "audio_process_failed": _busy("the recogniser takes no more audio"),
    "session_already_paused": _as_asked("it is paused already", "pause"),
    "session_not_paused": _as_asked("it is not paused", "resume"),
    "switch_language_same_target": _as_asked("it is translated to that already", "switch_language"),
    "conversation_same_language": _as_asked("that language is spoken already", "switch_language set_speaker_language"),
    "switch_language_no_target": _told("no language to switch to", "switch_language"),
    "switch_language_in_progress": _told("another switch is not finished; ask again later", "switch_language"),
    "conversation_requires_two_languages": Rule(
        "a conversation has two languages",
        Then.PARK,
        _START | {"switch_language"},
        ErrorCategory.INVALID_REQUEST,
        LANGUAGES_HINT,
    ),
    "conversation_languages_identical": Rule(
        "the two languages are the same",
        Then.PARK,
        _START | {"switch_language"},
        ErrorCategory.INVALID_REQUEST,
        LANGUAGES_HINT,
    ),
    "conversation_invalid_language": Rule(
        "the language is none of the conversation's",
        Then.PARK,
        _START | {"switch_language", "set_speaker_language"},
        ErrorCategory.INVALID_REQUEST,
        LANGUAGES_HINT,
    ),
    "set_name_empty": _told("the name is empty", "set_name"),
    "set_name_too_long": _told("the name has more than 60 characters", "set_name"),
    "set_name_not_ready": _told("the session has not begun; ask again", "set_name"),
    "tts_not_enabled": _told("the session began without speech", "tts_play tts_stop tts_mode"),
    "tts_segment_not_found": _told("there is no sentence with this sid", "tts_play"),
    "tts_translation_not_found": _told("the sentence has no translation", "tts_play"),
    "invalid_data": _told("the service does not know this value", " ".join(sorted(_TTS))),
    "invalid_action": _told("the session is of another recording type", " ".join(sorted(_CONVERSE))),
    "conversation_not_manual_mode": _told("the conversation is in automatic mode", "start_speaking"),
    "conversation_invalid_speaker": _told("speakers are 1 and 2", "start_speaking set_speaker_language"),
    "conversation_invalid_mode": _told("modes are auto and manual", "switch_conversation_mode"),
    "conversation_language_same_as_peer": _told("the other one speaks that language", "set_speaker_language"),
    "conversation_speaking": _told("somebody is speaking: stop_speaking first", "start_speaking set_speaker_language"),
    "conversation_not_speaking": _as_asked("nobody is speaking", "stop_speaking"),
    "conversation_language_change_failed": _told("the service could not change it; ask again", "set_speaker_language"),
    "retranslate_sid_not_found": _told("there is no sentence with this sid", "retranslate"),
    "retranslate_session_not_active": _told("the session is over", "retranslate"),
    "retranslate_no_target_lang": _told("no language to translate to", "retranslate"),
    "retranslate_no_text": _told("no text to translate", "retranslate"),
    "retranslate_llm_failed": _told("the translation failed; ask again", "retranslate"),
    "speaker_not_found": _told("there is no such speaker", "rename_speaker reassign_speaker merge_speakers"),
    "speaker_name_empty": _told("the name is empty", "rename_speaker reassign_speaker merge_speakers"),
    "speaker_name_duplicate": _told("another speaker has that name", "rename_speaker"),
    "speaker_sid_not_found": _told("there is no sentence with this sid", "reassign_speaker"),
    "merge_speakers_same_id": _told("both are the same speaker", "merge_speakers"),
    "invalid_parameter": _told("the service does not take this value", "reassign_speaker broadcast_announcement"),
    "broadcast_not_enabled": _told(
        "the session is no broadcast", "broadcast_go_live broadcast_announcement set_standby_message"
    ),
    "broadcast_not_in_standby": _told("the broadcast is live", "set_standby_message"),
}

_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_BY_STATUS: Mapping[int, tuple[ErrorCategory, str | None]] = {
    401: (ErrorCategory.AUTHENTICATION, KEY_HINT),
    402: (ErrorCategory.QUOTA, BUDGET_HINT),
    403: (ErrorCategory.AUTHORIZATION, KEY_HINT),
    404: (ErrorCategory.INVALID_REQUEST, ADDRESS_HINT),
    405: (ErrorCategory.INVALID_REQUEST, ADDRESS_HINT),
    408: (ErrorCategory.SERVER, None),
    425: (ErrorCategory.SERVER, None),
    429: (ErrorCategory.RATE_LIMIT, None),
}


def printable_code(code: str) -> str:
    """The code as it may be told; what is none is not repeated."""
    return code if _CODE.fullmatch(code) else "an unknown code"


def meaning_of(code: str) -> str:
    """What people are told of a code."""
    rule = RULES.get(code)
    return f"the service refused it ({printable_code(code)})" if rule is None else f"{rule.meaning} ({code})"


def failure_of(code: str, doing: str) -> SessionFailed:
    """The end of a session by a code that came while `doing`."""
    rule = RULES.get(code)
    category, hint = (ErrorCategory.SERVER, None) if rule is None else (rule.category, rule.hint)
    return SessionFailed(category, f"{doing}: {meaning_of(code)}", hint)


def failure_of_answer(status: int, headers: Mapping[str, str], body: bytes) -> SessionFailed:
    """The failure that an HTTP answer to the request for a ticket means: by its code, else by its status."""
    code = _code_in(body)
    rule = RULES.get(code)
    wait_s = retry_after_s(headers)
    if rule is not None:
        category, hint, said = rule.category, rule.hint, f": {meaning_of(code)}"
    else:
        category, hint = _BY_STATUS.get(status, _by_class(status))
        said = f": {printable_code(code)}" if code else ""
    if category is ErrorCategory.RATE_LIMIT and wait_s is None:
        wait_s = RATE_LIMIT_S
    return SessionFailed(category, f"the request for a ticket was answered {status}{said}", hint, wait_s)


def _by_class(status: int) -> tuple[ErrorCategory, str | None]:
    if 300 <= status < 400:
        return ErrorCategory.SERVER, PORTAL_HINT
    return (ErrorCategory.INVALID_REQUEST, REQUEST_HINT) if 400 <= status < 500 else (ErrorCategory.SERVER, None)


def _code_in(body: bytes) -> str:
    """The `error_code` of a body in either of its shapes (reference §2.2); empty when there is none."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(content, dict):
        return ""
    for part in (content, content.get("data"), content.get("error")):
        code = part.get("error_code") if isinstance(part, dict) else None
        if isinstance(code, str):
            return code
    return ""
