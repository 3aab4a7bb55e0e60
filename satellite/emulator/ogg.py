"""Ogg pages (RFC 3533): written one packet run each, read from any cutting of the byte stream."""

import struct
from collections.abc import Iterator

_HEADER = struct.Struct("<4sBBqIIIB")
_CONTINUED, _FIRST = 1, 2


def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        crc = value << 24
        for _ in range(8):
            crc = ((crc << 1) ^ 0x04C11DB7) & 0xFFFFFFFF if crc & 0x80000000 else crc << 1
        table.append(crc)
    return tuple(table)


_CRC = _crc_table()


def _crc(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc = ((crc << 8) & 0xFFFFFFFF) ^ _CRC[(crc >> 24) ^ byte]
    return crc


class OggWriter:
    """Writes whole packets, each call one page; `serial` names the logical stream."""

    def __init__(self, serial: int) -> None:
        self._serial = serial
        self._sequence = 0

    def page(self, packets: list[bytes], granule: int) -> bytes:
        """One page of whole packets (at most 255 lacing values), ending at a granule position."""
        lacing = bytearray()
        for packet in packets:
            lacing += b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255])
        flags = _FIRST if self._sequence == 0 else 0
        head = _HEADER.pack(b"OggS", 0, flags, granule, self._serial, self._sequence, 0, len(lacing))
        page = bytearray(head + bytes(lacing) + b"".join(packets))
        struct.pack_into("<I", page, 22, _crc(bytes(page)))
        self._sequence += 1
        return bytes(page)


class OggReader:
    """Packets of one logical stream out of bytes cut anywhere; ValueError on anything that is no Ogg."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._packet = bytearray()

    def push(self, data: bytes) -> Iterator[bytes]:
        """The packets that these bytes complete."""
        self._bytes += data
        while (page := self._next_page()) is not None:
            lacing, body, is_continued = page
            if not is_continued:
                self._packet.clear()
            at = 0
            for length in lacing:
                self._packet += body[at : at + length]
                at += length
                if length < 255:
                    yield bytes(self._packet)
                    self._packet.clear()

    def _next_page(self) -> tuple[bytes, bytes, bool] | None:
        if len(self._bytes) < _HEADER.size:
            return None
        magic, version, flags, _granule, _serial, _sequence, _sum, count = _HEADER.unpack_from(self._bytes)
        if magic != b"OggS" or version != 0:
            raise ValueError("no Ogg page where one must begin")
        head = _HEADER.size + count
        if len(self._bytes) < head:
            return None
        lacing = bytes(self._bytes[_HEADER.size : head])
        end = head + sum(lacing)
        if len(self._bytes) < end:
            return None
        body = bytes(self._bytes[head:end])
        del self._bytes[:end]
        return lacing, body, bool(flags & _CONTINUED)
