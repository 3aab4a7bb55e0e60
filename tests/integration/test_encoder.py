"""Encoders for the way up, heard again through PyAV's own demuxer."""

import io
import random
import sys

import av
import numpy as np
import pytest

from satellite.adapters.encoder import OggOpusEncoder, PcmEncoder, WebmOpusEncoder, make_encoder
from satellite.backends.base import MediaEncoder
from satellite.core.audio import RATE_HZ
from satellite.errors import MediaError
from tests.fakes.speech_media import Samples, correlation, resampled, voice

OPUS_RATE_HZ = 48_000


def pages(stream: bytes) -> list[tuple[int, int, int, int, int]]:
    """Flags, granule position, serial, sequence and number of packets of each page."""
    found = []
    start = 0
    while start < len(stream):
        assert stream[start : start + 5] == b"OggS\0"
        flags = stream[start + 5]
        granule, serial, sequence = (
            int.from_bytes(stream[start + first : start + last], "little")
            for first, last in ((6, 14), (14, 18), (18, 22))
        )
        lacing = stream[start + 27 : start + 27 + stream[start + 26]]
        found.append((flags, granule, serial, sequence, sum(value < 255 for value in lacing)))
        start += 27 + len(lacing) + sum(lacing)
    return found


def heard(stream: bytes) -> Samples:
    # with "explode" the demuxer refuses a page with a wrong checksum
    with av.open(io.BytesIO(stream), "r", format="ogg", options={"err_detect": "crccheck+explode"}) as demuxer:
        blocks = [frame.to_ndarray()[0] for frame in demuxer.decode(audio=0)]
    return (np.concatenate(blocks) * 32_767).astype(np.int16)


def encode_in_pieces(encoder: MediaEncoder, pcm: bytes, rng: random.Random) -> bytes:
    stream = b""
    while pcm:
        size = rng.choice((2, 100, 640, 3200, 8000, 32_000))
        stream += encoder.encode(pcm[:size])
        pcm = pcm[size:]
    return stream


def test_pcm_stays_as_it_is() -> None:
    encoder = make_encoder("pcm")
    assert isinstance(encoder, PcmEncoder)
    assert encoder.encode(b"\x01\x02\x03") == b"\x01\x02\x03"
    encoder.restart()
    assert encoder.finish() == b""


@pytest.mark.parametrize("seed", range(4))
def test_what_was_said_is_heard_in_full_length(seed: int) -> None:
    spoken = voice(RATE_HZ)
    encoder = make_encoder("opus")
    stream = encode_in_pieces(encoder, spoken.tobytes(), random.Random(seed)) + encoder.finish()
    again = heard(stream)
    assert len(again) == len(spoken) * 3
    assert correlation(resampled(spoken, RATE_HZ, OPUS_RATE_HZ), again, 480) >= 0.9


def test_the_bit_rate_is_kept() -> None:
    spoken = np.tile(voice(RATE_HZ), 5)
    encoder = OggOpusEncoder(bit_rate=16_000)
    stream = encoder.encode(spoken.tobytes()) + encoder.finish()
    bits_per_second = len(stream) * 8 / (len(spoken) / RATE_HZ)
    assert 10_000 < bits_per_second < 22_000


def test_pages_leave_with_the_call_that_filled_them() -> None:
    encoder = OggOpusEncoder()
    assert encoder.encode(bytes(638)) == b""
    first = pages(encoder.encode(bytes(2)))
    assert [(flags, granule, packets) for flags, granule, _, _, packets in first] == [(2, 0, 1), (0, 0, 1), (0, 960, 1)]
    tenth = pages(encoder.encode(bytes(3200)))
    assert [packets for *_, packets in tenth] == [5]
    second = pages(encoder.encode(bytes(32_000)))
    assert [packets for *_, packets in second] == [5] * 10
    assert [sequence for _, _, _, sequence, _ in first + tenth + second] == list(range(14))


def test_the_end_is_marked_and_says_how_long_it_was() -> None:
    encoder = OggOpusEncoder()
    stream = encoder.encode(bytes(3300)) + encoder.finish()
    pre_skip = int.from_bytes(stream[stream.index(b"OpusHead") + 10 :][:2], "little")
    flags, granule, *_ = pages(stream)[-1]
    assert flags == 4
    assert granule == pre_skip + 1650 * 3
    assert encoder.finish() == b""


def test_a_few_samples_make_a_stream_too() -> None:
    encoder = OggOpusEncoder()
    assert encoder.encode(bytes(200)) == b""
    assert len(heard(encoder.finish())) == 300


def test_a_restart_begins_a_stream_that_stands_alone() -> None:
    spoken = voice(RATE_HZ)
    encoder = OggOpusEncoder()
    lost = encoder.encode(spoken[:8000].tobytes())
    encoder.restart()
    stream = encoder.encode(spoken.tobytes()) + encoder.finish()
    assert correlation(resampled(spoken, RATE_HZ, OPUS_RATE_HZ), heard(stream), 480) >= 0.9
    serials = {serial for _, _, serial, _, _ in pages(lost)}, {serial for _, _, serial, _, _ in pages(stream)}
    assert len(serials[0]) == len(serials[1]) == 1
    assert serials[0] != serials[1]
    assert pages(stream)[0][0] == 2


def test_what_made_no_whole_frame_survives_a_restart() -> None:
    encoder = OggOpusEncoder()
    encoder.encode(bytes(640 + 100))
    encoder.restart()
    assert len(heard(encoder.encode(bytes(640)) + encoder.finish())) == (320 + 50) * 3


def test_an_encoder_can_be_used_again_after_its_end() -> None:
    encoder = OggOpusEncoder()
    encoder.encode(bytes(3200))
    encoder.finish()
    assert len(heard(encoder.encode(bytes(6400)) + encoder.finish())) == 3200 * 3


def test_another_medium_is_refused() -> None:
    with pytest.raises(MediaError, match="pcm, opus or webm"):
        make_encoder("mp3")


def test_without_pyav_the_mend_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MediaError, match=r"install the extra av \(docs/install\.md\)"):
        make_encoder("opus")


# --- WebM -------------------------------------------------------------------------------------------------------


def heard_from_webm(stream: bytes) -> Samples:
    with av.open(io.BytesIO(stream), "r", format="matroska") as demuxer:
        assert demuxer.streams.audio[0].codec_context.name == "opus"
        blocks = [frame.to_ndarray()[0] for frame in demuxer.decode(audio=0)]
    return (np.concatenate(blocks) * 32_767).astype(np.int16)


@pytest.mark.parametrize("seed", range(3))
def test_what_was_said_is_heard_from_webm(seed: int) -> None:
    spoken = voice(RATE_HZ)
    encoder = make_encoder("webm")
    stream = encode_in_pieces(encoder, spoken.tobytes(), random.Random(seed)) + encoder.finish()
    again = heard_from_webm(stream)
    assert len(spoken) * 3 <= len(again) <= len(spoken) * 3 + 2 * 960
    whole = again[: len(spoken) * 3]
    assert correlation(resampled(spoken, RATE_HZ, OPUS_RATE_HZ), whole, 480) >= 0.9


def test_each_call_gives_whole_clusters() -> None:
    encoder = WebmOpusEncoder()
    first = encoder.encode(voice(RATE_HZ).tobytes()[:3200])
    assert first.startswith(b"\x1a\x45\xdf\xa3")
    assert first.count(b"\x1f\x43\xb6\x75") == 1
    second = encoder.encode(voice(RATE_HZ).tobytes()[3200:9600])
    assert second.startswith(b"\x1f\x43\xb6\x75")
    assert second.count(b"\x1f\x43\xb6\x75") == 2
    assert len(heard_from_webm(first + second)) == pytest.approx(300 * 48, abs=960)


def test_long_recordings_keep_their_times() -> None:
    encoder = WebmOpusEncoder(bit_rate=8_000)
    minute = np.zeros(60 * RATE_HZ, np.int16).tobytes()
    stream = b"".join(encoder.encode(minute) for _ in range(2))
    with av.open(io.BytesIO(stream), "r", format="matroska") as demuxer:
        packets = [packet for packet in demuxer.demux(audio=0) if packet.size]
    assert packets[-1].pts is not None
    assert float(packets[-1].pts * packets[-1].time_base) == pytest.approx(120.0, abs=0.05)
    assert encoder.finish() != b""
    assert encoder.finish() == b""


def test_a_restart_begins_another_stream() -> None:
    encoder = WebmOpusEncoder()
    encoder.encode(bytes(3200))
    encoder.restart()
    assert encoder.encode(bytes(3200)).startswith(b"\x1a\x45\xdf\xa3")
