"""The Deepgram emulator by a raw client: odd but legal behaviour, and faults."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from websockets.exceptions import InvalidHandshake

from satellite.emulator.deepgram.settings import DeepgramSettings, DeepgramVariants
from satellite.emulator.faults import Fault
from tests.fakes.flux import (
    CHUNK_BYTES,
    FAST,
    FIRST_SENTENCE,
    FIRST_TEXT,
    PCM,
    RawFlux,
    emulated,
    refused,
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


# ---- odd but legal


async def test_numbers_may_be_text_and_words_without_times() -> None:
    settings = variant(text_numbers=True, no_word_times=True, no_trigger=True, no_request_id=True, no_languages=True)
    async with emulated(settings) as (_, client):
        await client.dial(MULTI)
        await client.until("Connected")
        await client.say(FIRST_SENTENCE)
    (end,) = client.turns("EndOfTurn")
    assert (end["turn_index"], end["words"][0]) == ("0", {"word": "Good", "confidence": "0.97"})
    assert {"trigger", "request_id", "languages"} & set(end) == set()


async def test_messages_and_events_to_come_and_turns_without_a_word() -> None:
    async with emulated(variant(unknown_messages=True, unknown_events=True, empty_ends=True)) as (_, client):
        await client.open()
        await client.say(FIRST_SENTENCE)
    assert "Statistics" in {message["type"] for message in client.received}
    assert "Refinement" in client.events()
    assert [end["transcript"] for end in client.turns("EndOfTurn")] == [FIRST_TEXT, ""]


@pytest.mark.parametrize(
    ("variants", "kind"), [({"no_force": True}, "ForceEndTurn"), ({"no_configure": True}, "Configure")]
)
async def test_an_older_deployment_does_not_know_some_messages(variants: dict[str, bool], kind: str) -> None:
    async with emulated(variant(**variants, fatal_error_name=True)) as (emulator, client):
        await client.open()
        await client.tell(kind)
        assert (await client.until("FatalError"))["code"] == "UNPARSABLE_CLIENT_MESSAGE"
        await client.drain()
        assert emulator.violations == []


async def test_a_service_may_be_deaf_to_what_it_is_asked() -> None:
    async with emulated(variant(deaf_force=True, unanswered_configures=True, no_events=True)) as (_, client):
        await client.open()
        await client.tell("Configure", numerals=True)
        await client.tell("ForceEndTurn")
        await client.say(GOOD_MORNING)
    assert [message["type"] for message in client.received] == ["Connected"]


async def test_a_refused_change_may_say_nothing_of_the_reason() -> None:
    async with emulated(variant(refused_configures=True, bare_failures=True)) as (_, client):
        await client.open()
        await client.tell("Configure", numerals=True)
        answer = await client.until("ConfigureFailure")
    assert {"code", "description"} & set(answer) == set()


async def test_the_end_may_come_with_a_status() -> None:
    async with emulated(variant(close_status=True)) as (_, client):
        socket = await client.open()
        await client.say(GOOD_MORNING)
        assert socket.close_code == 1000


async def test_a_service_may_never_be_ready() -> None:
    async with emulated(variant(no_connected=True)) as (_, client):
        await client.dial()
        with pytest.raises(TimeoutError):
            await client.until("Connected", within_s=0.3)


# ---- faults


async def fault_ends(*faults: Fault) -> tuple[RawFlux, int | None]:
    """Some speech into a connection with faults: what came, and the close code."""
    async with emulated(replace(FAST, faults=faults)) as (emulator, client):
        socket = await client.dial()
        async with asyncio.TaskGroup() as group:
            group.create_task(client.drain(20.0))
            await asyncio.sleep(0.2)
            await client.stream(GOOD_MORNING)
            if socket.state.name == "OPEN":
                await client.tell("CloseStream")
        assert emulator.violations == []
        return client, socket.close_code


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault("cut", how="close", code=1011, after_chunks=3), 1011),
        (Fault("cut", how="rst", after_chunks=3), 1006),
        (Fault("duration_limit", at_s=0.1), 1000),
        (Fault("accept_close", code=1013), 1013),
        (Fault("no_end", code=1000), 1000),
        (Fault("error", status=503, after_chunks=3), 1006),
        (Fault("error", status=400, after_chunks=3), 1006),
    ],
)
async def test_faults_end_a_connection(fault: Fault, code: int) -> None:
    client, closed_with = await fault_ends(fault)
    assert closed_with == code
    if fault.kind == "error":
        wanted = "INTERNAL_SERVER_ERROR" if fault.status == 503 else "INVALID_PARAMETER"
        assert client.received[-1]["code"] == wanted


async def test_a_stall_passes() -> None:
    async with emulated(replace(FAST, faults=(Fault("stall", for_s=0.5, after_chunks=3),))) as (emulator, client):
        await client.open()
        await client.stream(GOOD_MORNING[: 8 * CHUNK_BYTES])
        with pytest.raises(TimeoutError):
            await client.until("StartOfTurn", within_s=0.3)
        await client.until("StartOfTurn")
        assert emulator.violations == []


@pytest.mark.parametrize("what", ["not_json", "array", "unknown", "huge", "wrong_frame"])
async def test_garbage_comes_as_it_is_asked_for(what: str) -> None:
    async with emulated(replace(FAST, faults=(Fault("garbage", what=what, after_chunks=1),))) as (_, client):
        socket = await client.open()
        await client.send(CHUNK)
        async with asyncio.timeout(5):
            while True:
                data = await socket.recv()
                if isinstance(data, bytes) or len(data) > 1_000_000 or not data.startswith('{"type": "TurnInfo"'):
                    return


@pytest.mark.parametrize(
    ("fault", "status"), [(Fault("handshake", status=502), 502), (Fault("handshake", status=402), 402)]
)
async def test_a_handshake_fails_on_request(fault: Fault, status: int) -> None:
    async with emulated(replace(FAST, faults=(fault,))) as (_, client):
        assert (await refused(client, PCM))[0] == status
        await client.dial()


async def test_a_handshake_is_cut_or_late() -> None:
    faults = (Fault("reset", on="ws"), Fault("slow", on="ws", delay_s=0.1))
    async with emulated(replace(FAST, faults=faults)) as (_, client):
        with pytest.raises((OSError, EOFError, InvalidHandshake)):
            await client.dial()
        await client.dial()


async def test_a_grant_fails_on_request() -> None:
    faults = (
        Fault("http", status=429, retry_after_s=7, on="POST"),
        Fault("slow", on="POST", delay_s=0.1),
        Fault("token", what="stale", on="POST"),
    )
    async with emulated(replace(FAST, faults=faults)) as (_, client):
        limited_answer = await client.grant()
        assert (limited_answer.status, limited_answer.headers["retry-after"]) == (429, "7")
        stale = (await client.grant()).json["access_token"]
        assert (await refused(client, PCM, Authorization=f"Bearer {stale}"))[0] == 401
        token = (await client.grant()).json["access_token"]
        await client.dial(PCM, Authorization=f"Bearer {token}")


@pytest.mark.parametrize("kind", ["reset", "lose_answer"])
async def test_a_grant_gets_no_answer(kind: str) -> None:
    async with emulated(replace(FAST, faults=(Fault(kind, on="POST"),))) as (_, client):
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await client.grant()
        assert (await client.grant()).status == 200


async def test_the_report_tells_all() -> None:
    async with emulated() as (emulator, client):
        await client.open(tag="kitchen")
        await client.say(FIRST_SENTENCE)
        await client.grant()
        report = json.loads(json.dumps(emulator.report()))
    assert report["violations"] == []
    assert report["concluded"] == [{"session": 1, "turn": 0, "text": FIRST_TEXT, "trigger": "model"}]
    assert report["sessions"][0]["config"]["tag"] == ["kitchen"]
    assert report["billed_ms"] == len(FIRST_SENTENCE) // 32
    assert report["pacing"]["longest_gap_s"] > 0
    assert emulator.spoken == []
