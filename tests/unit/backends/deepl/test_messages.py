import base64
import json
from typing import Any

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from satellite.backends.base import SendBytes, SendText
from satellite.backends.deepl.messages import (
    MAX_PARTS,
    MAX_TEXT_CHARACTERS,
    MAX_WORD_CHARACTERS,
    Codec,
    EndOfSourceTranscript,
    EndOfStream,
    EndOfTargetMedia,
    EndOfTargetTranscript,
    Ignored,
    JsonCodec,
    Malformed,
    MediaChunk,
    Message,
    MsgpackCodec,
    ServiceError,
    SourceUpdate,
    TargetUpdate,
    WireSegment,
    codec_for,
)

AUDIO = bytes.fromhex("0000780088ff2c01cafe2d00f9ff0000")


def wire(codec: Codec, content: Any) -> str | bytes:
    """What the service would send."""
    if isinstance(codec, MsgpackCodec):
        packed: bytes = msgpack.packb(content, use_bin_type=True)
        return packed
    return json.dumps(content)


def read(content: Any, codec: Codec | None = None) -> list[Message] | Malformed:
    codec = codec or JsonCodec()
    return codec.decode(wire(codec, content))


def one(content: Any, codec: Codec | None = None) -> Message:
    messages = read(content, codec)
    assert isinstance(messages, list)
    assert len(messages) == 1
    return messages[0]


CODECS = pytest.mark.parametrize("codec", [JsonCodec(), MsgpackCodec()], ids=["json", "msgpack"])


def test_the_reference_chunk_in_json() -> None:
    assert codec_for("json").chunk(AUDIO) == SendText('{"source_media_chunk":{"data":"AAB4AIj/LAHK/i0A+f8AAA=="}}')
    assert codec_for("json").end_of_source_media() == SendText('{"end_of_source_media":{}}')


def test_the_reference_chunk_in_messagepack() -> None:
    expected = "81b2736f757263655f6d656469615f6368756e6b81a464617461c4100000780088ff2c01cafe2d00f9ff0000"
    assert codec_for("msgpack").chunk(AUDIO) == SendBytes(bytes.fromhex(expected))
    end = codec_for("msgpack").end_of_source_media()
    assert end == SendBytes(bytes.fromhex("81b3656e645f6f665f736f757263655f6d6564696180"))


@CODECS
def test_text_updates(codec: Codec) -> None:
    items = [{"language": "it", "text": " in cucina.", "start_time": 1460, "end_time": 2230}]
    segment = WireSegment(" in cucina.", 1460, 2230, "it")
    assert one({"source_transcript_update": {"concluded": items, "tentative": []}}, codec) == SourceUpdate(
        (segment,), ()
    )
    body = {"language": "en-GB", "concluded": [], "tentative": items}
    assert one({"target_transcript_update": body}, codec) == TargetUpdate("en-GB", (), (segment,))


@CODECS
def test_speech(codec: Codec) -> None:
    data: list[Any] = [b"OpusHead", b"\xf8\xff"]
    if isinstance(codec, JsonCodec):
        data = [base64.b64encode(unit).decode() for unit in data]
    body = {
        "language": "de",
        "content_type": "audio/opus",
        "headers": 1,
        "data": data,
        "duration": 40,
        "text": "Gern.",
    }
    expected = MediaChunk("de", "audio/opus", 1, (b"OpusHead", b"\xf8\xff"), 40, "Gern.")
    assert one({"target_media_chunk": body}, codec) == expected


@CODECS
def test_ends_and_errors(codec: Codec) -> None:
    assert one({"end_of_source_transcript": {}}, codec) == EndOfSourceTranscript()
    assert one({"end_of_target_transcript": {"language": "de"}}, codec) == EndOfTargetTranscript()
    assert one({"end_of_target_media": {"language": "de"}}, codec) == EndOfTargetMedia("de")
    assert one({"end_of_stream": {}}, codec) == EndOfStream()
    body = {"request_type": "r", "error_code": 400, "reason_code": 4000403, "error_message": "Bad"}
    assert one({"error": body}, codec) == ServiceError(400, 4000403, "r", "Bad")


@CODECS
@pytest.mark.parametrize("body", [None, 7, "text", [], {}])
def test_a_body_of_the_wrong_type_is_an_empty_one(codec: Codec, body: Any) -> None:
    assert one({"source_transcript_update": body}, codec) == SourceUpdate((), ())
    assert one({"target_transcript_update": body}, codec) == TargetUpdate(None, (), ())
    assert one({"end_of_stream": body}, codec) == EndOfStream()
    assert one({"error": body}, codec) == ServiceError(None, None, "", "")
    assert one({"target_media_chunk": body}, codec) == MediaChunk(None, None, 0, (b"",), 0, None)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"text": "a"}, (WireSegment("a", 0, 0),)),
        ({"text": "a", "start_time": "1", "end_time": None, "language": 7}, (WireSegment("a", 0, 0),)),
        ({"text": "a", "start_time": 1.9, "end_time": 3.2, "language": " "}, (WireSegment("a", 1, 3),)),
        ({"text": "a", "start_time": 9, "end_time": 3}, (WireSegment("a", 9, 9),)),
        ({"text": "a", "start_time": -5, "end_time": True}, (WireSegment("a", 0, 0),)),
        ({"text": "a", "start_time": 10**30, "end_time": float("nan")}, (WireSegment("a", 0, 0),)),
        ({"text": "a", "start_time": float("inf"), "end_time": -float("inf")}, (WireSegment("a", 0, 0),)),
        ({"text": "a", "language": "d" * MAX_WORD_CHARACTERS}, (WireSegment("a", 0, 0, "d" * MAX_WORD_CHARACTERS),)),
        ({"text": "a", "language": "d" * (MAX_WORD_CHARACTERS + 1)}, (WireSegment("a", 0, 0),)),
        ({"text": "\ud800b"}, (WireSegment("?b", 0, 0),)),
        ({"text": "a" * MAX_TEXT_CHARACTERS}, (WireSegment("a" * MAX_TEXT_CHARACTERS, 0, 0),)),
        ({"text": "a" * (MAX_TEXT_CHARACTERS + 1)}, ()),
        ({"text": ""}, ()),
        ({"text": None}, ()),
        ({"text": 7}, ()),
        ({}, ()),
        ("text", ()),
        (None, ()),
    ],
)
def test_segments_are_read_leniently(item: Any, expected: tuple[WireSegment, ...]) -> None:
    assert one({"source_transcript_update": {"concluded": [item], "tentative": "none"}}) == SourceUpdate(expected, ())


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("AAAA", (b"\0\0\0",)),
        (["AAA"], (b"\0\0",)),  # without padding
        (["AA AA\n"], (b"\0\0\0",)),
        (["****", "AAAA"], (b"", b"\0\0\0")),  # places are kept: the leading ones may be headers
        (["ä"], (b"",)),
        (["A"], (b"",)),
        ([None, 7, ["AAAA"], {}], (b"", b"", b"", b"")),
        ([], ()),
    ],
)
def test_units_that_cannot_be_decoded_are_empty(data: Any, expected: tuple[bytes, ...]) -> None:
    chunk = one({"target_media_chunk": {"data": data, "headers": -1, "duration": -5}})
    assert chunk == MediaChunk(None, None, 0, expected, 0, None)


def test_base64_in_messagepack_is_understood() -> None:
    chunk = one({"target_media_chunk": {"data": ["AAAA", b"\1"]}}, MsgpackCodec())
    assert chunk == MediaChunk(None, None, 0, (b"\0\0\0", b"\1"), 0, None)


def test_bad_utf8_in_messagepack_costs_one_character() -> None:
    packed = msgpack.packb({"source_transcript_update": {"concluded": [{"text": "aXc"}], "tentative": []}})
    messages = MsgpackCodec().decode(packed.replace(b"aXc", b"a\xffc"))
    assert messages == [SourceUpdate((WireSegment("a?c", 0, 0),), ())]


@CODECS
def test_the_envelope(codec: Codec) -> None:
    assert read({}, codec) == [Ignored()]
    assert read({"novelty": {}}, codec) == [Ignored()]
    assert read({"novelty": {}, "end_of_stream": {}}, codec) == [Ignored(), EndOfStream()]


@CODECS
@pytest.mark.parametrize("content", [None, 7, "text", [], [{"end_of_stream": {}}]])
def test_what_is_no_object_is_no_message(codec: Codec, content: Any) -> None:
    assert isinstance(read(content, codec), Malformed)


@CODECS
@pytest.mark.parametrize("part", [[], {}])
def test_a_large_message_may_not_be_made_of_parts_alone(codec: Codec, part: Any) -> None:
    def data(groups: int) -> dict[str, Any]:
        return {"target_media_chunk": {"data": [[part] * 1_024] * groups, "text": "a" * 70_000}}

    assert isinstance(read(data(60), codec), list)
    assert isinstance(read(data(MAX_PARTS // 1_024), codec), Malformed)


@pytest.mark.parametrize("head", ["dd00ffffff", "df00ffffff"])
def test_a_short_message_may_not_announce_a_long_list(head: str) -> None:
    assert isinstance(MsgpackCodec().decode(bytes.fromhex(head) * 100), Malformed)


@pytest.mark.parametrize("data", ["", "{", "[" * 200_000, '{"a":' * 200_000, "1" * 5000, b'{"end_of_stream":{}}'])
def test_what_is_no_json(data: str | bytes) -> None:
    assert isinstance(JsonCodec().decode(data), Malformed)


@pytest.mark.parametrize(
    "data", [b"", b"\xc1", b"\x91" * 200_000, b"\x81\x01\x80", b"\x81\xa1", b"\x80\x80", b"\x81\x90\x80", "text"]
)
def test_what_is_no_messagepack(data: str | bytes) -> None:
    assert isinstance(MsgpackCodec().decode(data), Malformed)


LOOSE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("AAAA"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["concluded", "tentative", "text", "start_time", "language", "data", "headers"]), inner
        )
    ),
    max_leaves=12,
)
NAMES = st.sampled_from(
    ["source_transcript_update", "target_transcript_update", "target_media_chunk", "end_of_stream", "error", "x"]
)


UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""How fast the machine is shows nothing about the messages."""


@UNHURRIED
@given(st.dictionaries(NAMES, LOOSE, max_size=3))
def test_no_content_ever_raises_in_json(content: dict[str, Any]) -> None:
    assert isinstance(JsonCodec().decode(json.dumps(content)), list)


@UNHURRIED
@given(st.binary(max_size=60))
def test_no_bytes_ever_raise_in_messagepack(data: bytes) -> None:
    assert isinstance(MsgpackCodec().decode(data), list | Malformed)
