"""Messages in JSON text frames and msgpack binary frames (DeepL Voice reference §8, §9), decoded strictly."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass

import msgpack

CLIENT_MESSAGES = {"source_media_chunk": frozenset({"data"}), "end_of_source_media": frozenset[str]()}


class FramingError(Exception):
    """A client message against the rules; `close_code` for connection errors, else it is answered by an `error`."""

    def __init__(self, rule: str, detail: str, close_code: int | None = None, request: str = "unknown") -> None:
        super().__init__(detail)
        self.rule = rule
        self.close_code = close_code
        self.request = request


@dataclass(frozen=True, slots=True)
class ClientMessage:
    """A well-formed client message; `wire_bytes` is the length of the audio as transferred."""

    name: str
    audio: bytes = b""
    wire_bytes: int = 0


def decode(frame: str | bytes, message_format: str) -> ClientMessage:
    """Read one client message; FramingError names the rule it breaks."""
    if isinstance(frame, str) != (message_format == "json"):
        kind = "TEXT" if isinstance(frame, str) else "BINARY"
        raise FramingError("wrong_frame_type", f"{kind} frame in a {message_format} session", 1003)
    value = _parse_json(frame) if isinstance(frame, str) else _parse_msgpack(frame)
    if not isinstance(value, dict):
        raise FramingError("not_an_object", f"a message must be an object, not {type(value).__name__}", 1007)
    if any(not isinstance(key, str) for key in value):
        raise FramingError("non_string_key", "msgpack maps need string keys", 1007)
    if len(value) != 1:
        raise FramingError("not_one_key", f"a message has exactly one key, not {len(value)}")
    name, payload = next(iter(value.items()))
    return _message(name, payload, message_format)


def _parse_json(frame: str) -> object:
    try:
        return json.loads(frame)
    except (ValueError, RecursionError) as fault:
        raise FramingError("undecodable", "not JSON", 1007) from fault


def _parse_msgpack(frame: bytes) -> object:
    try:
        return msgpack.unpackb(frame, raw=False, strict_map_key=False)
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException) as fault:
        raise FramingError("undecodable", "not msgpack", 1007) from fault


def _message(name: str, payload: object, message_format: str) -> ClientMessage:
    if name not in CLIENT_MESSAGES:
        raise FramingError("unknown_message", f"{name!r:.60} is not a client message")
    if not isinstance(payload, dict):
        raise FramingError("payload_not_an_object", f"{name} carries {type(payload).__name__}", request=name)
    if any(not isinstance(key, str) for key in payload):
        raise FramingError("non_string_key", "msgpack maps need string keys", 1007)
    unknown = payload.keys() - CLIENT_MESSAGES[name]
    if unknown:
        raise FramingError("unknown_field", f"{name} has the field {min(unknown)!r:.60}", request=name)
    if name == "end_of_source_media":
        return ClientMessage(name)
    if "data" not in payload:
        raise FramingError("missing_data", "source_media_chunk without data", request=name)
    data = payload["data"]
    return ClientMessage(name, _audio(data, message_format), len(data))


def _audio(data: object, message_format: str) -> bytes:
    if message_format == "msgpack":
        if not isinstance(data, bytes):
            raise FramingError(
                "audio_not_binary", f"msgpack audio is {type(data).__name__}", request="source_media_chunk"
            )
        return data
    if not isinstance(data, str):
        raise FramingError("bad_base64", f"JSON audio is {type(data).__name__}", request="source_media_chunk")
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as fault:
        raise FramingError("bad_base64", "audio is not padded standard base64", request="source_media_chunk") from fault


def encode(message: Mapping[str, object], message_format: str) -> str | bytes:
    """Write one server message; bytes inside become base64 in JSON and bin in msgpack."""
    if message_format == "msgpack":
        packed: bytes = msgpack.packb(message, use_bin_type=True)
        return packed
    return json.dumps(message, default=_base64, separators=(",", ":"), ensure_ascii=False)


def _base64(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} has no place in a message")
