import json
from typing import Any

import pytest

from satellite.backends.deepl.admission import FIRST_RETRY_S, RESUME_BUDGET_S
from satellite.backends.deepl.failures import PORTAL_HINT
from satellite.backends.deepl.requests import REJOIN_TIMEOUT_S, Ticket, rejoin_request, session_request, ticket_of
from satellite.backends.flight import SILENT_S
from satellite.core.events import SessionFailed
from satellite.errors import ErrorCategory
from tests.unit.backends.deepl.stage import KEY, STREAM, options, setup, ticket

BASE = "https://api.deepl.com"


def body_of(changes: dict[str, Any], *, with_formality: bool = False, **voice: Any) -> dict[str, Any]:
    request = session_request(options(**changes), setup(**voice), with_formality=with_formality)
    assert request.body is not None
    content: dict[str, Any] = json.loads(request.body)
    return content


def test_the_smallest_request_leaves_out_what_is_not_set() -> None:
    assert body_of({}, source_language="auto", target_languages=()) == {
        "source_media_content_type": "audio/pcm;encoding=s16le;rate=16000",
        "message_format": "json",
    }


def test_the_largest_request_has_it_all() -> None:
    changes = {
        "message_format": "msgpack",
        "source_media": "opus",
        "formality": "less",
        "glossary_ids": ["g1", "g2"],
        "spoken_terms_id": "s1",
    }
    voice = {
        "source_language": "en-US",
        "target_languages": ("en-gb", "zh-Hans", "EN-GB"),
        "speech_language": "de",
        "speech_voice": "male",
    }
    assert body_of(changes, with_formality=True, **voice) == {
        "source_media_content_type": "audio/ogg;codecs=opus",
        "message_format": "msgpack",
        "source_language": "en",
        "source_language_mode": "fixed",
        "target_languages": ["en-GB", "zh-HANS"],
        "target_media_languages": ["de"],
        "target_media_content_type": "audio/pcm;encoding=s16le;rate=24000",
        "target_media_voice": "male",
        "glossary_ids": ["g1", "g2"],
        "spoken_terms_id": "s1",
        "formality": "less",
    }


def test_the_voice_is_the_services_own_unless_said() -> None:
    assert "target_media_voice" not in body_of({}, speech_language="de")


def test_method_address_and_headers() -> None:
    request = session_request(options(reporting_tag="Kitchen"), setup(), with_formality=False)
    assert (request.method, request.url) == ("POST", f"{BASE}/v3/voice/realtime")
    assert request.headers == {
        "Authorization": f"DeepL-Auth-Key {KEY}",
        "Content-Type": "application/json",
        "X-DeepL-Reporting-Tag": "Kitchen",
    }
    assert "X-DeepL-Reporting-Tag" not in session_request(options(), setup(), with_formality=False).headers


def test_the_way_back_has_the_newest_token_percent_encoded() -> None:
    request = rejoin_request(options(), "c2F0LTE+/w==", 7.5)
    assert (request.method, request.body, request.timeout_s) == ("GET", None, 7.5)
    assert request.url == f"{BASE}/v3/voice/realtime?token=c2F0LTE%2B%2Fw%3D%3D"
    assert request.headers == {"Authorization": f"DeepL-Auth-Key {KEY}"}


def test_a_ticket_has_the_token_in_its_url() -> None:
    assert ticket_of(ticket("c2F0LTE+/w==", session_id="ignored"), BASE) == Ticket(
        f"{STREAM}?token=c2F0LTE%2B%2Fw%3D%3D", "c2F0LTE+/w=="
    )


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("wss://voice-3.deepl.com/x", BASE),
        ("ws://127.0.0.1:9/x", "http://127.0.0.1:8"),
        ("ws://localhost:9/x", "http://127.0.0.1:8"),
    ],
)
def test_a_stream_inside_the_domain_is_followed(url: str, base: str) -> None:
    assert isinstance(ticket_of(ticket("t", url), base), Ticket)


@pytest.mark.parametrize(
    ("url", "base", "category"),
    [
        ("wss://deepl.com.evil.example/x", BASE, ErrorCategory.INVALID_REQUEST),
        ("wss://127.0.0.1/x", BASE, ErrorCategory.INVALID_REQUEST),
        ("ws://127.0.0.1/x", BASE, ErrorCategory.INVALID_REQUEST),
        ("ws://api.deepl.com/x", BASE, ErrorCategory.INVALID_REQUEST),
        ("wss://api.deepl.com/x", "http://127.0.0.1:8", ErrorCategory.INVALID_REQUEST),
        ("https://api.deepl.com/x", BASE, ErrorCategory.SERVER),
        ("wss://user@api.deepl.com/x", BASE, ErrorCategory.SERVER),
        ("", BASE, ErrorCategory.SERVER),
    ],
)
def test_a_stream_elsewhere_is_not(url: str, base: str, category: ErrorCategory) -> None:
    failure = ticket_of(ticket("t", url), base)
    assert isinstance(failure, SessionFailed)
    assert failure.category is category


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[" * 100_000,
        b"[]",
        b"{}",
        b'{"streaming_url": "wss://api.deepl.com/x"}',
        b'{"streaming_url": 7, "token": "t"}',
        b'{"streaming_url": "wss://api.deepl.com/x", "token": 7}',
        ticket(""),
        ticket("t\n"),
        ticket("\ud800"),
    ],
)
def test_an_answer_without_ticket_is_a_fault_of_the_service(body: bytes) -> None:
    failure = ticket_of(body, BASE)
    assert isinstance(failure, SessionFailed)
    assert failure.category is ErrorCategory.SERVER


def test_a_web_page_is_told_from_an_answer() -> None:
    failure = ticket_of(b"\n<!DOCTYPE html><title>Welcome to the hotel</title>", BASE)
    assert isinstance(failure, SessionFailed)
    assert failure.detail == "a web page came instead of the service's answer"
    assert failure.hint == PORTAL_HINT


def test_requests_into_a_dead_network_leave_room_for_others_before_the_backlog_is_full() -> None:
    given_up_s = SILENT_S + 2 * REJOIN_TIMEOUT_S + FIRST_RETRY_S
    assert given_up_s < RESUME_BUDGET_S
    assert given_up_s < 30.0 - 5.0, "voice.outage_buffer_s is 30 s unless it is set"
    assert session_request(options(), setup(), with_formality=False).timeout_s <= 10.0
