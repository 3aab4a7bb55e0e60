"""The messages of a Palabra task, the same over WebSocket and in a room (reference §6, §7, §11, §13).

Decoding is lenient: a field of the wrong type counts as absent, an unknown message is counted. Only what is no message
at all is `Malformed`.
"""

import base64
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from satellite.backends.base import SendText

MAX_SECONDS = 2**40
"""Times beyond this are nonsense."""
MAX_TEXT_CHARACTERS = 16_384
MAX_WORD_CHARACTERS = 256
"""No id, code or language is as long."""
MAX_ERROR_CHARACTERS = 4_096
MAX_PARTS = 65_536
"""Lists and objects in a message: an empty one takes a byte on the wire and seventy in memory."""
MAX_SPEECH_BYTES = 8 * 1024 * 1024
"""Of one message, inflated."""


@dataclass(frozen=True, slots=True)
class Transcription:
    """A sentence, or a part of its translation. Times are milliseconds in the stream of audio sent, None for unsaid."""

    is_source: bool
    is_final: bool
    id: str
    language: str | None
    text: str
    part: str = ""
    times_ms: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class OutputAudio:
    """`output_audio_data`: 24 kHz speech of a sentence."""

    id: str
    part: str
    language: str | None
    data: bytes
    is_last: bool


@dataclass(frozen=True, slots=True)
class CurrentTask:
    """`current_task`: the answer to `get_task`."""

    status: str


@dataclass(frozen=True, slots=True)
class EndOfStream:
    """`eos` or `end_of_stream`: nothing more comes."""


@dataclass(frozen=True, slots=True)
class ServiceError:
    """`error`."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class ServiceWarning:
    """`warning`."""

    code: str


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Figures that are known and not used."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A message whose type is not known, or that makes no sense."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """No message: not JSON, or not an object."""

    detail: str


Message = (
    Transcription
    | OutputAudio
    | CurrentTask
    | EndOfStream
    | ServiceError
    | ServiceWarning
    | Telemetry
    | Ignored
    | Malformed
)


def command(message_type: str, data: Mapping[str, Any]) -> SendText:
    """A message of ours."""
    return SendText(json.dumps({"message_type": message_type, "data": data}, separators=(",", ":"), ensure_ascii=False))


def audio(pcm: bytes) -> SendText:
    """`input_audio_data`."""
    return SendText(f'{{"message_type":"input_audio_data","data":{{"data":"{base64.b64encode(pcm).decode()}"}}}}')


def decode(data: str | bytes, *, is_inflated: bool) -> Message:
    """What the service says; `is_inflated`: its speech comes in zlib streams."""
    content = _object(data)
    if not isinstance(content, dict):
        return Malformed("a message that is no JSON object")
    kind = content.get("message_type")
    if kind is None:
        return Telemetry() if not content or "es" in content else Ignored()
    body = content.get("data")
    if isinstance(body, str):
        # the service writes some payloads as JSON inside of JSON (§6)
        body = _object(body)
    if not isinstance(body, dict):
        body = {}
    if kind == "output_audio_data":
        return _output_audio(body, is_inflated=is_inflated)
    read = _READERS.get(kind) if isinstance(kind, str) else None
    return read(body) if read is not None else Ignored()


def _object(data: str | bytes) -> Any:
    """What JSON stands for; None for what is none, or would need more memory than any message has use for."""
    if len(data) > MAX_PARTS and _parts(data) > MAX_PARTS:
        return None
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _parts(data: str | bytes) -> int:
    """How many lists and objects there may be in it."""
    return data.count("[") + data.count("{") if isinstance(data, str) else data.count(b"[") + data.count(b"{")


def _transcription(body: dict[str, Any], *, is_source: bool, is_final: bool) -> Transcription | Ignored:
    inner = body.get("transcription")
    if not isinstance(inner, dict):
        return Ignored()
    sentence_id, text = _word(inner.get("transcription_id")), _text(inner.get("text"))
    if sentence_id is None or text is None or len(text) > MAX_TEXT_CHARACTERS:
        return Ignored()
    part = "" if is_source else _word(inner.get("translation_part_id")) or "0"
    language = _word(inner.get("language"))
    return Transcription(is_source, is_final, sentence_id, language, text, part, _times(inner.get("segments")))


def _times(segments: Any) -> tuple[float, float] | None:
    """From the first segment's start to the last one's end."""
    if not isinstance(segments, list):
        return None
    spans = [
        (start, end)
        for segment in segments
        if isinstance(segment, dict)
        and (start := _seconds(segment.get("start"))) is not None
        and (end := _seconds(segment.get("end"))) is not None
    ]
    if not spans:
        return None
    start_s = min(start for start, _ in spans)
    return start_s * 1000, max(start_s, *(end for _, end in spans)) * 1000


def _output_audio(body: dict[str, Any], *, is_inflated: bool) -> OutputAudio | Ignored:
    sentence_id = _word(body.get("transcription_id"))
    if sentence_id is None:
        return Ignored()
    data = _speech(body.get("data"), is_inflated=is_inflated)
    part = _word(body.get("translation_part_id")) or "0"
    return OutputAudio(sentence_id, part, _word(body.get("language")), data, body.get("last_chunk") is True)


def _speech(data: Any, *, is_inflated: bool) -> bytes:
    """Samples; empty for what cannot be read."""
    try:
        pcm = base64.b64decode(data, validate=True) if isinstance(data, str) else b""
        if not pcm or not is_inflated:
            return pcm
        # each message is a whole zlib stream (§8.1)
        return zlib.decompressobj().decompress(pcm, MAX_SPEECH_BYTES)
    except (ValueError, zlib.error):
        return b""


def _service_error(body: dict[str, Any]) -> ServiceError:
    said = (body.get(name) for name in ("desc", "description", "msg"))
    text = next((_shown(each) for each in said if each), "")
    return ServiceError(_word(body.get("code")) or "", text)


def _shown(value: Any) -> str:
    """Words for people: the service sends texts, and lists of objects."""
    try:
        words = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return ""
    return _text(words[:MAX_ERROR_CHARACTERS]) or ""


def _text(value: Any) -> str | None:
    """Text that can be written as UTF-8, whatever the service escaped."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else None


def _word(value: Any) -> str | None:
    """An id, a code or a language; numbers as text, for the service writes them either way."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < MAX_SECONDS:
        return str(value)
    text = _text(value)
    return text.strip() or None if text and len(text) <= MAX_WORD_CHARACTERS else None


def _seconds(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_SECONDS:
        return None
    return float(value)


_READERS: Mapping[str, Callable[[dict[str, Any]], Message]] = {
    "partial_transcription": lambda body: _transcription(body, is_source=True, is_final=False),
    "validated_transcription": lambda body: _transcription(body, is_source=True, is_final=True),
    "partial_translated_transcription": lambda body: _transcription(body, is_source=False, is_final=False),
    "translated_transcription": lambda body: _transcription(body, is_source=False, is_final=True),
    "current_task": lambda body: CurrentTask(_word(body.get("task_status")) or ""),
    "eos": lambda _: EndOfStream(),
    "end_of_stream": lambda _: EndOfStream(),
    "error": _service_error,
    "warning": lambda body: ServiceWarning(_word(body.get("code")) or ""),
    "pipeline_timings": lambda _: Telemetry(),
    "tts_buffer_stats": lambda _: Telemetry(),
    "tts_text": lambda _: Telemetry(),
}
