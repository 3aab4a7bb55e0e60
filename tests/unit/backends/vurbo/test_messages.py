"""The messages of the wire: read leniently, written exactly."""

import base64
import json
from typing import Any

import pytest

from satellite.backends.vurbo.messages import (
    HEALTH,
    MAX_LANGUAGES,
    MAX_PARTS,
    MAX_TEXT_CHARACTERS,
    Alive,
    Clip,
    Ignored,
    Malformed,
    Notice,
    Origin,
    Sentences,
    ServiceError,
    Started,
    Translation,
    action_message,
    audio_message,
    decode,
)
from tests.unit.backends.vurbo.stage import TASK, error, event, started, status


def test_what_we_send_is_in_the_envelope() -> None:
    assert json.loads(action_message("set_name", {"name": "Küche"}).text) == {
        "type": "voice-translation",
        "data": {"action": "set_name", "name": "Küche"},
    }
    assert action_message("stop").text == '{"type":"voice-translation","data":{"action":"stop"}}'
    assert json.loads(audio_message(b"\xff\xfe\xfd").text)["data"] == {
        "action": "audio",
        "payload": base64.b64encode(b"\xff\xfe\xfd").decode(),
    }
    assert json.loads(HEALTH.text)["type"] == "health"


def test_a_result_in_full() -> None:
    text = event(
        "result",
        origin={
            "sid": 4,
            "language": "fr-FR",
            "text": "La réunion.",
            "is_final": True,
            "speaker_id": "Speaker-1",
            "start_time": "01:12",
        },
        translations={"en-GB": {"sid": 4, "text": "The meeting.", "is_final": True}},
    )
    assert decode(text) == Sentences(
        Origin(4, "La réunion.", True, "fr-FR", "Speaker-1", 72),
        (Translation(4, "en-GB", "The meeting.", True, False),),
    )


def test_a_translation_has_its_sid_inside() -> None:
    entry = {"sid": 2, "text": "Hallo.", "is_final": True, "is_retranslation": True}
    again = Translation(2, "de-DE", "Hallo.", True, True)
    assert decode(event("translation", translations={"de-DE": entry})) == Sentences(None, (again,))


def test_a_batch_is_always_of_what_was_translated_before() -> None:
    entry = {"sid": 2, "text": "Hallo.", "is_final": True}
    found = decode(event("batch_retranslation", sid=2, translations={"de-DE": entry}))
    assert found == Sentences(None, (Translation(2, "de-DE", "Hallo.", True, True),))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:07", 7), ("61:01", 3661), ("1:01:01", 3661), ("7", None), ("a:b", None), (7, None), ("1:" * 9, None)],
)
def test_times_are_text(text: Any, seconds: int | None) -> None:
    found = decode(event("result", origin={"sid": 1, "text": "x", "start_time": text}))
    assert found == Sentences(Origin(1, "x", False, start_s=seconds), ())


def test_a_task_id_may_have_another_name() -> None:
    assert decode(started()) == Started(TASK)
    assert decode(event("session_started", recording_id="r")) == Started("r")
    assert decode(event("session_started")) == Started("")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (error("stt_init_failed"), ServiceError("stt_init_failed", "error", None)),
        (error("x", "fatal", sid=3), ServiceError("x", "fatal", 3)),
        (event("error", error_code="x"), ServiceError("x", "error", None)),
        (error(""), Ignored()),
        (status(), Notice("status", {"action": "status", "message": "whatever"})),
        (event("tts_ready", audio="AA=="), Clip({"action": "tts_ready", "audio": "AA=="})),
        ('{"type":"health"}', Alive()),
        ('{"type":"weather","data":{"action":"status"}}', Ignored()),
        ('{"type":["health"]}', Ignored()),
        (event("mood_changed"), Ignored()),
        ('{"type":"voice-translation","data":7}', Ignored()),
        ("{}", Ignored()),
        (b"\x00", Ignored()),
    ],
)
def test_each_kind(text: str | bytes, expected: object) -> None:
    assert decode(text) == expected


@pytest.mark.parametrize("text", ["{not json", '["result"]', "7", "[" * 100_000, '{"a":' * 3_000])
def test_what_is_no_message(text: str) -> None:
    assert isinstance(decode(text), Malformed)


def test_a_message_of_endless_parts_is_not_read() -> None:
    text = '{"type":"x","data":{"a":[' + ",".join(["[]"] * (MAX_PARTS + 1)) + "]}}"
    assert decode(text) == Malformed("a message of too many parts")
    assert decode('{"type":"x","data":{"a":"' + "x" * 100_000 + '"}}') == Ignored()


@pytest.mark.parametrize(
    "body",
    [
        {"origin": 7},
        {"origin": {"sid": True}},
        {"origin": {"sid": -1}},
        {"origin": {"sid": 2**31}},
        {"translations": [1]},
        {"translations": {"de": 7}},
        {"translations": {"de": {"sid": None}}},
        {"translations": {" ": {"sid": 1}}},
    ],
)
def test_a_field_of_the_wrong_type_counts_as_absent(body: dict[str, Any]) -> None:
    assert decode(event("result", **body)) == Sentences(None, ())


def test_texts_are_bounded_and_can_be_written() -> None:
    found = decode(event("result", origin={"sid": 1, "text": "x" * (MAX_TEXT_CHARACTERS + 1), "language": "y" * 257}))
    assert found == Sentences(Origin(1, "", False), ())
    found = decode('{"type":"voice-translation","data":{"action":"result","origin":{"sid":1,"text":"a\\ud800"}}}')
    assert found == Sentences(Origin(1, "a?", False), ())
    many = {f"x-{n}": {"sid": 1, "text": "y"} for n in range(100)}
    translations = decode(event("result", translations=many))
    assert isinstance(translations, Sentences)
    assert len(translations.translations) == MAX_LANGUAGES
