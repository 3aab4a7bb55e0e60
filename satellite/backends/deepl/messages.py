"""The messages of the DeepL Voice WebSocket, both encodings (voice reference §8-§10).

Decoding is lenient: a field of the wrong type counts as absent, an item that cannot be understood is left out, an
unknown message is counted. Only what is no message at all is `Malformed`.
"""

import base64
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from satellite.backends.base import SendBytes, SendText

MAX_MS = 2**53
"""Times beyond this are nonsense."""
MAX_TEXT_CHARACTERS = 16_384
"""No piece of speech has as much text."""
MAX_WORD_CHARACTERS = 256
"""No language and no content type is as long."""
MAX_PARTS = 65_536
"""Lists and maps in a message: an empty one takes a byte on the wire and seventy in memory."""
_SMALL_BYTES = 65_536
"""Nothing so short can hold too many parts."""


@dataclass(frozen=True, slots=True)
class WireSegment:
    """A piece of text; times are milliseconds in the stream of audio sent, as the service estimates."""

    text: str
    start_ms: int
    end_ms: int
    language: str | None = None


@dataclass(frozen=True, slots=True)
class SourceUpdate:
    """`source_transcript_update`."""

    concluded: tuple[WireSegment, ...]
    tentative: tuple[WireSegment, ...]


@dataclass(frozen=True, slots=True)
class TargetUpdate:
    """`target_transcript_update`; `language` as the service spells it, None when it does not say."""

    language: str | None
    concluded: tuple[WireSegment, ...]
    tentative: tuple[WireSegment, ...]


@dataclass(frozen=True, slots=True)
class MediaChunk:
    """`target_media_chunk`; `content_type` and `headers` come with the first one of a language."""

    language: str | None
    content_type: str | None
    headers: int
    data: tuple[bytes, ...]
    duration_ms: int
    text: str | None


@dataclass(frozen=True, slots=True)
class EndOfSourceTranscript:
    """`end_of_source_transcript`."""


@dataclass(frozen=True, slots=True)
class EndOfTargetTranscript:
    """`end_of_target_transcript`."""


@dataclass(frozen=True, slots=True)
class EndOfTargetMedia:
    """`end_of_target_media`."""

    language: str | None


@dataclass(frozen=True, slots=True)
class EndOfStream:
    """`end_of_stream`, the very last message."""


@dataclass(frozen=True, slots=True)
class ServiceError:
    """`error`: the session is dead."""

    code: int | None
    reason_code: int | None
    request: str
    text: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """A message with a name that is not known, or without any."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """No message: the wrong frame type, undecodable, or not an object."""

    detail: str


Message = (
    SourceUpdate
    | TargetUpdate
    | MediaChunk
    | EndOfSourceTranscript
    | EndOfTargetTranscript
    | EndOfTargetMedia
    | EndOfStream
    | ServiceError
    | Ignored
)


class Codec(Protocol):
    """One of the two encodings of the stream."""

    def chunk(self, audio: bytes) -> SendText | SendBytes:
        """`source_media_chunk`."""

    def end_of_source_media(self) -> SendText | SendBytes:
        """`end_of_source_media`."""

    def decode(self, data: str | bytes) -> list[Message] | Malformed:
        """What the service says; more than one message only where it breaks its own envelope rule."""


class JsonCodec:
    """JSON in TEXT, audio in base64."""

    def chunk(self, audio: bytes) -> SendText:
        """`source_media_chunk`."""
        return SendText(f'{{"source_media_chunk":{{"data":"{base64.b64encode(audio).decode()}"}}}}')

    def end_of_source_media(self) -> SendText:
        """`end_of_source_media`."""
        return SendText('{"end_of_source_media":{}}')

    def decode(self, data: str | bytes) -> list[Message] | Malformed:
        """What the service says."""
        if not isinstance(data, str):
            return Malformed("a BINARY message where JSON was asked for")
        if len(data) > _SMALL_BYTES and data.count("[") + data.count("{") > MAX_PARTS:
            return Malformed("a message of too many parts")
        try:
            content = json.loads(data)
        except (ValueError, RecursionError):
            return Malformed("a message that is no JSON")
        return _messages(content)


class MsgpackCodec:
    """MessagePack in BINARY, audio as bin."""

    def __init__(self) -> None:
        import msgpack  # noqa: PLC0415 - loaded only when used

        self._msgpack = msgpack

    def chunk(self, audio: bytes) -> SendBytes:
        """`source_media_chunk`."""
        return SendBytes(self._msgpack.packb({"source_media_chunk": {"data": audio}}, use_bin_type=True))

    def end_of_source_media(self) -> SendBytes:
        """`end_of_source_media`."""
        return SendBytes(self._msgpack.packb({"end_of_source_media": {}}))

    def decode(self, data: str | bytes) -> list[Message] | Malformed:
        """What the service says."""
        if not isinstance(data, bytes):
            return Malformed("a TEXT message where MessagePack was asked for")
        try:
            # Surrogates get through here and are mended in `_text`, so that one bad character costs no session.
            content = self._msgpack.unpackb(
                data,
                raw=False,
                unicode_errors="surrogateescape",
                max_array_len=MAX_PARTS,
                max_map_len=MAX_PARTS,
                **_counted(data),
            )
        except (ValueError, TypeError, OverflowError, RecursionError):
            return Malformed("a message that is no MessagePack")
        return _messages(content)


def _counted(data: bytes) -> dict[str, Any]:
    """What makes the decoder give up a message of too many parts; nothing where there cannot be so many."""
    if len(data) <= _SMALL_BYTES:
        return {}
    parts = itertools.count(1)

    def count(part: Any) -> Any:
        if next(parts) > MAX_PARTS:
            raise ValueError("too many parts")
        return part

    return {"list_hook": count, "object_hook": count}


def codec_for(message_format: Literal["msgpack", "json"]) -> Codec:
    """The codec of the format asked for in the session request."""
    return MsgpackCodec() if message_format == "msgpack" else JsonCodec()


def _messages(content: Any) -> list[Message] | Malformed:
    if not isinstance(content, dict):
        return Malformed("a message that is no object")
    return [_message(name, body if isinstance(body, dict) else {}) for name, body in content.items()] or [Ignored()]


def _message(name: Any, body: dict[Any, Any]) -> Message:
    read = _READERS.get(name)
    return read(body) if read is not None else Ignored()


def _source_update(body: dict[Any, Any]) -> SourceUpdate:
    return SourceUpdate(_segments(body.get("concluded")), _segments(body.get("tentative")))


def _target_update(body: dict[Any, Any]) -> TargetUpdate:
    concluded, tentative = _segments(body.get("concluded")), _segments(body.get("tentative"))
    return TargetUpdate(_word(body.get("language")), concluded, tentative)


def _service_error(body: dict[Any, Any]) -> ServiceError:
    request, text = _text(body.get("request_type")) or "", _text(body.get("error_message")) or ""
    return ServiceError(_integer(body.get("error_code")), _integer(body.get("reason_code")), request, text)


def _media_chunk(body: dict[Any, Any]) -> MediaChunk:
    headers, duration_ms = _integer(body.get("headers")), _integer(body.get("duration"))
    return MediaChunk(
        language=_word(body.get("language")),
        content_type=_word(body.get("content_type")),
        headers=max(0, headers or 0),
        data=_units(body.get("data")),
        duration_ms=max(0, duration_ms or 0),
        text=_text(body.get("text")),
    )


def _segments(items: Any) -> tuple[WireSegment, ...]:
    if not isinstance(items, list):
        return ()
    return tuple(
        _segment(item)
        for item in items
        if isinstance(item, dict) and 0 < len(_text(item.get("text")) or "") <= MAX_TEXT_CHARACTERS
    )


def _segment(item: dict[Any, Any]) -> WireSegment:
    start_ms = max(0, _integer(item.get("start_time")) or 0)
    end_ms = max(start_ms, _integer(item.get("end_time")) or 0)
    return WireSegment(_text(item.get("text")) or "", start_ms, end_ms, _word(item.get("language")))


def _units(data: Any) -> tuple[bytes, ...]:
    """Audio units; a single one may come without its array, one that cannot be decoded is empty."""
    return tuple(_unit(item) for item in (data if isinstance(data, list) else [data]))


def _unit(item: Any) -> bytes:
    if isinstance(item, bytes):
        return item
    text = "".join(item.split()).rstrip("=") if isinstance(item, str) else ""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        return b""


def _text(value: Any) -> str | None:
    """Text that can be written as UTF-8, whatever the service escaped."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else None


def _word(value: Any) -> str | None:
    """A tag or a type: text that is not blank."""
    text = _text(value)
    return text.strip() or None if text and len(text) <= MAX_WORD_CHARACTERS else None


def _integer(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= MAX_MS:
        return None
    return int(value)


_READERS: Mapping[Any, Callable[[dict[Any, Any]], Message]] = {
    "source_transcript_update": _source_update,
    "target_transcript_update": _target_update,
    "target_media_chunk": _media_chunk,
    "end_of_source_transcript": lambda _: EndOfSourceTranscript(),
    "end_of_target_transcript": lambda _: EndOfTargetTranscript(),
    "end_of_target_media": lambda body: EndOfTargetMedia(_word(body.get("language"))),
    "end_of_stream": lambda _: EndOfStream(),
    "error": _service_error,
}
