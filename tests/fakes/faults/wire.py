"""What passes between a satellite and its voice service, read off the bytes: messages of WebSocket connections."""

import base64
import json
from dataclasses import dataclass, field
from typing import Any

import msgpack

HEAD_END = b"\r\n\r\n"
TEXT, BINARY, CONTINUATION = 1, 2, 0
MASKED = 0x80


@dataclass(slots=True)
class FrameReader:
    """One direction of one connection; `feed` gives the data messages that the bytes complete."""

    _unread: bytearray = field(default_factory=bytearray)
    _parts: bytearray = field(default_factory=bytearray)
    _kind: int = 0
    _has_head: bool = False

    def feed(self, data: bytes) -> list[str | bytes]:
        """Take bytes as they come; control messages and the handshake are passed over."""
        self._unread += data
        if not self._has_head:
            at = self._unread.find(HEAD_END)
            if at < 0:
                return []
            del self._unread[: at + len(HEAD_END)]
            self._has_head = True
        messages = []
        while (frame := self._frame()) is not None:
            message = self._joined(*frame)
            if message is not None:
                messages.append(message)
        return messages

    def _frame(self) -> tuple[int, bytes] | None:
        """First byte and unmasked payload of the next whole frame."""
        data = self._unread
        if len(data) < 2:
            return None
        length, at = data[1] & 0x7F, 2
        if length >= 126:
            at = 4 if length == 126 else 10
            if len(data) < at:
                return None
            length = int.from_bytes(data[2:at])
        key_bytes = 4 if data[1] & MASKED else 0
        if len(data) < at + key_bytes + length:
            return None
        key = bytes(data[at : at + key_bytes])
        payload = bytes(data[at + key_bytes : at + key_bytes + length])
        first = data[0]
        del data[: at + key_bytes + length]
        return first, _unmasked(payload, key)

    def _joined(self, first: int, payload: bytes) -> str | bytes | None:
        kind = first & 0x0F
        if kind not in (TEXT, BINARY, CONTINUATION):
            return None
        if kind != CONTINUATION:
            self._kind = kind
            self._parts.clear()
        self._parts += payload
        if not first & 0x80:
            return None
        whole = bytes(self._parts)
        self._parts.clear()
        return whole.decode(errors="replace") if self._kind == TEXT else whole


def _unmasked(payload: bytes, key: bytes) -> bytes:
    if not key or not payload:
        return payload
    mask = (key * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload) ^ int.from_bytes(mask)).to_bytes(len(payload))


def parsed(message: str | bytes) -> dict[str, Any]:
    """The message as an object; empty when it is none (faults send garbage)."""
    try:
        value = json.loads(message) if isinstance(message, str) else msgpack.unpackb(message)
    except (ValueError, msgpack.UnpackException):
        return {}
    return value if isinstance(value, dict) else {}


def audio_of(message: dict[str, Any]) -> bytes:
    """The sound that a message of the client's carries."""
    data = message.get("source_media_chunk", {}).get("data", b"")
    return base64.b64decode(data) if isinstance(data, str) else bytes(data)


def concluded_in(message: dict[str, Any]) -> list[tuple[str, str]]:
    """Concluded text that a message of the service's carries: name of its topic, and text."""
    found = []
    for name, topic in (("source_transcript_update", "transcript"), ("target_transcript_update", "translation")):
        update = message.get(name)
        if update is not None:
            place = topic if topic == "transcript" else f"translation/{update['language']}"
            found += [(place, str(segment["text"]).strip()) for segment in update.get("concluded", ())]
    return found
