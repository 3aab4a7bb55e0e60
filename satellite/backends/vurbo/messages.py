"""The messages of the Vurbo WebSocket: JSON text, one envelope both ways (reference §2, §5).

Decoding is lenient: a field of the wrong type counts as absent, an unknown message is counted. Only what is no message
at all is `Malformed`.
"""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from satellite.backends.base import SendText

SERVICE = "voice-translation"
HEALTH = SendText('{"type":"health","data":{"action":"ping"}}')

MAX_TEXT_CHARACTERS = 16_384
"""No sentence has as much text."""
MAX_WORD_CHARACTERS = 256
"""No language, no id and no code is as long."""
MAX_LANGUAGES = 32
"""Translations in one message; more are left out."""
MAX_PARTS = 65_536
"""Lists and maps in a message: an empty one takes a byte on the wire and seventy in memory."""
MAX_SID = 2**31
_SMALL_CHARACTERS = 65_536
"""Nothing so short can hold too many parts."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


NOTICES = _words(
    "status config_updated task_complete tts_error tts_mode_changed tts_updated language_switch_start "
    "language_switch_done language_switched conversation_mode_changed speaker_language_changed speaker_renamed "
    "speaker_reassigned speakers_merged broadcast_phase_changed viewer_count viewer_joined viewer_left stt_event "
    "segment_uploaded upload_error summary_done summary_error"
)
"""Events of which no more is read than what an action is answered with."""


@dataclass(frozen=True, slots=True)
class Started:
    """`session_started`; the id of the recording, empty when it is not told."""

    task_id: str


@dataclass(frozen=True, slots=True)
class Origin:
    """What was said in one sentence; `start_s` is where it begins in the service's count, in whole seconds."""

    sid: int
    text: str
    is_final: bool
    language: str | None = None
    speaker: str | None = None
    start_s: int | None = None


@dataclass(frozen=True, slots=True)
class Translation:
    """One sentence in another language."""

    sid: int
    language: str
    text: str
    is_final: bool
    is_retranslation: bool


@dataclass(frozen=True, slots=True)
class Sentences:
    """`result`, `translation` or `batch_retranslation`."""

    origin: Origin | None
    translations: tuple[Translation, ...]


@dataclass(frozen=True, slots=True)
class Clip:
    """`tts_ready`: its fields are known in part only, so they are kept."""

    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Notice:
    """An event that is of interest as an answer."""

    action: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ServiceError:
    """`error`; with a `sid` it is about that sentence and nothing else."""

    code: str
    severity: str
    sid: int | None


@dataclass(frozen=True, slots=True)
class Alive:
    """The answer to the heartbeat."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A message with a name that is not known, or a frame that the service is not known to send."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """No message: undecodable, or not an object."""

    detail: str


Message = Started | Sentences | Clip | Notice | ServiceError | Alive | Ignored | Malformed


def action_message(action: str, fields: Mapping[str, object] | None = None) -> SendText:
    """A message of ours."""
    content = {"type": SERVICE, "data": {"action": action, **(fields or {})}}
    return SendText(json.dumps(content, separators=(",", ":"), ensure_ascii=False))


def audio_message(audio: bytes) -> SendText:
    """`audio`; written by hand, as there are ten a second."""
    payload = base64.b64encode(audio).decode()
    return SendText(f'{{"type":"{SERVICE}","data":{{"action":"audio","payload":"{payload}"}}}}')


def decode(data: str | bytes) -> Message:
    """What the service says. Binary frames are not documented and mean nothing to us."""
    if not isinstance(data, str):
        return Ignored()
    if len(data) > _SMALL_CHARACTERS and data.count("[") + data.count("{") > MAX_PARTS:
        return Malformed("a message of too many parts")
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return Malformed("a message that is no JSON")
    if not isinstance(content, dict):
        return Malformed("a message that is no object")
    body = content.get("data")
    return _message(content.get("type"), body if isinstance(body, dict) else {})


def _message(service: object, body: dict[str, Any]) -> Message:
    action = body.get("action") if service == SERVICE else service if service in ("health", "error") else None
    if not isinstance(action, str):
        return Ignored()
    if action in NOTICES:
        return Notice(action, body)
    read = _READERS.get(action)
    return Ignored() if read is None else read(body)


def _started(body: dict[str, Any]) -> Message:
    return Started(word(body.get("task_id")) or word(body.get("recording_id")) or "")


def _result(body: dict[str, Any]) -> Message:
    return Sentences(_origin(body.get("origin")), _translations(body.get("translations")))


def _batch(body: dict[str, Any]) -> Message:
    again = _translations(body.get("translations"))
    return Sentences(None, tuple(replace(each, is_retranslation=True) for each in again))


def _error(body: dict[str, Any]) -> Message:
    code = word(body.get("error_code"))
    if code is None:
        return Ignored()
    return ServiceError(code, word(body.get("severity")) or "error", sid_of(body.get("sid")))


def _origin(item: Any) -> Origin | None:
    if not isinstance(item, dict) or (sid := sid_of(item.get("sid"))) is None:
        return None
    return Origin(
        sid=sid,
        text=text_of(item.get("text")) or "",
        is_final=item.get("is_final") is True,
        language=word(item.get("language")),
        speaker=word(item.get("speaker_id")),
        start_s=_clock(item.get("start_time")),
    )


def _translations(items: Any) -> tuple[Translation, ...]:
    if not isinstance(items, dict):
        return ()
    found = (_translation(language, item) for language, item in list(items.items())[:MAX_LANGUAGES])
    return tuple(each for each in found if each is not None)


def _translation(language: Any, item: Any) -> Translation | None:
    tag = word(language)
    if tag is None or not isinstance(item, dict) or (sid := sid_of(item.get("sid"))) is None:
        return None
    text = text_of(item.get("text")) or ""
    return Translation(sid, tag, text, item.get("is_final") is True, item.get("is_retranslation") is True)


def _clock(value: Any) -> int | None:
    """Seconds of `MM:SS`; how more than an hour is written is not documented, `H:MM:SS` is taken for it."""
    parts = value.split(":") if isinstance(value, str) and len(value) <= 12 else []
    if len(parts) not in (2, 3) or not all(part.isascii() and part.isdigit() for part in parts):
        return None
    seconds = 0
    for part in parts:
        seconds = seconds * 60 + int(part)
    return seconds


def sid_of(value: Any) -> int | None:
    """The number of a sentence."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 <= value < MAX_SID else None


def text_of(value: Any) -> str | None:
    """Text that can be written as UTF-8, whatever the service escaped."""
    if not isinstance(value, str) or len(value) > MAX_TEXT_CHARACTERS:
        return None
    return value.encode("utf-8", "replace").decode()


def word(value: Any) -> str | None:
    """A tag, an id or a name: text that is not blank."""
    text = text_of(value) if isinstance(value, str) and len(value) <= MAX_WORD_CHARACTERS else None
    return text.strip() or None if text else None


_READERS: Mapping[str, Callable[[dict[str, Any]], Message]] = {
    "session_started": _started,
    "result": _result,
    "translation": _result,
    "batch_retranslation": _batch,
    "tts_ready": Clip,
    "error": _error,
    "health": lambda _: Alive(),
}
