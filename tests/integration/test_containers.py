"""Where the header of each container ends."""

import random
from dataclasses import replace

import pytest

from satellite.adapters.containers import FLAC, MATROSKA, MAX_HEADER_BYTES, MPEG_TS, OGG, Container, HeaderKeeper
from tests.fakes.speech_media import make_media

STREAMS = {
    "audio/flac": FLAC,
    "audio/ogg;codecs=opus": OGG,
    "audio/ogg;codecs=flac": OGG,
    "audio/webm": MATROSKA,
    "audio/x-matroska;codecs=aac": MATROSKA,
}


@pytest.mark.parametrize("content_type", STREAMS)
def test_a_header_is_found_however_the_stream_is_cut(content_type: str) -> None:
    media = make_media(content_type)
    (header,) = media.headers
    stream = header + b"".join(media.pieces[0])
    rng = random.Random(1)
    for _ in range(5):
        keeper = HeaderKeeper(STREAMS[content_type], b"")
        start = 0
        while start < len(stream):
            size = rng.choice((1, 5, 50, 500))
            keeper.see(stream[start : start + size])
            start += size
        assert keeper.header == header


def test_a_transport_stream_begins_with_its_tables() -> None:
    media = make_media("video/mp2t;codecs=aac")
    first = media.pieces[0][0]
    keeper = HeaderKeeper(MPEG_TS, b"")
    for byte in b"".join(media.pieces[0][:4]):
        keeper.see(bytes([byte]))
    assert len(keeper.header) % 188 == 0
    assert first.startswith(keeper.header)
    numbers = {
        int.from_bytes(keeper.header[at + 1 : at + 3], "big") & 0x1FFF for at in range(0, len(keeper.header), 188)
    }
    assert 0 in numbers
    assert 0x100 not in numbers


@pytest.mark.parametrize("content_type", STREAMS)
def test_only_a_first_unit_is_a_beginning(content_type: str) -> None:
    media = make_media(content_type)
    container = STREAMS[content_type]
    assert container.is_beginning(media.headers[0][:8])
    assert not any(container.is_beginning(unit[:8]) for piece in media.pieces for unit in piece)


def test_a_transport_stream_can_be_joined_anywhere() -> None:
    assert not MPEG_TS.is_beginning(make_media("video/mp2t;codecs=aac").pieces[0][0][:8])


@pytest.mark.parametrize("container", [OGG, MATROSKA, FLAC, MPEG_TS], ids=lambda container: container.format_name)
def test_what_is_no_such_stream_leaves_the_given_header(container: Container) -> None:
    keeper = HeaderKeeper(container, b"given")
    keeper.see(b"\x00" * 400)
    assert keeper.header == b"given"
    keeper.see(b"more")
    assert keeper.header == b"given"
    keeper.forget()
    assert keeper.header == b""


def test_a_header_without_end_leaves_the_given_one() -> None:
    keeper = HeaderKeeper(MATROSKA, b"given")
    keeper.see(b"\x1a\x45\xdf\xa3")
    assert keeper.header == b"\x1a\x45\xdf\xa3"
    keeper.see(bytes(MAX_HEADER_BYTES))
    assert keeper.header == b"given"


@pytest.mark.parametrize("content_type", STREAMS)
def test_a_stream_that_comes_byte_by_byte_is_not_searched_at_each(content_type: str) -> None:
    media, looks = make_media(content_type), 0
    container = STREAMS[content_type]

    def counted(stream: bytes) -> int | None:
        nonlocal looks
        looks += 1
        return container.header_bytes(stream[:20])

    keeper = HeaderKeeper(replace(container, header_bytes=counted), b"given")
    for byte in media.headers[0][:20] + bytes(20_000):
        keeper.see(bytes([byte]))
    assert looks < 100


def test_a_header_cut_in_the_middle_is_as_much_as_was_seen() -> None:
    (header,) = make_media("audio/flac").headers
    keeper = HeaderKeeper(FLAC, b"")
    keeper.see(header[:100])
    assert keeper.header == header[:100]
