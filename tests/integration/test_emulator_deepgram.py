"""The Deepgram emulator by a raw client: what it gives to a correct one, and that it catches every broken rule."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from satellite.adapters.encoder import make_encoder
from satellite.emulator.deepgram.settings import DeepgramSettings, DeepgramVariants
from satellite.emulator.deepgram.stream import UNPARSABLE
from tests.fakes.flux import (
    CHUNK_BYTES,
    FAST,
    FIRST_SENTENCE,
    FIRST_TEXT,
    PCM,
    SETTINGS,
    RawFlux,
    emulated,
    refused,
    rules,
)
from tests.fakes.rawdeepl import demo_pcm

CHUNK = demo_pcm(1000, 1080)
GOOD_MORNING = demo_pcm(700, 1640)
"""Two words, the second of which ends with a comma."""
SILENCE = bytes(CHUNK_BYTES)
MULTI = {**PCM, "model": "flux-general-multi"}


def variant(**variants: bool) -> DeepgramSettings:
    return replace(FAST, variants=DeepgramVariants(**variants))


def limited(**limits: Any) -> DeepgramSettings:
    return replace(FAST, limits=replace(FAST.limits, **limits))


# ---- what a correct client gets


async def test_a_turn_from_beginning_to_end() -> None:
    async with emulated() as (emulator, client):
        await client.open()
        await client.say(FIRST_SENTENCE)
    assert client.events() == ["StartOfTurn", "EndOfTurn"]
    (end,) = client.turns("EndOfTurn")
    assert (end["transcript"], end["turn_index"], end["trigger"]) == (FIRST_TEXT, 0, "model")
    assert end["end_of_turn_confidence"] >= 0.7
    assert end["words"][0] == {"word": "Good", "confidence": 0.97, "start": 0.3, "end": 0.495}
    assert "languages" not in end
    assert emulator.violations == []
    assert emulator.billed_ms == len(FIRST_SENTENCE) // 32
    assert bytes(emulator.sessions[0].connections[0].audio) == FIRST_SENTENCE
    assert [message["sequence_id"] for message in client.received] == list(range(len(client.received)))
    assert len({message["request_id"] for message in client.received}) == 1
    assert client.socket is not None
    assert client.socket.close_code == 1006, "no status"


async def test_updates_come_four_times_a_second_of_audio_and_say_the_turn_as_a_whole() -> None:
    async with emulated() as (_, client):
        await client.open()
        await client.say(FIRST_SENTENCE)
    ends = [info["audio_window_end"] for info in client.turns()]
    assert all(0.05 <= after - before <= 0.4 for before, after in pairwise(ends))
    texts = [info["transcript"] for info in client.turns() if info["turn_index"] == 0]
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
    assert client.turns()[0]["transcript"] == ""
    assert client.turns("StartOfTurn")[0]["transcript"] == "Good"


async def test_the_multilingual_model_says_what_it_hears() -> None:
    async with emulated() as (emulator, client):
        await client.dial([*MULTI.items(), ("language_hint", "de"), ("language_hint", "en-GB")])
        await client.until("Connected")
        await client.say(GOOD_MORNING)
    last = client.turns()[-1]
    assert (last["languages"], last["languages_hinted"]) == (["en"], ["de", "en-GB"])
    assert emulator.violations == []


async def test_an_early_guess_is_taken_back_when_speech_goes_on() -> None:
    async with emulated() as (_, client):
        await client.open(eager_eot_threshold="0.3", eot_threshold="0.9")
        await client.say(GOOD_MORNING + SILENCE * 6 + demo_pcm(1583, 3600))
    assert client.events() == ["StartOfTurn", "EagerEndOfTurn", "TurnResumed", "EagerEndOfTurn", "EndOfTurn"]
    eager, end = client.turns("EagerEndOfTurn")[-1], client.turns("EndOfTurn")[0]
    assert eager["transcript"] == end["transcript"]


async def test_silence_in_the_audio_ends_a_turn() -> None:
    async with emulated() as (_, client):
        await client.open(eot_threshold="1.0", eot_timeout_ms="500")
        await client.say(GOOD_MORNING + SILENCE * 10)
    assert [end["trigger"] for end in client.turns("EndOfTurn")] == ["timeout"]


async def test_without_audio_no_turn_ends_and_it_is_a_mistake_to_wait_for_it() -> None:
    async with emulated(limited(dangling_s=0.5)) as (emulator, client):
        await client.open(eot_timeout_ms="500")
        await client.stream(GOOD_MORNING)
        with pytest.raises(TimeoutError):
            await client.until("EndOfTurn", within_s=1.5)
        assert rules(emulator) == ["audio_stopped_in_turn"]


async def test_a_turn_is_ended_on_request() -> None:
    async with emulated(variant(no_model_end=True)) as (emulator, client):
        await client.open()
        await client.stream(FIRST_SENTENCE)
        await client.tell("ForceEndTurn")
        end = await client.until("EndOfTurn")
        assert (end["trigger"], end["transcript"]) == ("manual", FIRST_TEXT)
        await client.tell("ForceEndTurn")
        assert (await client.until("Warning"))["code"] == "FORCE_END_TURN_NO_ACTIVE_TURN"
    assert emulator.violations == []


async def test_a_forced_end_says_only_what_was_said_before() -> None:
    async with emulated() as (_, client):
        await client.open()
        await client.stream(demo_pcm(700, 1600))
        await client.tell("ForceEndTurn")
        end = await client.until("EndOfTurn")
        before = client.turns()[-2]
    assert end["transcript"] == before["transcript"]


async def test_the_end_of_the_stream_ends_no_turn() -> None:
    async with emulated() as (emulator, client):
        await client.open()
        await client.say(demo_pcm(500, 2800))
    assert client.events() == ["StartOfTurn"]
    assert client.turns()[-1]["transcript"] == FIRST_TEXT
    assert emulator.violations == []


async def test_opus_in_ogg_goes_without_encoding() -> None:
    encoder = make_encoder("opus")
    async with emulated() as (emulator, client):
        await client.dial({"model": "flux-general-en"})
        await client.until("Connected")
        for at in range(0, len(FIRST_SENTENCE), 3200):
            if page := encoder.encode(FIRST_SENTENCE[at : at + 3200]):
                await client.send(page)
            await asyncio.sleep(0.08)
        await client.send(encoder.finish())
        await client.tell("CloseStream")
        await client.drain()
    assert client.turns()[-1]["transcript"] in (FIRST_TEXT, "")
    assert [end["transcript"] for end in client.turns("EndOfTurn")] in ([FIRST_TEXT], [])
    assert emulator.violations == []


# ---- settings


async def test_settings_change_while_it_runs() -> None:
    async with emulated(variant()) as (emulator, client):
        await client.open(eot_threshold="1.0")
        await client.tell("Configure", thresholds={"eot_threshold": 0.5, "eot_timeout_ms": 900}, keyterms=["zigbee"])
        answer = await client.until("ConfigureSuccess")
        assert answer["thresholds"] == {"eot_threshold": 0.5, "eager_eot_threshold": None, "eot_timeout_ms": 900}
        assert answer["keyterms"] == ["zigbee"]
        await client.tell("Configure", numerals=True, language_hints=None)
        assert (await client.until("ConfigureSuccess"))["keyterms"] == ["zigbee"]
        await client.stream(FIRST_SENTENCE)
        assert (await client.until("EndOfTurn"))["trigger"] == "model"
    assert emulator.violations == []
    assert len(emulator.sessions[0].configured) == 2


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"thresholds": {"eager_eot_threshold": 0.8}}, "INVALID_THRESHOLD"),
        ({"thresholds": {"eot_threshold": 0.4}}, "INVALID_THRESHOLD"),
        ({"thresholds": {"eot_timeout_ms": 100}}, "INVALID_THRESHOLD"),
        ({"language_hints": ["de"]}, "INVALID_LANGUAGE_HINTS"),
        ({"keyterms": [" "]}, "INVALID_KEYTERMS"),
        ({"keyterms": ["a"] * 101}, "INVALID_KEYTERMS"),
    ],
)
async def test_settings_that_are_no_good_are_refused_whole(members: dict[str, Any], code: str) -> None:
    async with emulated() as (emulator, client):
        await client.open()
        await client.tell("Configure", **{"keyterms": ["a"], **members})
        assert (await client.until("ConfigureFailure"))["code"] == code
        assert emulator.sessions[0].configured == []
        assert emulator.violations == []


async def test_one_change_is_under_way_at_a_time() -> None:
    async with emulated() as (emulator, client):
        await client.open()
        for _ in range(2):
            await client.tell("Configure", numerals=True)
        await client.until("ConfigureSuccess")
        assert rules(emulator) == ["configures_in_flight"]


# ---- the handshake


QUERIES: list[tuple[list[tuple[str, str]], str, int]] = [
    ([("encoding", "linear16"), ("sample_rate", "16000")], "no_model", 400),
    ([("model", "flux")], "unknown_model", 403),
    ([*PCM.items(), ("language", "en")], "unknown_parameter", 400),
    ([*PCM.items(), ("sample_rate", "8000")], "parameter_twice", 400),
    ([("model", "flux-general-en"), ("encoding", "linear16")], "no_sample_rate", 400),
    ([("model", "flux-general-en"), ("sample_rate", "16000")], "bad_encoding", 400),
    ([("model", "flux-general-en"), ("encoding", "ogg-opus")], "encoding_for_container", 400),
    ([("model", "flux-general-en"), ("encoding", "linear16"), ("sample_rate", "32000")], "bad_sample_rate", 400),
    ([*PCM.items(), ("eot_threshold", "0.49")], "out_of_range", 400),
    ([*PCM.items(), ("eot_threshold", "1.01")], "out_of_range", 400),
    ([*PCM.items(), ("eot_threshold", "high")], "bad_number", 400),
    ([*PCM.items(), ("eager_eot_threshold", "0.2")], "out_of_range", 400),
    ([*PCM.items(), ("eager_eot_threshold", "0.8")], "eager_above_eot", 400),
    ([*PCM.items(), ("eot_timeout_ms", "499")], "out_of_range", 400),
    ([*PCM.items(), ("eot_timeout_ms", "500.5")], "bad_number", 400),
    ([*PCM.items(), ("keyterm", "")], "blank_keyterm", 400),
    ([*PCM.items(), *[("keyterm", "a")] * 101], "too_many_keyterms", 400),
    ([*PCM.items(), ("language_hint", "en")], "hint_for_english_model", 400),
    ([*MULTI.items(), ("language_hint", "pl")], "unknown_hint", 400),
    ([*MULTI.items(), ("language_hint", "")], "unknown_hint", 400),
    ([*PCM.items(), ("numerals", "yes")], "bad_boolean", 400),
    ([*PCM.items(), ("redact", "all")], "bad_redact", 400),
    ([*PCM.items(), ("tag", "x" * 129)], "bad_tag", 400),
]


@pytest.mark.parametrize(("query", "rule", "status"), QUERIES)
async def test_a_query_against_the_rules_is_refused(query: list[tuple[str, str]], rule: str, status: int) -> None:
    async with emulated() as (emulator, client):
        assert (await refused(client, query))[0] == status
        assert rules(emulator) == [rule]
        assert emulator.sessions == []


async def test_what_the_double_cannot_is_no_mistake_of_the_client() -> None:
    async with emulated() as (emulator, client):
        assert (await refused(client, {**PCM, "encoding": "linear32"}))[0] == 400
        assert emulator.violations == []


@pytest.mark.parametrize("terms", [["zigbee,matter"], ["zigbee:0.5"], ["a;b"]])
async def test_joined_and_weighted_terms_are_taken_literally(terms: list[str]) -> None:
    async with emulated() as (emulator, client):
        await client.dial([*PCM.items(), *[("keyterm", term) for term in terms]])
        assert rules(emulator) == ["literal_keyterm"]


async def test_the_older_address_is_none_of_this_service() -> None:
    async with emulated() as (emulator, client):
        assert (await refused(client, PCM, "/v1/listen"))[0] == 404
        assert (await refused(client, PCM, "/v2/speak"))[0] == 404
        assert rules(emulator) == ["older_interface"]


async def test_a_key_goes_by_token() -> None:
    async with emulated() as (emulator, client):
        key = emulator.api_key
        for header in (f"Bearer {key}", "Token another", f"token {key}"):
            assert (await refused(client, PCM, Authorization=header))[0] == 401
        assert rules(emulator) == ["bearer_with_key", "retry_loop"]
        assert (await refused(client, PCM, **{"X-Nothing": "x"}))[0] == 401
        assert rules(emulator)[-2:] == ["no_credentials", "retry_loop"]


async def test_a_temporary_token_goes_by_bearer() -> None:
    async with emulated() as (emulator, client):
        answer = await client.grant(b'{"ttl_seconds": 60}')
        assert (answer.status, answer.json["expires_in"]) == (200, 60)
        token = answer.json["access_token"]
        assert (await refused(client, PCM, Authorization=f"Token {token}"))[0] == 401
        assert rules(emulator) == ["token_with_jwt"]
        await client.dial(PCM, Authorization=f"Bearer {token}")
        assert (await client.receive())["type"] == "Connected"
        assert (await client.grant()).json["expires_in"] == 30


async def test_a_temporary_token_expires() -> None:
    async with emulated(limited(token_s=-1.0)) as (_, client):
        token = (await client.grant()).json["access_token"]
        assert (await refused(client, PCM, Authorization=f"Bearer {token}"))[0] == 401


@pytest.mark.parametrize(
    "body", [b'{"ttl_seconds": 0}', b'{"ttl_seconds": 3601}', b'{"ttl_seconds": "60"}', b"[]", b"{"]
)
async def test_a_grant_is_judged(body: bytes) -> None:
    async with emulated() as (emulator, client):
        assert (await client.grant(body)).status == 400
        assert rules(emulator) == ["bad_ttl"]


async def test_a_grant_is_asked_for_with_the_key_by_token() -> None:
    async with emulated() as (emulator, client):
        assert (await client.grant(scheme="Bearer")).status == 401
        assert rules(emulator) == ["grant_without_token"]


async def test_connections_are_counted() -> None:
    async with emulated(limited(sessions=1)) as (_, client):
        await client.open()
        socket = client.socket
        assert (await refused(client, PCM))[0] == 429
        client.socket = socket


# ---- what may not be sent

Act = Callable[[RawFlux], Awaitable[None]]


def frame(data: str | bytes) -> Act:
    return lambda client: client.send(data)


def control(kind: str, **members: object) -> Act:
    return lambda client: client.tell(kind, **members)


FATAL = [
    (control("KeepAlive"), "keep_alive"),
    (control("Finalize"), "finalize"),
    (control("Listen"), "unknown_message"),
    (frame("{}"), "unknown_message"),
    (frame("audio"), "text_no_json"),
    (frame("[]"), "text_no_object"),
    (control("Configure", features={"numerals": True}), "features_wrapper"),
    (control("Configure", numerals="true"), "text_for_boolean"),
    (control("Configure", thresholds={"eot_threshold": "0.8"}), "text_for_number"),
    (control("Configure", thresholds={"eot": 0.8}), "bad_thresholds"),
    (control("Configure", keyterms="a,b"), "bad_list"),
    (control("Configure", model="flux-general-en"), "extra_members"),
    (control("ForceEndTurn", now=True), "extra_members"),
]


@pytest.mark.parametrize(("act", "rule"), FATAL)
async def test_a_message_that_is_not_understood_is_fatal(act: Act, rule: str) -> None:
    async with emulated() as (emulator, client):
        await client.open()
        await act(client)
        error = await client.until("Error")
        assert error["code"] == UNPARSABLE
        assert "request_id" not in error
        await client.drain()
        assert rules(emulator) == [rule]


@pytest.mark.parametrize(
    ("data", "rule"),
    [(b"", "empty_audio"), (b'{"type":"CloseStream"}', "control_as_binary"), (CHUNK[:-1], "cut_sample")],
)
async def test_audio_that_is_none_ends_the_connection(data: bytes, rule: str) -> None:
    async with emulated() as (emulator, client):
        await client.open()
        await client.send(data)
        with pytest.raises(ConnectionClosed) as caught:
            await client.until("nothing")
        assert caught.value.rcvd is not None
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1008, "DATA-0000")
        assert rules(emulator) == [rule]


async def test_audio_begins_when_the_service_is_ready() -> None:
    async with emulated(limited(connected_s=0.3)) as (emulator, client):
        await client.dial()
        await client.send(CHUNK)
        await client.until("Connected")
        assert rules(emulator) == ["audio_before_connected"]


async def test_nothing_follows_the_end_of_the_stream() -> None:
    async with emulated(variant(close_lingers=True)) as (emulator, client):
        await client.open()
        await client.tell("CloseStream")
        await client.send(CHUNK)
        await asyncio.sleep(0.2)
        assert rules(emulator) == ["after_close_stream"]


async def test_a_short_burst_is_fine_and_a_long_one_is_not() -> None:
    async with emulated(SETTINGS) as (emulator, client):
        await client.open()
        for _ in range(5):
            await client.send(CHUNK)
        await client.stream(SILENCE * 10, speed=1.2)
        assert emulator.violations == []
        for _ in range(10):
            await client.send(CHUNK)
        await asyncio.sleep(0.2)
        assert set(rules(emulator)) == {"too_fast"}


async def test_audio_is_never_sent_twice() -> None:
    async with emulated() as (emulator, client):
        await client.open()
        await client.stream(demo_pcm(800, 1600))
        await client.stream(demo_pcm(800, 1600))
        await client.tell("CloseStream")
        await client.drain()
        assert "audio_resent" in rules(emulator)


async def test_a_connection_on_which_nothing_comes_is_given_up_and_a_ping_keeps_it() -> None:
    async with emulated(limited(inactivity_s=0.6)) as (emulator, client):
        socket = await client.open()
        for _ in range(4):
            await asyncio.sleep(0.3)
            await (await socket.ping())
        assert emulator.violations == []
        with pytest.raises(ConnectionClosed) as caught:
            await client.until("nothing")
        assert caught.value.rcvd is not None
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1011, "NET-0001")
        assert rules(emulator) == ["inactivity"]
