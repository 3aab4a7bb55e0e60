import base64
import json
import zlib
from typing import Any

import pytest

from satellite.backends.base import SendText
from satellite.backends.palabra import messages
from satellite.backends.palabra.messages import (
    CurrentTask,
    EndOfStream,
    Ignored,
    Malformed,
    Message,
    OutputAudio,
    ServiceError,
    ServiceWarning,
    Telemetry,
    Transcription,
)
from tests.unit.backends.palabra.stage import confirmed, guessed, heard, message, spoken, task_is, translated


def decode(data: str | bytes, *, is_inflated: bool = False) -> Message:
    return messages.decode(data, is_inflated=is_inflated)


def test_what_we_say() -> None:
    assert messages.command("get_task", {}) == SendText('{"message_type":"get_task","data":{}}')
    assert json.loads(messages.audio(b"\x01\x02").text) == {
        "message_type": "input_audio_data",
        "data": {"data": "AQI="},
    }


def test_sentences() -> None:
    assert decode(heard("7f", "Mach", (2.0, 2.5))) == Transcription(
        True, False, "7f", "en", "Mach", times_ms=(2000.0, 2500.0)
    )
    assert decode(confirmed("7f", "Mach das.")) == Transcription(True, True, "7f", "en", "Mach das.")
    assert decode(guessed("7f", "Do", "1")) == Transcription(False, False, "7f", "de", "Do", "1")
    assert decode(translated("7f", "Do it.")) == Transcription(False, True, "7f", "de", "Do it.", "0")


def test_part_numbers_and_texts_are_the_same() -> None:
    assert decode(translated("7", "x", 3)) == decode(translated("7", "x", "3"))


def test_data_may_be_json_in_json_and_frames_may_be_binary() -> None:
    content = json.loads(confirmed("7f", "Das."))
    nested = json.dumps({**content, "data": json.dumps(content["data"])})
    assert decode(nested) == decode(confirmed("7f", "Das.")) == decode(nested.encode())
    assert decode(json.dumps({"message_type": "eos", "data": "{broken"})) == EndOfStream()


@pytest.mark.parametrize(
    ("segments", "times"),
    [
        (None, None),
        ([], None),
        ("x", None),
        ([1, {"start": 1}, {"start": True, "end": 2}, {"start": -1, "end": 1}], None),
        ([{"start": 2, "end": 3}, {"start": 1.5, "end": 2}], (1500.0, 3000.0)),
        ([{"start": 2, "end": 1}], (2000.0, 2000.0)),
    ],
)
def test_times_of_segments(segments: Any, times: tuple[float, float] | None) -> None:
    data = {"transcription": {"transcription_id": "1", "text": "x", "segments": segments}}
    found = decode(message("partial_transcription", **data))
    assert isinstance(found, Transcription)
    assert found.times_ms == times


@pytest.mark.parametrize(
    "inner", [None, {}, {"transcription_id": "1"}, {"text": "x"}, {"transcription_id": "1", "text": "x" * 20_000}]
)
def test_a_sentence_without_id_or_text_is_none(inner: Any) -> None:
    assert decode(message("validated_transcription", transcription=inner)) == Ignored()


def test_speech() -> None:
    assert decode(spoken("7", b"\x01\x02")) == OutputAudio("7", "0", "de", b"\x01\x02", False)
    assert decode(spoken("7", b"", 2, last=True)) == OutputAudio("7", "2", "de", b"", True)
    assert decode(message("output_audio_data", transcription_id="7", data="not base64")) == OutputAudio(
        "7", "0", None, b"", False
    )
    assert decode(message("output_audio_data", transcription_id="7")) == OutputAudio("7", "0", None, b"", False)
    assert decode(message("output_audio_data", data="AAAA")) == Ignored()


def test_speech_may_come_deflated() -> None:
    packed = zlib.compress(b"\x01\x02" * 100)
    assert decode(spoken("7", packed), is_inflated=True) == OutputAudio("7", "0", "de", b"\x01\x02" * 100, False)
    assert decode(spoken("7", b"no zlib"), is_inflated=True) == OutputAudio("7", "0", "de", b"", False)
    assert decode(spoken("7", b""), is_inflated=True) == OutputAudio("7", "0", "de", b"", False)


def test_a_bomb_goes_off_within_bounds() -> None:
    found = decode(spoken("7", zlib.compress(bytes(3 * messages.MAX_SPEECH_BYTES))), is_inflated=True)
    assert isinstance(found, OutputAudio)
    assert len(found.data) == messages.MAX_SPEECH_BYTES


def test_control() -> None:
    assert decode(task_is("running")) == CurrentTask("running")
    assert decode(message("current_task")) == CurrentTask("")
    assert decode(message("eos")) == decode(message("end_of_stream")) == EndOfStream()
    assert decode(message("warning", code="VOICE_NOT_FOUND")) == ServiceWarning("VOICE_NOT_FOUND")
    assert decode(message("warning")) == ServiceWarning("")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"desc": "no task"}, "no task"),
        ({"description": "no task"}, "no task"),
        ({"msg": "no task"}, "no task"),
        ({"desc": "", "msg": "x"}, "x"),
        ({"desc": [{"loc": ["a"], "msg": "b"}]}, '[{"loc": ["a"], "msg": "b"}]'),
        ({}, ""),
    ],
)
def test_errors_have_their_words_in_several_places(data: dict[str, Any], text: str) -> None:
    assert decode(message("error", code="NOT_FOUND", **data)) == ServiceError("NOT_FOUND", text)
    assert decode(message("error", **data)) == ServiceError("", text)


@pytest.mark.parametrize("said", ["x" * 5000, ["x" * 5000]])
def test_the_words_of_an_error_have_an_end(said: Any) -> None:
    found = decode(message("error", desc=said))
    assert isinstance(found, ServiceError)
    assert len(found.text) == messages.MAX_ERROR_CHARACTERS


@pytest.mark.parametrize(("said", "text"), [("\ud800", "?"), (["\ud800"], '["?"]')])
def test_the_words_of_an_error_can_be_written(said: Any, text: str) -> None:
    assert decode(message("error", desc=said)) == ServiceError("", text)


def test_an_error_nested_as_deep_as_can_be_read_has_words_or_none() -> None:
    found = {
        type(decode(f'{{"message_type":"error","data":{{"desc":{"[" * depth}1{"]" * depth}}}}}'))
        for depth in (*range(1, 1100), 100_000)  # how deep is too deep depends on the Python
    }
    assert found == {ServiceError, Malformed}


def test_an_error_that_is_too_deep_to_be_written_has_no_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some Pythons read deeper than they write, others do not: here is one that does."""

    def too_deep(*_: object, **__: object) -> str:
        raise RecursionError

    nested = message("error", desc=[1])
    monkeypatch.setattr(json, "dumps", too_deep)
    assert decode(nested) == ServiceError("", "")


@pytest.mark.parametrize(
    "data", ['{"es": {"current_queue_level_ms": 1}}', "{}", message("pipeline_timings"), message("tts_text")]
)
def test_figures_are_known(data: str) -> None:
    assert decode(data) == Telemetry()


@pytest.mark.parametrize("data", ['{"x": 1}', '{"message_type": 7}', '{"message_type": "surprise", "data": {}}'])
def test_what_is_not_known_is_ignored(data: str) -> None:
    assert decode(data) == Ignored()


@pytest.mark.parametrize(
    "data", ["", "{", "[]", "7", b"\xc1\xff", "[" * 100_000, b"{" * 100_000, '"' + "[" * 70_000 + '"']
)
def test_what_is_no_message(data: str | bytes) -> None:
    assert isinstance(decode(data), Malformed)


def test_a_long_message_of_few_parts_is_fine() -> None:
    assert decode(spoken("7", bytes(100_000))) == OutputAudio("7", "0", "de", bytes(100_000), False)


def test_odd_words_do_no_harm() -> None:
    data = {"transcription_id": True, "text": "x"}
    assert decode(message("partial_transcription", transcription=data)) == Ignored()
    data = {"transcription_id": "i" * 300, "text": "x"}
    assert decode(message("partial_transcription", transcription=data)) == Ignored()
    data = {"transcription_id": 2**60, "text": "x"}
    assert decode(message("partial_transcription", transcription=data)) == Ignored()
    inner = '{"transcription_id": 7, "text": "\\ud800"}'
    lone = f'{{"message_type": "partial_transcription", "data": {{"transcription": {inner}}}}}'
    found = decode(lone)
    assert isinstance(found, Transcription)
    assert (found.id, found.text) == ("7", "?")
    assert base64.b64encode(found.text.encode())
