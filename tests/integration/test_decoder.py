"""Speech decoders with a human voice in every published content type."""

import asyncio
import fractions
import functools
import io
import logging
import random
import sys
import threading
from collections.abc import Iterator, Sequence

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from satellite.adapters.avdecoder import ITEM_BYTES, MAX_WAITING_BYTES, AvDecoder
from satellite.adapters.decoder import ContentType, make_decoder
from satellite.errors import MediaError
from satellite.ports import SpeechDecoder
from tests.fakes.speech_media import (
    COMPRESSED,
    ENCODER_RATE_HZ,
    UNCOMPRESSED,
    Media,
    Samples,
    correlation,
    make_media,
    resampled,
)

ALL = (*COMPRESSED, *UNCOMPRESSED)
SPLITTABLE = tuple(content_type for content_type in ALL if content_type != "audio/opus")
TOLERANCE_MS = 60
AAC_DELAY_MS = 86
"""An AAC packet holds sound that was put in two frames before: what a part of a stream may be off by, not the whole."""
media = functools.cache(make_media)


class Ear:
    """Listens to a decoder."""

    def __init__(self, content_type: str, headers: Sequence[bytes] = ()) -> None:
        self.pcm = bytearray()
        self.decoder = make_decoder(content_type, headers, self.pcm.extend)

    @property
    def samples(self) -> Samples:
        return np.frombuffer(bytes(self.pcm), np.int16)

    @property
    def heard_ms(self) -> float:
        return len(self.pcm) / 2 * 1000 / self.decoder.rate_hz

    def assert_heard(self, utterances: Sequence[Samples], tolerance_ms: int = TOLERANCE_MS) -> None:
        """All of it once, at the right speed: as a whole, and each utterance at its own place."""
        rate_hz = self.decoder.rate_hz
        expected_ms = sum(len(samples) for samples in utterances) * 1000 / ENCODER_RATE_HZ
        assert self.heard_ms == pytest.approx(expected_ms, abs=tolerance_ms)
        reach = rate_hz * tolerance_ms // 1000
        start = 0
        for samples in utterances:
            reference = resampled(samples, ENCODER_RATE_HZ, rate_hz)
            place = self.samples[start : start + len(reference) + reach]
            assert correlation(reference, place, reach) >= 0.9
            start += len(reference)


def slow_flac(rate_hz: int) -> bytes:
    """Three frames of silence, each of 192 samples or more."""
    sink = io.BytesIO()
    with av.open(sink, "w", format="flac") as muxer:
        stream = muxer.add_stream("flac", rate=rate_hz, layout="mono")
        stream.codec_context.open()
        samples = stream.codec_context.frame_size
        for number in range(3):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, samples), np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts = rate_hz, number * samples
            frame.time_base = fractions.Fraction(1, rate_hz)
            muxer.mux(stream.encode(frame))
        muxer.mux(stream.encode(None))
    return sink.getvalue()


def decoder_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "satellite.decoder"]


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    yield
    for thread in decoder_threads():
        thread.join(5)
    assert decoder_threads() == []


def part_tolerance_ms(content_type: str, parts: int = 1) -> int:
    return TOLERANCE_MS + (AAC_DELAY_MS * parts if "aac" in content_type else 0)


def faults(decoder: SpeechDecoder) -> int:
    return decoder.faults if isinstance(decoder, AvDecoder) else 0


# --- what is said is heard ----------------------------------------------------------------------------------


@pytest.mark.parametrize("content_type", ALL)
async def test_units_one_by_one_with_a_flush_after_each_utterance(content_type: str) -> None:
    stream: Media = media(content_type)
    ear = Ear(content_type, stream.headers)
    ends_ms = []
    for piece in stream.pieces:
        for unit in piece:
            ear.decoder.feed([unit])
        await ear.decoder.flush()
        ends_ms.append(ear.heard_ms)
    ear.decoder.close()
    ear.assert_heard(stream.utterances)
    assert ends_ms == pytest.approx([1920, 3840, 5760], abs=part_tolerance_ms(content_type))
    assert faults(ear.decoder) == 0


@pytest.mark.parametrize("content_type", ALL)
async def test_a_whole_stream_at_once_with_headers_among_the_data(content_type: str) -> None:
    stream = media(content_type)
    ear = Ear(content_type)
    ear.decoder.feed([*stream.headers, *(unit for piece in stream.pieces for unit in piece)])
    await ear.decoder.flush()
    ear.decoder.close()
    ear.assert_heard(stream.utterances)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("content_type", SPLITTABLE)
async def test_any_splitting_gives_the_same(content_type: str, seed: int) -> None:
    rng = random.Random(seed)
    stream = media(content_type)
    ear = Ear(content_type)
    header = b"".join(stream.headers)
    for piece in stream.pieces:
        rest = header + b"".join(piece)
        header = b""
        while rest:
            cuts = [rng.choice((1, 2, 7, 47, 188, 1000, 4096, 20_000)) for _ in range(rng.randint(1, 3))]
            units = []
            for cut in cuts:
                units.append(rest[:cut])
                rest = rest[cut:]
            ear.decoder.feed(units)
            if rng.random() < 0.2:
                await asyncio.sleep(0)
        await ear.decoder.flush()
    ear.decoder.close()
    ear.assert_heard(stream.utterances)
    assert faults(ear.decoder) == 0


@pytest.mark.parametrize("content_type", COMPRESSED)
async def test_speech_is_heard_before_it_ends(content_type: str) -> None:
    """A demuxer may look ahead, but a second of speech must not wait for the flush."""
    stream = media(content_type)
    ear = Ear(content_type, stream.headers)
    for unit in [*stream.pieces[0], *stream.pieces[1]]:
        ear.decoder.feed([unit])
    async with asyncio.timeout(10):
        while ear.heard_ms < 2000:
            await asyncio.sleep(0.01)
    ear.decoder.close()


@pytest.mark.parametrize("content_type", COMPRESSED)
async def test_headers_that_come_again_begin_a_new_stream(content_type: str) -> None:
    stream = media(content_type)
    ear = Ear(content_type, stream.headers)
    for _ in range(2):
        ear.decoder.feed([*stream.headers, *(unit for piece in stream.pieces for unit in piece)])
    await ear.decoder.flush()
    ear.decoder.feed([*stream.headers, *stream.pieces[0]])
    await ear.decoder.flush()
    ear.decoder.close()
    ear.assert_heard([*stream.utterances, *stream.utterances, stream.utterances[0]], part_tolerance_ms(content_type, 3))


@pytest.mark.parametrize("content_type", COMPRESSED)
async def test_flushes_with_nothing_between_are_harmless(content_type: str) -> None:
    stream = media(content_type)
    ear = Ear(content_type, stream.headers)
    await ear.decoder.flush()
    await asyncio.gather(ear.decoder.flush(), ear.decoder.flush())
    for piece in stream.pieces:
        ear.decoder.feed(piece)
        await asyncio.gather(ear.decoder.flush(), ear.decoder.flush())
    await ear.decoder.flush()
    ear.decoder.close()
    ear.assert_heard(stream.utterances)
    assert faults(ear.decoder) == 0


async def test_opus_set_up_units_among_the_packets_are_not_played() -> None:
    stream = media("audio/opus")
    ear = Ear("audio/opus")
    for piece in stream.pieces:
        ear.decoder.feed([*stream.headers, b"OpusTags\0\0\0\0\0\0\0\0", *piece])
        await ear.decoder.flush()
    ear.decoder.close()
    ear.assert_heard(stream.utterances)
    assert faults(ear.decoder) == 0


async def test_opus_packets_without_any_header_are_taken_for_one_channel() -> None:
    stream = media("audio/opus")
    ear = Ear("audio/opus")
    ear.decoder.feed([unit for piece in stream.pieces for unit in piece])
    await ear.decoder.flush()
    ear.decoder.close()
    ear.assert_heard(stream.utterances)


async def test_half_a_sample_waits_for_its_other_half_but_not_over_a_flush() -> None:
    ear = Ear("audio/pcm;encoding=s16le;rate=24000")
    ear.decoder.feed([b"\x01"])
    assert ear.pcm == b""
    ear.decoder.feed([b"\x02\x03", b"\x04\x05"])
    assert ear.pcm == b"\x01\x02\x03\x04"
    await ear.decoder.flush()
    ear.decoder.feed([b"\x06\x07"])
    assert ear.pcm == b"\x01\x02\x03\x04\x06\x07"


@pytest.mark.parametrize("content_type", ALL)
async def test_nothing_is_heard_after_the_close(content_type: str) -> None:
    stream = media(content_type)
    ear = Ear(content_type, stream.headers)
    ear.decoder.feed([unit for piece in stream.pieces for unit in piece])
    ear.decoder.close()
    heard = len(ear.pcm)
    ear.decoder.feed(stream.pieces[0])
    await ear.decoder.flush()
    ear.decoder.close()
    for thread in decoder_threads():
        await asyncio.to_thread(thread.join, 5)
    await asyncio.sleep(0.05)
    assert len(ear.pcm) == heard


async def test_a_close_sets_a_waiting_flush_free() -> None:
    ear = Ear("audio/ogg", media("audio/ogg").headers)
    async with asyncio.TaskGroup() as group:
        group.create_task(ear.decoder.flush())
        await asyncio.sleep(0)
        ear.decoder.close()


async def test_a_loop_that_is_late_holds_the_thread_back_and_loses_nothing() -> None:
    stream = media("audio/x-matroska;codecs=flac")
    ear = Ear(stream.content_type, stream.headers)
    for _ in range(4):
        for piece in stream.pieces:
            ear.decoder.feed(piece)
    await asyncio.to_thread(lambda: None)
    await ear.decoder.flush()
    ear.decoder.close()
    assert ear.heard_ms == pytest.approx(4 * 5760, abs=TOLERANCE_MS)


# --- what is broken does no harm ----------------------------------------------------------------------------


@pytest.mark.parametrize("content_type", COMPRESSED)
async def test_garbage_is_counted_said_once_and_outlived(content_type: str, caplog: pytest.LogCaptureFixture) -> None:
    rng = random.Random(1)
    stream = media(content_type)
    ear = Ear(content_type)
    for _ in range(3):
        ear.decoder.feed([rng.randbytes(rng.randint(1, 3000)) for _ in range(10)])
        await ear.decoder.flush()
    ear.pcm.clear()
    ear.decoder.feed([*stream.headers, *stream.pieces[0]])
    await ear.decoder.flush()
    ear.decoder.close()
    ear.assert_heard(stream.utterances[:1], part_tolerance_ms(content_type))
    if faults(ear.decoder):
        assert [record.levelno for record in caplog.records] == [logging.WARNING]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("content_type", COMPRESSED)
async def test_damage_inside_a_stream_costs_no_later_utterance(content_type: str, seed: int) -> None:
    rng = random.Random(seed)
    stream = media(content_type)
    ear = Ear(content_type, stream.headers)
    for number, piece in enumerate(stream.pieces):
        units = list(piece)
        if number == 1:
            for _ in range(8):
                place = rng.randrange(len(units))
                units[place] = rng.choice((b"", units[place][: rng.randrange(40)], rng.randbytes(len(units[place]))))
        ear.pcm.clear()
        ear.decoder.feed(units)
        await ear.decoder.flush()
        if number != 1:
            ear.assert_heard([stream.utterances[number]], part_tolerance_ms(content_type))
    ear.decoder.close()


@pytest.mark.parametrize("content_type", COMPRESSED)
async def test_wrong_content_under_a_known_type(content_type: str) -> None:
    other = media("audio/x-matroska;codecs=aac" if "matroska" not in content_type else "audio/ogg")
    ear = Ear(content_type, other.headers)
    for piece in other.pieces:
        ear.decoder.feed(piece)
        await ear.decoder.flush()
    ear.decoder.close()


@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_any_bytes_in_any_order_end_in_peace(data: st.DataObject) -> None:
    content_type = data.draw(st.sampled_from(COMPRESSED))
    stream = media(content_type)
    own = st.sampled_from([*stream.headers, *stream.pieces[0][:6]])
    unit = st.one_of(own, st.binary(max_size=200), own.map(lambda unit: unit[:20]))
    units = data.draw(st.lists(st.tuples(unit, st.booleans()), max_size=12))

    async def main() -> None:
        ear = Ear(content_type)
        async with asyncio.timeout(20):
            for unit, is_last in units:
                ear.decoder.feed([unit])
                if is_last:
                    await ear.decoder.flush()
            await ear.decoder.flush()
        ear.decoder.close()

    asyncio.run(main())


async def test_crumbs_are_not_taken_for_little() -> None:
    """A unit costs more than its bytes. The decoder itself is some seconds ahead of the loop at most."""
    ear = Ear("audio/opus")
    silence = b"\xf8\xff\xfe"
    most = MAX_WAITING_BYTES // (ITEM_BYTES + len(silence))
    ear.decoder.feed([silence] * (2 * most))
    assert faults(ear.decoder) > most - 1_000
    ear.decoder.close()


async def test_more_than_can_be_kept_is_refused_and_counted() -> None:
    ear = Ear("audio/webm")
    for _ in range(20):
        ear.decoder.feed([bytes(1_000_000)])
    assert faults(ear.decoder) > 0
    ear.decoder.close()


async def test_a_bug_in_the_thread_is_raised_on_the_loop() -> None:
    """It would otherwise be silence that nobody can explain."""

    class BuggyPump:
        def work(self, inbox: object, outlet: object) -> int:
            raise KeyError("a bug")

    raised: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context["exception"]))
    decoder = AvDecoder(BuggyPump(), 24_000, (), lambda _: None, lambda _: False)
    async with asyncio.timeout(10):
        while not raised:
            await asyncio.sleep(0.01)
    decoder.close()
    assert [type(error) for error in raised] == [KeyError]


async def test_speech_that_would_last_for_hours_is_no_speech() -> None:
    ear = Ear("audio/flac")
    ear.decoder.feed([slow_flac(8)])
    await ear.decoder.flush()
    ear.decoder.close()
    assert (ear.heard_ms, faults(ear.decoder)) == (0, 3)


@pytest.mark.parametrize(
    ("written", "instead", "is_heard"), [(b"Lavf", b"\xff\xa3\xb2\x89", True), (b"A_OPUS", b"A_XPUS", False)]
)
async def test_a_container_may_hold_what_nobody_understands(
    written: bytes, instead: bytes, is_heard: bool, caplog: pytest.LogCaptureFixture
) -> None:
    stream = media("audio/x-matroska;codecs=opus")
    assert written in stream.headers[0]
    ear = Ear(stream.content_type)
    ear.decoder.feed([stream.headers[0].replace(written, instead), *stream.pieces[0]])
    await ear.decoder.flush()
    ear.decoder.close()
    assert (ear.heard_ms > 1_000, faults(ear.decoder) == 0) == (is_heard, is_heard)
    assert "failed" not in caplog.text


async def test_sound_that_changes_its_rate_in_the_middle_is_heard(caplog: pytest.LogCaptureFixture) -> None:
    def slower(unit: bytes) -> bytes:
        """The AAC frame in this unit, claiming 16 kHz (ISO 14496-3 section 1.A.3.2.1)."""
        at = unit.index(b"\xff\xf1") + 2
        return unit[:at] + bytes([(unit[at] & 0xC3) | 8 << 2]) + unit[at + 1 :]

    stream = media("video/mp2t;codecs=aac")
    ear = Ear(stream.content_type)
    ear.decoder.feed([*stream.pieces[0], *map(slower, stream.pieces[1])])
    await ear.decoder.flush()
    ear.decoder.close()
    assert ear.heard_ms > 2_200
    assert "failed" not in caplog.text


# --- choosing -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "rate_hz"),
    [
        ("audio/webm;codecs=opus;", 48_000),
        (" Audio/OGG; Codecs=Opus", 48_000),
        ('audio/x-matroska; codecs="flac"', 24_000),
        ("video/mp2t; codecs=aac ;", 24_000),
        ("audio/flac;", 24_000),
        ("audio/opus", 48_000),
        ("audio/pcm; rate=16000; encoding=s16le;", 16_000),
        ("audio/pcm;rate=44100", 44_100),
        ("audio/pcm;encoding=ulaw", 8_000),
    ],
)
async def test_spelling_does_not_matter(text: str, rate_hz: int) -> None:
    decoder = make_decoder(text, [], lambda _pcm: None)
    assert decoder.rate_hz == rate_hz
    decoder.close()


async def test_only_the_beginning_of_a_content_type_is_read() -> None:
    decoder = make_decoder("audio/pcm;rate=16000" + ";a" * 200 + ";rate=8000", [], lambda _pcm: None)
    assert decoder.rate_hz == 16_000


def test_parameters_are_a_set() -> None:
    assert ContentType.parse("audio/pcm;a=1;b=2") == ContentType.parse(" AUDIO/PCM ; B=2;A=1; ")


@pytest.mark.parametrize(
    "text",
    ["", "text/plain", "audio/x-speex", "audio/ogg;codecs=theora", "audio/pcm", "audio/pcm;rate=x", "audio/pcm;rate=0",
     "audio/pcm;rate=999", "audio/pcm;rate=24000000", f"audio/pcm;rate={'9' * 5_000}",
     "audio/pcm;encoding=f32le;rate=16000", "a\nb"],
)  # fmt: skip
async def test_what_cannot_be_decoded_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(MediaError) as caught:
        make_decoder(text, [], lambda _pcm: None)
    assert "\n" not in str(caught.value)


async def test_without_pyav_the_mend_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MediaError, match=r"install the extra av \(docs/install\.md\)"):
        make_decoder("audio/webm", [], lambda _pcm: None)
