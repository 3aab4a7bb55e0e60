import json

import msgpack
import pytest

from satellite.emulator.deepl.framing import ClientMessage, FramingError, decode, encode

AUDIO_HEX = "81b2736f757263655f6d656469615f6368756e6b81a464617461c410000078008 8ff2c01cafe2d00f9ff0000".replace(" ", "")
JSON_CHUNK = '{"source_media_chunk":{"data":"AAB4AIj/LAHK/i0A+f8AAA=="}}'


def test_the_example_chunk_of_the_reference_in_both_encodings() -> None:
    as_json = decode(JSON_CHUNK, "json")
    as_msgpack = decode(bytes.fromhex(AUDIO_HEX), "msgpack")
    assert as_json.audio == as_msgpack.audio == bytes.fromhex("0000780088ff2c01cafe2d00f9ff0000")
    assert (as_json.wire_bytes, as_msgpack.wire_bytes) == (24, 16)


@pytest.mark.parametrize(
    ("frame", "message_format"),
    [
        ('{"end_of_source_media":{}}', "json"),
        (bytes.fromhex("81b3656e645f6f665f736f757263655f6d6564696180"), "msgpack"),
    ],
)
def test_the_end(frame: str | bytes, message_format: str) -> None:
    assert decode(frame, message_format) == ClientMessage("end_of_source_media")


@pytest.mark.parametrize(
    ("frame", "message_format", "rule", "closes"),
    [
        (JSON_CHUNK.encode(), "json", "wrong_frame_type", True),
        (JSON_CHUNK, "msgpack", "wrong_frame_type", True),
        ("{", "json", "undecodable", True),
        (b"\xc1", "msgpack", "undecodable", True),
        ("[" * 100_000, "json", "undecodable", True),
        (b"\x91" * 100_000, "msgpack", "undecodable", True),
        (b"\x81\x90\x80", "msgpack", "undecodable", True),
        ('["source_media_chunk"]', "json", "not_an_object", True),
        (msgpack.packb([[b"ab"]]), "msgpack", "not_an_object", True),
        (msgpack.packb({0: {0: b"ab"}}), "msgpack", "non_string_key", True),
        (msgpack.packb({"source_media_chunk": {0: b"ab"}}), "msgpack", "non_string_key", True),
        (msgpack.packb({"source_media_chunk": [b"ab"]}), "msgpack", "payload_not_an_object", False),
        (msgpack.packb({"source_media_chunk": {"data": "ab"}}), "msgpack", "audio_not_binary", False),
        ('{"source_media_chunk":{"data":"AAA"}}', "json", "bad_base64", False),
        ('{"source_media_chunk":{"data":"A-_A"}}', "json", "bad_base64", False),
        ('{"source_media_chunk":{"data":[0,0]}}', "json", "bad_base64", False),
        ('{"source_media_chunk":{}}', "json", "missing_data", False),
        ('{"source_media_chunk":{"data":"AAA=","sequence":1}}', "json", "unknown_field", False),
        ('{"end_of_source_media":null}', "json", "payload_not_an_object", False),
        ('{"end_of_source_media":{},"source_media_chunk":{}}', "json", "not_one_key", False),
        ("{}", "json", "not_one_key", False),
        ('{"keep_alive":{}}', "json", "unknown_message", False),
    ],
)
def test_refused(frame: str | bytes, message_format: str, rule: str, closes: bool) -> None:
    with pytest.raises(FramingError) as caught:
        decode(frame, message_format)
    assert caught.value.rule == rule
    assert (caught.value.close_code is not None) == closes


def test_server_messages_carry_audio_as_base64_or_bin() -> None:
    message = {"target_media_chunk": {"data": [b"\x00\x01"], "text": " Küche"}}
    as_json, as_msgpack = encode(message, "json"), encode(message, "msgpack")
    assert isinstance(as_json, str)
    assert json.loads(as_json)["target_media_chunk"] == {"data": ["AAE="], "text": " Küche"}
    assert isinstance(as_msgpack, bytes)
    assert msgpack.unpackb(as_msgpack) == message
