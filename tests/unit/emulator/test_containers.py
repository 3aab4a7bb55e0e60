import io
import struct
import zlib

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellite.emulator.deepl.schema import SOURCE_MEDIA
from satellite.emulator.matroska import Track, cluster, header
from satellite.emulator.media import OpusSource, PcmSource, make_decoder
from satellite.emulator.ogg import OggReader, OggWriter
from satellite.errors import MediaError

PACKETS = [bytes([number]) * size for number, size in enumerate((0, 1, 254, 255, 256, 510, 3_000))]


@given(st.lists(st.integers(1, 700), min_size=1, max_size=30))
def test_ogg_packets_come_out_however_the_bytes_are_cut(cuts: list[int]) -> None:
    writer, reader = OggWriter(7), OggReader()
    data = writer.page(PACKETS[:3], 0) + writer.page(PACKETS[3:], 960)
    found: list[bytes] = []
    at = 0
    for cut in [*cuts, len(data)]:
        found += reader.push(data[at : at + cut])
        at += cut
    assert found == PACKETS


def test_what_is_no_ogg_is_refused() -> None:
    with pytest.raises(ValueError, match="no Ogg page"):
        list(OggReader().push(b"RIFF" + bytes(40)))


def test_a_packet_over_two_pages_is_joined_and_one_without_its_beginning_is_not() -> None:
    # two pages by hand: 255 bytes that go on, then the rest, marked as continued
    def page(flags: int, sequence: int, lacing: list[int], body: bytes) -> bytes:
        head = struct.pack("<4sBBqIIIB", b"OggS", 0, flags, 0, 1, sequence, zlib.crc32(b""), len(lacing))
        return head + bytes(lacing) + body

    first, second = page(2, 0, [255], b"a" * 255), page(1, 1, [5, 2], b"bbbbbcc")
    assert list(OggReader().push(first + second)) == [b"a" * 255 + b"b" * 5, b"cc"]


def test_matroska_is_read_by_ffmpeg_whatever_the_cluster_size() -> None:
    track = Track("A_AAC", b"\x13\x08", 24_000)
    clusters = [cluster(at * 20, [(at * 20, b"abc"), (at * 20 + 10, bytes(70_001))]) for at in range(3)]
    with av.open(io.BytesIO(header("webm", track) + b"".join(clusters)), "r") as container:
        packets = [packet for packet in container.demux(audio=0) if packet.size]
    assert [packet.size for packet in packets] == [3, 70_001] * 3
    assert container.format.name == "matroska,webm"


def test_every_published_source_is_decoded_or_declined() -> None:
    decoded = {media for media in SOURCE_MEDIA if "pcm" in media}
    decoded |= {"audio/ogg", "audio/ogg;codecs=opus", "audio/webm;codecs=opus", "audio/auto"}
    for media in SOURCE_MEDIA - decoded:
        with pytest.raises(MediaError, match="does not decode audio/"):
            make_decoder(media)
    assert {make_decoder(media).is_exact for media in decoded} == {True, False}


def test_pcm_duration_and_alignment() -> None:
    decoder = PcmSource("s16le", 48_000)
    pcm, duration_ms = decoder.push(bytes(9_600))
    assert (decoder.frame_bytes, decoder.is_exact, duration_ms) == (2, False, 100.0)
    assert abs(len(pcm) - 3_200) <= 4


@pytest.mark.parametrize(
    "packets",
    [
        [b"not opus at all"],
        [b"OpusHead" + struct.pack("<BBHIhB", 1, 2, 0, 48_000, 0, 0)],
    ],
)
def test_ogg_without_mono_opus_is_refused(packets: list[bytes]) -> None:
    with pytest.raises(MediaError, match="not supported"):
        OpusSource(OggReader()).push(OggWriter(1).page(packets, 0))


def test_bytes_that_are_no_container_are_refused() -> None:
    with pytest.raises(MediaError, match="not supported"):
        OpusSource(OggReader()).push(bytes(100))
