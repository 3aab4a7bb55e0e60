"""Payloads: each message byte by byte, as the public contract spells it."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from satellite.core.events import Stream
from satellite.core.transcript import SegmentConcluded, TentativeChanged, UtteranceRecord
from satellite.homeassistant import payloads
from satellite.homeassistant.messages import Delivery, Message
from satellite.homeassistant.payloads import HealthFigures, ProblemNote
from satellite.homeassistant.topics import Topics

TOPICS = Topics("voice-satellite", "kitchen")
ROOT = "voice-satellite/kitchen"
TWO_PM = datetime(2026, 11, 21, 14, 3, 7, 123_000, tzinfo=UTC).timestamp()

SEGMENT = SegmentConcluded(
    "u1-source-1", "u1", Stream.SOURCE, "it", 'Accendi la "luce" 電気', TWO_PM, TWO_PM + 1.5, None
)
TENTATIVE = TentativeChanged("u1", Stream.SOURCE, "it", "in cucina", TWO_PM, TWO_PM + 0.5)
RECORD = UtteranceRecord(
    id="u1",
    start_s=TWO_PM,
    end_s=TWO_PM + 2.3456,
    source_language="it",
    source_text="Accendi la luce.",
    translations=(("en-GB", "Turn on the light."), ("de", "Mach das Licht an.")),
    speech_language="de",
    speech_ms=1220,
    lost_ms=99.6,
    complete=False,
    reason="silence",
)
HEALTH = HealthFigures(
    version="1.2.3",
    uptime_s=61.26,
    captured_s=60.04,
    streamed_s=12.0,
    billed_s=12.0,
    utterances=3,
    sessions=2,
    resumes=1,
    reconnects=1,
    lost_audio_ms=120.5,
    outbox=0,
    capture_age_ms=87.4,
    cpu_s=1.249,
    rss_bytes=40_000_000,
    uplink_p50_ms=812.6,
    uplink_p95_ms=1500.0,
)


# --- times --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unix_s", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (TWO_PM, "2026-11-21T14:03:07.123Z"),
        (TWO_PM + 0.0004, "2026-11-21T14:03:07.123Z"),
        (TWO_PM + 0.8769, "2026-11-21T14:03:08.000Z"),
        (-0.001, "1969-12-31T23:59:59.999Z"),
    ],
)
def test_times(unix_s: float, text: str) -> None:
    assert payloads.rfc3339_ms(unix_s) == text


@settings(deadline=None)
@given(st.integers(0, 4_102_444_800_000))
def test_times_keep_every_millisecond(unix_ms: int) -> None:
    text = payloads.rfc3339_ms(unix_ms / 1000)
    assert text.endswith("Z")
    assert len(text) == 24
    assert round(datetime.fromisoformat(text).timestamp() * 1000) == unix_ms


# --- text ---------------------------------------------------------------------------------------------------------


def test_a_source_segment() -> None:
    expected = (
        '{"id":"u1-source-1","utterance_id":"u1","session_id":"s1","language":"it","text":"Accendi la \\"luce\\" 電気",'
        '"start":"2026-11-21T14:03:07.123Z","end":"2026-11-21T14:03:08.623Z","speaker":null}'
    )
    assert payloads.segment(TOPICS, SEGMENT, "s1", retain=False) == Message(
        f"{ROOT}/transcript", expected.encode(), retain=False, qos=1, delivery=Delivery.CONCLUDED
    )


def test_a_target_segment_retained() -> None:
    output = replace(SEGMENT, stream=Stream.TARGET, language="en-GB", speaker="2")
    message = payloads.segment(TOPICS, output, "s1", retain=True)
    assert message.topic == f"{ROOT}/translation/en-GB"
    assert message.retain
    assert json.loads(message.payload)["speaker"] == "2"


@pytest.mark.parametrize(("language", "level"), [("zh-HANS", "zh-HANS"), ("../#/+", "______"), ("", "_")])
def test_a_language_a_service_made_up_stays_in_its_topic_level(language: str, level: str) -> None:
    segment = payloads.segment(TOPICS, replace(SEGMENT, stream=Stream.TARGET, language=language), "s1", retain=False)
    tentative = payloads.tentative(TOPICS, replace(TENTATIVE, stream=Stream.TARGET, language=language))
    assert segment.topic == f"{ROOT}/translation/{level}"
    assert tentative.topic == f"{ROOT}/translation/{level}/tentative"


def test_half_a_surrogate_pair_cannot_stop_the_text() -> None:
    message = payloads.segment(TOPICS, replace(SEGMENT, text="a\ud800b"), "s1", retain=False)
    assert json.loads(message.payload)["text"] == "a?b"


def test_tentative_text() -> None:
    expected = (
        '{"utterance_id":"u1","language":"it","text":"in cucina",'
        '"start":"2026-11-21T14:03:07.123Z","end":"2026-11-21T14:03:07.623Z"}'
    )
    assert payloads.tentative(TOPICS, TENTATIVE) == Message(
        f"{ROOT}/transcript/tentative", expected.encode(), retain=False, qos=0, delivery=Delivery.TRANSIENT
    )


def test_an_utterance() -> None:
    expected = (
        '{"id":"u1","start":"2026-11-21T14:03:07.123Z","end":"2026-11-21T14:03:09.469Z","duration_ms":2346,'
        '"source":{"language":"it","text":"Accendi la luce."},'
        '"translations":{"en-GB":"Turn on the light.","de":"Mach das Licht an."},'
        '"speech":{"language":"de","duration_ms":1220},"lost_ms":100,"complete":false,"reason":"silence"}'
    )
    assert payloads.utterance(TOPICS, RECORD, retain=True) == Message(
        f"{ROOT}/utterance", expected.encode(), retain=True, qos=1, delivery=Delivery.CONCLUDED
    )


def test_an_utterance_of_text_only() -> None:
    record = replace(RECORD, speech_language=None, translations=(), source_language=None, source_text="")
    body = json.loads(payloads.utterance(TOPICS, record, retain=False).payload)
    assert (body["speech"], body["translations"], body["source"]) == (None, {}, {"language": None, "text": ""})


# --- happenings ---------------------------------------------------------------------------------------------------


def test_speech() -> None:
    assert payloads.speech(TOPICS, "started", "u1", "de", "Gern.", 640.2) == Message(
        f"{ROOT}/speech",
        b'{"event":"started","utterance_id":"u1","language":"de","text":"Gern.","duration_ms":640}',
        retain=False,
        qos=1,
        delivery=Delivery.TRANSIENT,
    )


def test_a_sound_has_no_language() -> None:
    message = payloads.speech(TOPICS, "finished", None, "", "", 100)
    assert message.payload == b'{"event":"finished","utterance_id":null,"language":null,"text":"","duration_ms":100}'


def test_a_session() -> None:
    assert payloads.session(TOPICS, "opened", "s1", "deepl", None, "t1") == Message(
        f"{ROOT}/session",
        b'{"event":"opened","session_id":"s1","backend":"deepl","reason":null,"trace_id":"t1"}',
        retain=False,
        qos=1,
        delivery=Delivery.TRANSIENT,
    )


def test_what_a_service_says_is_cut_and_printable() -> None:
    message = payloads.session(TOPICS, "failed", "s1", "deepl", "no\n" + "!" * 9_999, None)
    reason = json.loads(message.payload)["reason"]
    assert reason.startswith("no\N{REPLACEMENT CHARACTER}!!")
    assert len(reason) == payloads.PEER_CHARACTERS_MAX


def test_a_refused_command() -> None:
    assert payloads.command_error(TOPICS, "volume", "loud", "not a number") == Message(
        f"{ROOT}/command_error",
        b'{"command":"volume","payload":"loud","reason":"not a number"}',
        retain=False,
        qos=1,
        delivery=Delivery.TRANSIENT,
    )


def test_a_refused_command_is_not_repeated_at_length() -> None:
    body = json.loads(payloads.command_error(TOPICS, "play", "/a\n" * 100_000, "no " * 100_000).payload)
    assert body["payload"].startswith("/a\N{REPLACEMENT CHARACTER}/a")
    assert (len(body["payload"]), len(body["reason"])) == (256, payloads.PEER_CHARACTERS_MAX)


def test_an_answer_of_the_backend() -> None:
    topic = f"{ROOT}/backend/usage/result"
    done = b'{"action":"usage","ok":true,"reason":null,"result":{"minutes":3}}'
    assert payloads.backend_result(TOPICS, "usage", None, {"minutes": 3}) == Message(
        topic, done, retain=False, qos=1, delivery=Delivery.CONCLUDED
    )
    refused = payloads.backend_result(TOPICS, "usage", "no", {})
    assert refused.payload == b'{"action":"usage","ok":false,"reason":"no","result":{}}'


# --- present state ------------------------------------------------------------------------------------------------


def retained(topic: str, payload: bytes) -> Message:
    return Message(f"{ROOT}/{topic}", payload, retain=True, qos=1, delivery=Delivery.LATEST)


def test_availability() -> None:
    assert payloads.availability(TOPICS, is_online=True) == retained("availability", b"online")
    assert payloads.availability(TOPICS, is_online=False) == retained("availability", b"offline")


def test_state() -> None:
    assert payloads.state(TOPICS, "listening") == retained("state", b"listening")


def test_a_problem_and_none() -> None:
    note = ProblemNote("auth", "The key was refused.", "Check api_key.", TWO_PM)
    assert payloads.problem(TOPICS, note) == retained(
        "problem",
        b'{"active":true,"code":"auth","message":"The key was refused.","hint":"Check api_key.",'
        b'"since":"2026-11-21T14:03:07.123Z"}',
    )
    assert json.loads(payloads.problem(TOPICS, replace(note, hint=None)).payload)["hint"] is None
    assert payloads.problem(TOPICS, None) == retained("problem", b'{"active":false}')


def test_health() -> None:
    assert payloads.health(TOPICS, HEALTH) == retained(
        "health",
        b'{"version":"1.2.3","uptime_s":61.3,"captured_s":60.0,"streamed_s":12.0,"billed_s":12.0,"utterances":3,'
        b'"sessions":2,"resumes":1,"reconnects":1,"lost_audio_ms":120,"outbox":0,"capture_age_ms":87,"cpu_s":1.2,'
        b'"rss_bytes":40000000,"latency_ms":{"uplink_p50":813,"uplink_p95":1500}}',
    )


def test_health_before_there_is_anything_to_measure() -> None:
    figures = replace(HEALTH, capture_age_ms=None, uplink_p50_ms=None, uplink_p95_ms=None)
    body = json.loads(payloads.health(TOPICS, figures).payload)
    assert body["capture_age_ms"] is None
    assert body["latency_ms"] == {"uplink_p50": None, "uplink_p95": None}


def test_settings() -> None:
    message = payloads.settings(
        TOPICS, mute=False, volume=80, source_language="auto", target_languages=("de", "fr"), speech_language=None
    )
    assert message == retained(
        "settings",
        b'{"mute":false,"volume":80,"source_language":"auto","target_languages":["de","fr"],"speech_language":null}',
    )


def test_the_use_of_the_day_is_told_in_seconds() -> None:
    message = payloads.usage(TOPICS, "2026-11-21", 12.345, 12.0)
    assert (message.topic, message.payload) == (
        f"{ROOT}/usage",
        b'{"day":"2026-11-21","streamed_s":12.3,"billed_s":12.0}',
    )
    assert (message.retain, message.delivery) == (True, Delivery.LATEST)


def test_the_link_to_the_cloud_is_one_word() -> None:
    message = payloads.cloud(TOPICS, "lost")
    assert (message.topic, message.payload, message.retain) == (f"{ROOT}/cloud", b"lost", True)
