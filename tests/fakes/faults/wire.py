"""What passes between a satellite and its voice service, read off the bytes: messages of WebSocket connections."""

from dataclasses import dataclass, field

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
