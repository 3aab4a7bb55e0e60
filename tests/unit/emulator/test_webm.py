"""WebM read as it comes, cut anywhere."""

import random

import pytest

from satellite.emulator.matroska import Track, cluster, header
from satellite.emulator.webm import WebmReader

HEAD = header("webm", Track("A_OPUS", b"OpusHead-private", 48_000))
PACKETS = [bytes([number]) * (number * 40 + 1) for number in range(12)]
STREAM = HEAD + b"".join(cluster(at * 20, [(at * 20, packet)]) for at, packet in enumerate(PACKETS))


@pytest.mark.parametrize("seed", range(5))
def test_packets_come_out_however_the_stream_is_cut(seed: int) -> None:
    rng, reader, found, at = random.Random(seed), WebmReader(), [], 0
    while at < len(STREAM):
        size = rng.choice((1, 3, 50, 700))
        found += list(reader.push(STREAM[at : at + size]))
        at += size
    assert found == [b"OpusHead-private", *PACKETS]


@pytest.mark.parametrize(
    "stream",
    [
        b"no webm at all",
        b"\x00" * 9,
        HEAD.replace(b"A_OPUS", b"A_AAC\0"),
        HEAD + b"\xa3\x01\xff\xff\xff\xff\xff\xff\xff",
        HEAD + b"\xa3\x08\x00\x00\x00\x00" + bytes(8),
        HEAD + cluster(0, [(0, b"")]),
        HEAD + b"\x1f\x43\xb6\x75\x86\xa3\x84\x81\x00\x00\x06",
        HEAD + b"\xa3\x82\x81\x00",
    ],
)
def test_what_is_no_webm_is_refused(stream: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        list(WebmReader().push(stream))


def test_a_block_may_stand_in_a_group() -> None:
    block = b"\xa1\x85\x81\x00\x00\x00x"
    group = b"\xa0" + bytes([0x80 | len(block)]) + block
    assert list(WebmReader().push(HEAD + group)) == [b"OpusHead-private", b"x"]
