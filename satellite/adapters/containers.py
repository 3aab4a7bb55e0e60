"""Where the set-up part of a media container ends: what a fresh demuxer must see before any later audio."""

from collections.abc import Callable
from dataclasses import dataclass

MAX_HEADER_BYTES = 256 * 1024
LOOK_AGAIN_AT = 1.25
"""Times as much as at the last look for the end of a header."""

_OGG_PAGE_BYTES = 27  # RFC 3533 section 6: the fixed part of a page header
_OGG_FIRST_PAGE = 0x02
_CLUSTER_ID = b"\x1f\x43\xb6\x75"  # RFC 9559 section 5.1: the first Cluster follows Info and Tracks
_TS_PACKET_BYTES = 188  # ISO 13818-1 section 2.4.3.2
_TS_SYNC = 0x47
_PES_START = b"\x00\x00\x01"


class NotThisContainerError(ValueError):
    """The bytes are not what their content type says."""


@dataclass(frozen=True, slots=True)
class Container:
    """A container format: libav's name for it, how a stream of it begins, and where its header ends.

    `header_bytes` is given a stream from its beginning and returns the length of its header, or None while
    that cannot be told; it raises NotThisContainerError. `is_beginning` tells the first bytes of a stream of its
    own; it is never true for a format that can be joined anywhere.
    """

    format_name: str
    is_beginning: Callable[[bytes], bool]
    header_bytes: Callable[[bytes], int | None]


class HeaderKeeper:
    """Keeps the header of the stream that passes through; what was given as headers stands in when none is found."""

    def __init__(self, container: Container, given: bytes) -> None:
        self._container = container
        self._given = given
        self._seen = bytearray()
        self._is_found = False
        self._looked_at_bytes = 0

    def see(self, data: bytes) -> None:
        """More bytes of the stream, from its beginning on."""
        if self._is_found:
            return
        self._seen += data
        # a look costs the whole of what was seen, and a stream may come byte by byte
        if len(self._seen) >= self._looked_at_bytes * LOOK_AGAIN_AT:
            self._look()

    def _look(self) -> None:
        self._looked_at_bytes = len(self._seen)
        try:
            length = self._container.header_bytes(bytes(self._seen))
        except NotThisContainerError:
            self._settle(self._given)
            return
        if length is not None:
            self._settle(bytes(self._seen[:length]))
        elif len(self._seen) > MAX_HEADER_BYTES:
            self._settle(self._given)

    def forget(self) -> None:
        """A new stream begins."""
        self._seen.clear()
        self._is_found = False
        self._looked_at_bytes = 0

    @property
    def header(self) -> bytes:
        """The header, or as much of it as was seen."""
        if not self._is_found and len(self._seen) > self._looked_at_bytes:
            self._look()
        return bytes(self._seen)

    def _settle(self, header: bytes) -> None:
        self._seen[:] = header
        self._is_found = True


def _ogg_begins(data: bytes) -> bool:
    return data.startswith(b"OggS") and len(data) > 5 and bool(data[5] & _OGG_FIRST_PAGE)


def _ogg_header_bytes(stream: bytes) -> int | None:
    """Header pages carry granule position 0 (RFC 7845 section 3, the FLAC and Vorbis mappings alike)."""
    start = 0
    while len(stream) >= start + _OGG_PAGE_BYTES:
        if stream[start : start + 4] != b"OggS":
            raise NotThisContainerError
        if stream[start + 6 : start + 14] != bytes(8):
            return start
        body = start + _OGG_PAGE_BYTES + stream[start + 26]
        if len(stream) < body:
            return None
        start = body + sum(stream[start + _OGG_PAGE_BYTES : body])
    return None


def _matroska_begins(data: bytes) -> bool:
    return data.startswith(b"\x1a\x45\xdf\xa3")  # RFC 8794 section 11.2.1: the EBML header


def _matroska_header_bytes(stream: bytes) -> int | None:
    if not _matroska_begins(stream) and len(stream) >= 4:
        raise NotThisContainerError
    found = stream.find(_CLUSTER_ID)
    return None if found < 0 else found


def _flac_begins(data: bytes) -> bool:
    return data.startswith(b"fLaC")


def _flac_header_bytes(stream: bytes) -> int | None:
    """Metadata blocks: a flag for the last one, a type, a 24-bit length (RFC 9639 section 8.1)."""
    if not _flac_begins(stream) and len(stream) >= 4:
        raise NotThisContainerError
    start = 4
    while len(stream) >= start + 4:
        is_last = bool(stream[start] & 0x80)
        start += 4 + int.from_bytes(stream[start + 1 : start + 4], "big")
        if is_last:
            return start if len(stream) >= start else None
    return None


def _never_begins(_data: bytes) -> bool:
    return False  # every packet looks alike, and what is more than a packet is repeated all the time


def _ts_header_bytes(stream: bytes) -> int | None:
    """Tables come before the first packet that begins a PES packet."""
    for start in range(0, len(stream) - _TS_PACKET_BYTES + 1, _TS_PACKET_BYTES):
        packet = stream[start : start + _TS_PACKET_BYTES]
        if packet[0] != _TS_SYNC:
            raise NotThisContainerError
        adaptation = 1 + packet[4] if packet[3] & 0x20 else 0
        is_unit_start = bool(packet[1] & 0x40)
        if is_unit_start and packet[4 + adaptation :].startswith(_PES_START):
            return start
    return None


def _wav_begins(data: bytes) -> bool:
    return data.startswith(b"RIFF")


def _wav_header_bytes(stream: bytes) -> int | None:
    """Chunks up to the samples: a name and a length that is padded to whole words (IBM and Microsoft 1991)."""
    if not _wav_begins(stream) and len(stream) >= 4:
        raise NotThisContainerError
    start = 12
    while len(stream) >= start + 8:
        if stream[start : start + 4] == b"data":
            return start + 8
        length = int.from_bytes(stream[start + 4 : start + 8], "little")
        start += 8 + length + length % 2
    return None


def _mp3_begins(data: bytes) -> bool:
    return data.startswith(b"ID3")  # a tag; frames look alike, and can be joined anywhere


def _no_header(_stream: bytes) -> int:
    return 0  # each frame says all that a decoder needs


OGG = Container("ogg", _ogg_begins, _ogg_header_bytes)
MATROSKA = Container("matroska", _matroska_begins, _matroska_header_bytes)
FLAC = Container("flac", _flac_begins, _flac_header_bytes)
MPEG_TS = Container("mpegts", _never_begins, _ts_header_bytes)
WAV = Container("wav", _wav_begins, _wav_header_bytes)
MP3 = Container("mp3", _mp3_begins, _no_header)
ADTS = Container("aac", _never_begins, _no_header)
