import pytest

from satellite.backends.deepl.speech import SpeechStream, Units, content_type_of

PCM = "audio/pcm;encoding=s16le;rate=24000"


def pcm_stream() -> SpeechStream:
    return SpeechStream(PCM)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("audio/webm;codecs=opus;", "audio/webm;codecs=opus"),
        (" Audio/PCM; rate=24000 ;encoding=S16LE", PCM),
        ("audio/flac", "audio/flac"),
        ("audio/ogg;;codecs=opus;codecs=opus", "audio/ogg;codecs=opus"),
        (";", ""),
    ],
)
def test_content_types_have_one_spelling(text: str, expected: str) -> None:
    assert content_type_of(text) == expected


def test_header_units_are_apart_and_the_type_is_remembered() -> None:
    stream = pcm_stream()
    first = stream.take([b"EBML", b"cluster"], 1, "audio/webm;codecs=opus;", is_new_piece=True)
    second = stream.take([b"more"], 0, None, is_new_piece=False)
    assert first == Units("audio/webm;codecs=opus", (b"EBML",), (b"cluster",))
    assert second == Units("audio/webm;codecs=opus", (), (b"more",))


def test_more_headers_than_units_and_empty_units_do_no_harm() -> None:
    stream = SpeechStream("audio/flac")
    assert stream.take([b"fLaC", b""], 9, None, is_new_piece=True) == Units("audio/flac", (b"fLaC",), ())


def test_opus_headers_are_never_audio_even_when_they_are_not_counted() -> None:
    units = SpeechStream("audio/opus").take([b"OpusHead1", b"OpusTags2", b"\xf8\xff"], 0, None, is_new_piece=True)
    assert units == Units("audio/opus", (b"OpusHead1",), (b"\xf8\xff",))


def test_pcm_comes_in_whole_samples_across_units_and_messages() -> None:
    stream = pcm_stream()
    assert stream.take([b"abc", b"de"], 0, None, is_new_piece=True).data == (b"abcd",)
    assert stream.take([b"f"], 0, None, is_new_piece=False).data == (b"ef",)


@pytest.mark.parametrize(("content_type", "is_new_piece"), [(None, True), (PCM, False)])
def test_a_new_piece_does_not_inherit_half_a_sample(content_type: str | None, is_new_piece: bool) -> None:
    stream = pcm_stream()
    assert stream.take([b"a"], 0, None, is_new_piece=True).data == ()
    assert stream.take([b"bc"], 0, content_type, is_new_piece=is_new_piece).data == (b"bc",)


def test_nor_does_a_new_connection() -> None:
    stream = pcm_stream()
    stream.take([b"a"], 0, None, is_new_piece=True)
    stream.reconnected()
    assert stream.take([b"bc"], 0, None, is_new_piece=False).data == (b"bc",)


def test_eight_bit_pcm_is_left_alone() -> None:
    stream = SpeechStream("audio/pcm;encoding=ulaw;rate=8000")
    assert stream.take([b"abc"], 0, None, is_new_piece=True).data == (b"abc",)
