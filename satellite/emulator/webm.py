"""WebM as live clients send it (RFC 8794, RFC 9559): Opus packets out of an EBML stream that is cut anywhere."""

from collections.abc import Iterator

_SEGMENT, _CLUSTER, _TRACKS, _TRACK_ENTRY, _BLOCK_GROUP = 0x18538067, 0x1F43B675, 0x1654AE6B, 0xAE, 0xA0
_ENTERED = frozenset({_SEGMENT, _CLUSTER, _TRACKS, _TRACK_ENTRY, _BLOCK_GROUP})
"""Elements that are looked into; others are passed over whole."""
_EBML, _CODEC_ID, _CODEC_PRIVATE, _SIMPLE_BLOCK, _BLOCK = 0x1A45DFA3, 0x86, 0x63A2, 0xA3, 0xA1
MAX_ELEMENT_BYTES = 1_000_000
_LACING = 0x06


class WebmReader:
    """The codec's header, then its packets, in order; ValueError on anything that is no WebM with Opus."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._has_begun = False

    def push(self, data: bytes) -> Iterator[bytes]:
        """What these bytes complete."""
        self._bytes += data
        while (element := self._next()) is not None:
            identifier, body = element
            if identifier == _CODEC_ID and body != b"A_OPUS":
                raise ValueError("not Opus")
            if identifier == _CODEC_PRIVATE:
                yield body
            elif identifier in (_SIMPLE_BLOCK, _BLOCK):
                yield _packet(body)

    def _next(self) -> tuple[int, bytes] | None:
        """The next element that holds data; None while it is not whole."""
        while True:
            head = _head(self._bytes)
            if head is None:
                return None
            identifier, size, length = head
            if not self._has_begun and identifier != _EBML:
                raise ValueError("no EBML header where a stream must begin")
            self._has_begun = True
            if identifier in _ENTERED:
                del self._bytes[:length]
                continue
            if size is None or size > MAX_ELEMENT_BYTES:
                raise ValueError("an element of unknown or absurd size")
            if len(self._bytes) < length + size:
                return None
            body = bytes(self._bytes[length : length + size])
            del self._bytes[: length + size]
            return identifier, body


def _head(data: bytearray) -> tuple[int, int | None, int] | None:
    """Identifier, size (None: unknown) and length of an element's head; None while it is not whole."""
    if not data:
        return None
    id_length = _width(data[0], 4)
    if len(data) <= id_length:
        return None
    size_length = _width(data[id_length], 8)
    if len(data) < id_length + size_length:
        return None
    size = int.from_bytes(data[id_length : id_length + size_length], "big") & ((1 << 7 * size_length) - 1)
    is_unknown = size == (1 << 7 * size_length) - 1
    return int.from_bytes(data[:id_length], "big"), None if is_unknown else size, id_length + size_length


def _width(first: int, most: int) -> int:
    """How many bytes a variable-length number has, by its first."""
    width = 9 - first.bit_length()
    if not 1 <= width <= most:
        raise ValueError("no element where one must begin")
    return width


def _packet(block: bytes) -> bytes:
    """The one packet of a block: track number, time, flags, data."""
    if len(block) < 4:
        raise ValueError("a block without a head")
    head = _width(block[0], 8) + 3
    if len(block) <= head or block[head - 1] & _LACING:
        raise ValueError("a block that is empty or laced")
    return block[head:]
