import json
from typing import Any

import pytest

from satellite.backends.base import OpenSocket
from satellite.backends.deepgram.actions import Configure, changed, settings_of
from satellite.backends.deepgram.options import DeepgramOptions
from satellite.backends.deepgram.requests import dial, grant_request, key_header, token_header, token_of
from satellite.core.events import SessionFailed
from satellite.errors import ErrorCategory
from tests.unit.backends.deepgram.stage import BASE, KEY, options, query

EN, MULTI = "flux-general-en", "flux-general-multi"


def dialled(
    session_options: DeepgramOptions, model: str = EN, hints: tuple[str, ...] = (), **changes: Any
) -> OpenSocket:
    settings = changed(settings_of(session_options, hints), Configure(**changes))
    return dial(session_options, model, settings, key_header(session_options))


def test_the_smallest_connection() -> None:
    action = dialled(options())
    assert action.url.partition("?")[0] == BASE
    assert query(action) == {
        "model": [EN],
        "encoding": ["linear16"],
        "sample_rate": ["16000"],
        "eot_threshold": ["0.7"],
        "eot_timeout_ms": ["5000"],
    }
    assert action.headers == {"Authorization": f"Token {KEY}"}
    assert (action.ping_interval_s, action.ping_timeout_s) == (15.0, 20.0)


def test_a_connection_with_everything() -> None:
    everything = options(
        source_media="opus",
        eager_eot_threshold=0.5,
        keyterms=["zigbee", "living room"],
        numerals=True,
        profanity_filter=True,
        redact="numbers",
        mip_opt_out=True,
        tags=["kitchen", "a&b"],
    )
    action = dialled(everything, MULTI, ("de", "pt-BR"))
    assert query(action) == {
        "model": [MULTI],
        "eot_threshold": ["0.7"],
        "eager_eot_threshold": ["0.5"],
        "eot_timeout_ms": ["5000"],
        "keyterm": ["zigbee", "living room"],
        "language_hint": ["de", "pt-BR"],
        "numerals": ["true"],
        "profanity_filter": ["true"],
        "redact": ["numbers"],
        "mip_opt_out": ["true"],
        "tag": ["kitchen", "a&b"],
    }
    assert "living%20room" in action.url


def test_the_english_model_is_sent_no_hint() -> None:
    assert "language_hint" not in query(dialled(options(), EN, ("en",)))


def test_settings_changed_since_are_what_a_new_connection_begins_with() -> None:
    action = dialled(options(eager_eot_threshold=0.5, keyterms=["a"]), eager_eot_threshold=0.0, keyterms=("b",))
    assert query(action)["keyterm"] == ["b"]
    assert "eager_eot_threshold" not in query(action)


@pytest.mark.parametrize(
    ("changes", "url"),
    [
        ({}, "https://api.deepgram.com/v1/auth/grant"),
        ({"base_url": "wss://api.eu.deepgram.com"}, "https://api.eu.deepgram.com/v1/auth/grant"),
        ({"base_url": "ws://127.0.0.1:9"}, "http://127.0.0.1:9/v1/auth/grant"),
        ({"rest_url": "https://auth.example.com"}, "https://auth.example.com/v1/auth/grant"),
    ],
)
def test_a_temporary_token_is_asked_for_with_the_key(changes: dict[str, Any], url: str) -> None:
    request = grant_request(options(token_ttl_s=60, **changes))
    assert (request.method, request.url) == ("POST", url)
    assert request.headers["Authorization"] == f"Token {KEY}"
    assert json.loads(request.body or b"") == {"ttl_seconds": 60}
    assert token_header("eyJ") == {"Authorization": "Bearer eyJ"}


def test_the_token_of_an_answer() -> None:
    assert token_of(b'{"access_token": "eyJh.JWT.sig", "expires_in": 30}') == "eyJh.JWT.sig"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"access_token": 7}', b'{"access_token": "a b"}', b"[" * 100_000]
)
def test_an_answer_without_a_token_is_the_service_s_trouble(body: bytes) -> None:
    told = token_of(body)
    assert isinstance(told, SessionFailed)
    assert told.category is ErrorCategory.SERVER
