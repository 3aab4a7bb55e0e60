"""Options: what is taken, and what is refused in which words."""

from typing import Any

import pytest

from satellite.backends.vurbo.options import VurboOptions
from tests.fakes.sections import RefusedError, made
from tests.unit.backends.vurbo.stage import KEY


def test_the_key_is_all_that_is_needed() -> None:
    chosen = made(VurboOptions, {"api_key": f" {KEY}\n"})
    assert chosen.api_key.get_secret_value() == KEY
    assert (chosen.recording_type, chosen.summary_template, chosen.audio_format) == ("transcribe", "general", "pcm")
    assert (chosen.rest_url, chosen.ws_url) == ("https://vas-poc.vurbo.ai/api/v1", "wss://vas-poc.vurbo.ai/ws")


def test_addresses_lose_their_last_slash_and_loopback_may_be_plain() -> None:
    chosen = made(VurboOptions, {"api_key": KEY, "rest_url": "http://127.0.0.1:1/api/", "ws_url": "ws://[::1]:2/ws"})
    assert (chosen.rest_url, chosen.ws_url) == ("http://127.0.0.1:1/api", "ws://[::1]:2/ws")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"api_key": "vas_ short"}, "must be a Vurbo API key"),
        ({"rest_url": "http://vas.example/api"}, "http:// is for loopback addresses only"),
        ({"rest_url": "wss://vas.example"}, "must be a plain address that begins with https://"),
        ({"rest_url": "https://vas.example/?key=1"}, "must be a plain address"),
        ({"rest_url": "nonsense"}, "must be a plain address"),
        ({"ws_url": "https://vas.example/ws"}, "must be a plain address that begins with wss://"),
        ({"ws_url": "ws://vas.example/ws"}, "ws:// is for loopback addresses only"),
        ({"recording_type": "podcast"}, "must be broadcast, conversation, record or transcribe"),
        ({"speaker": 3}, "2 or less"),
        ({"broadcast_token": "K7Q2"}, "must match the pattern"),
        ({"name": "x" * 61}, "at most 60 characters"),
        ({"name": " "}, "must not be empty"),
        ({"summary_prompt": "x" * 2001}, "at most 2000 characters"),
        ({"summary_prompt_slug": "x" * 65}, "at most 64 characters"),
        ({"summary_prompt_slug": "a\tb"}, "must be one line of text"),
        ({"summary_template": "../x"}, "must match the pattern"),
        ({"speaking_speed": "very fast"}, "must match the pattern"),
        ({"active_language": "english please"}, "BCP 47"),
    ],
)
def test_what_cannot_work_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(RefusedError, match=reason):
        made(VurboOptions, {"api_key": KEY, **changes})


def test_a_label_may_have_any_letters() -> None:
    assert made(VurboOptions, {"api_key": KEY, "summary_prompt_slug": "会議 №1"}).summary_prompt_slug == "会議 №1"
