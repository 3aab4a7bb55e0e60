"""The Palabra emulator by a raw client that breaks every rule, and its faults."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from websockets.exceptions import InvalidHandshake, InvalidStatus

from satellite.emulator.faults import Fault
from satellite.emulator.palabra.book import SessionBook
from satellite.emulator.palabra.desk import MAX_SAY_CHARACTERS
from satellite.emulator.palabra.pace import PaceRule
from satellite.emulator.palabra.settings import PalabraLimits, PalabraSettings, PalabraVariants
from satellite.emulator.palabra.stream import HUGE_BYTES
from satellite.emulator.stalls import Stalls
from tests.fakes.rawpalabra import (
    BEAT_BYTES,
    QUICK,
    SETTINGS,
    RawClient,
    emulated,
    rules,
    task,
)

QUIET = bytes(BEAT_BYTES)


def with_variants(**variants: bool) -> PalabraSettings:
    return replace(SETTINGS, variants=PalabraVariants(**variants))


def with_limits(**limits: float) -> PalabraSettings:
    return replace(SETTINGS, limits=replace(QUICK, **limits))


# ---- the API, strictly


@pytest.mark.parametrize(
    "body",
    [[], {}, {"data": []}, {"data": {"x": 1}}, {"data": {"intent": "x"}}, {"data": {"subscriber_count": 11}}],
)
async def test_a_wrong_request_for_a_session(body: object) -> None:
    async with emulated() as (emulator, client):
        answer = await client.create(body)
    assert answer.status == 422
    assert answer.json["errors"][0]["error_code"] == 4220
    assert rules(emulator) == ["bad_create"]


@pytest.mark.parametrize(
    ("headers", "broken"),
    [
        ({"ClientId": "x", "ClientSecret": "y"}, []),
        ({"Authorization": "Bearer wrong"}, []),
        ({"X-Client-Id": "emulated-client-id", "X-Client-Secret": "emulated-client-secret"}, []),
        ({"Authorization": "Bearer x", "ClientId": "y"}, ["two_credentials"]),
    ],
)
async def test_credentials_are_asked_for(headers: dict[str, str], broken: list[str]) -> None:
    async with emulated() as (emulator, client):
        assert (await client.call("GET", "/session-storage/sessions", None, **headers)).status == 403
        assert (await client.call("GET", "/session-storage/sessions?token=x")).status == 200
    assert rules(emulator) == [*broken, "key_in_query"]


async def test_a_plan_has_room_for_so_many_sessions_and_they_are_given_back() -> None:
    async with emulated(with_limits(sessions=1)) as (emulator, client):
        await client.create()
        assert (await client.create()).status == 429
        assert (await client.delete()).status == 204
        assert (await client.create()).status == 201
        assert (await client.call("GET", "/nowhere")).status == 404
    assert rules(emulator) == ["session_leaked"]


async def test_nobody_elses_session_is_deleted_and_ours_once() -> None:
    async with emulated() as (emulator, client):
        book: SessionBook = emulator._service.book
        foreign = book.make(0.0, is_ours=False)
        await client.create()
        assert (
            await client.call(
                "GET", f"/session-storage/sessions/{client.answer['id'].replace('/', '%2F').replace('+', '%2B')}"
            )
        ).status == 200
        for session_id in (client.answer["id"], client.answer["id"], "nonsense"):
            await client.delete(session_id)
        await client.delete(foreign.session_id)
        assert (await client.call("GET", "/session-storage/sessions/nonsense")).status == 404
    assert rules(emulator) == ["deleted_twice", "deleted_unknown", "deleted_foreign"]


# ---- the handshake, strictly


async def refused(client: RawClient, url: str | None = None, **options: Any) -> int:
    with pytest.raises(InvalidStatus) as error:
        await client.dial(url, **options)
    return error.value.response.status_code


async def test_who_may_open_the_stream() -> None:
    async with emulated() as (emulator, client):
        where = emulator.doors.socket_url
        stream = f"{where}/streaming-api/0123456789/v1/speech-to-speech/stream"
        assert await refused(client, f"{where}/elsewhere") == 404
        assert await refused(client, stream) == 403
        assert await refused(client, f"{stream}?token=wrong") == 403
        assert await refused(client, f"{stream}?token=eyJh.wrong") == 403
        await client.create()
        assert await refused(client, f"{stream}?token={client.answer['publisher'].replace('+', '%20')}") == 403
        await client.join()
        with pytest.raises(InvalidStatus):
            await client.join()
        await client.delete()
    assert rules(emulator) == ["unknown_token", "token_not_percent_encoded", "session_reused"]


async def test_a_key_has_a_fresh_address_for_each_connection() -> None:
    async with emulated() as (emulator, client):
        for part in ("0123456789", "0123456789", "x"):
            client.hash = part
            await client.dial()
        headers = {"Authorization": f"Bearer {SETTINGS.api_key}", "ClientSecret": "x"}
        url = f"{emulator.doors.socket_url}/streaming-api/abcdefgh/v1/speech-to-speech/stream?token={SETTINGS.api_key}"
        await client.dial(url, additional_headers=headers, subprotocols=["x"])
    assert rules(emulator) == ["hash_reused", "bad_hash", "subprotocol", "two_credentials", "secret_on_socket"]


async def test_twenty_connections_a_minute_and_no_more() -> None:
    async with emulated(with_limits(connections_per_minute=2)) as (emulator, client):
        for number in range(3):
            client.hash = f"0123456789{number}"
            await client.dial()
        await client.until_closed()
    assert client.close_code == 1008
    assert rules(emulator) == ["too_many_connections"]


# ---- the task, strictly


def broken(**changes: Any) -> dict[str, Any]:
    wanted = task()
    for path, value in changes.items():
        place = wanted
        *parents, name = path.split("__")
        for parent in parents:
            place = place[parent]
        place[name] = value
    return wanted


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {**task(), "translation_queue_configs": {}},
        broken(pipeline=[]),
        broken(input_stream__content_type="ws"),
        broken(input_stream={}),
        broken(output_stream={}),
        broken(output_stream__target__type="webrtc"),
        broken(input_stream__source__type="livekit", output_stream=None),
        broken(input_stream__source__format="mp3"),
        broken(input_stream__source__sample_rate=8000),
        broken(input_stream__source__channels=3),
        broken(output_stream__target__format="mp3"),
        broken(pipeline__surprise=1),
        broken(pipeline__translations=[]),
        broken(pipeline__translations=[{"target_language": "xx"}]),
        broken(pipeline__translations=[{"target_language": "en"}]),
        broken(pipeline__translations=[{"target_language": "de", "x": 1}]),
        broken(pipeline__translations=[7]),
        broken(pipeline__allowed_message_types=["surprise"]),
        broken(pipeline__preprocessing={"vad_threshold": "high"}),
        broken(pipeline__transcription={"source_language": "en-us"}),
        broken(pipeline__transcription__segment_confirmation_silence_threshold=0.2),
        broken(pipeline__transcription__sentence_splitter={"advanced": {"x": 1}}),
        broken(pipeline__transcription__detectable_languages=[1]),
        broken(pipeline__transcription__speakers_total=True),
        broken(pipeline__translation_queue_configs=[]),
        broken(pipeline__translation_queue_configs={"global": {"max_queue_level_ms": 5000}}),
        broken(
            pipeline__translations=[
                {"target_language": "de", "speech_generation": {"voice_cloning": True, "voice_id": "x"}}
            ]
        ),
        {**task(speaks=False), "input_stream": {"content_type": "audio", "source": {"type": "webrtc", "format": "x"}}},
        {"input_stream": task()["input_stream"], "pipeline": task()["pipeline"]},
    ],
)
async def test_a_wrong_task_is_refused(wanted: dict[str, Any]) -> None:
    async with emulated() as (emulator, client):
        await client.dial()
        await client.say("set_task", **wanted)
        answer = await client.one("error")
        await client.say("end_task", force=True)
    assert answer["data"]["code"] == "VALIDATION_ERROR"
    assert "'loc'" in answer["data"]["desc"]
    assert rules(emulator) == ["bad_task"]


async def test_a_task_for_another_transport() -> None:
    wanted = {
        **task(speaks=False),
        "input_stream": {"content_type": "audio", "source": {"type": "webrtc"}},
    }
    async with emulated() as (emulator, client):
        await client.dial()
        await client.say("set_task", **wanted)
        assert (await client.one("error"))["data"]["code"] == "VALIDATION_ERROR"
        await client.say("end_task", force=True)
    assert rules(emulator) == ["wrong_transport"]


async def test_a_task_takes_its_time_to_start() -> None:
    async with emulated(with_limits(ready_s=0.3)) as (_, client):
        await client.dial()
        await client.say("get_task")
        assert (await client.one("error"))["data"]["code"] == "NOT_FOUND"
        await client.say("set_task", **task())
        await client.say("get_task", exclude_hidden=True)
        assert (await client.one("error"))["data"]["code"] == "NOT_FOUND"
        await asyncio.sleep(0.35)
        await client.say("get_task")
        found = await client.one("current_task")
        assert found["data"]["task_status"] == "running"
        assert found["data"]["pipeline"] == task()["pipeline"]
        await client.say("end_task", force=True)


# ---- rules of the stream

Steps = Callable[[RawClient], Awaitable[None]]


async def twice(client: RawClient, kind: str, **data: Any) -> None:
    await client.say(kind, **data)
    await client.say(kind, **data)
    await client.one("error")


@pytest.mark.parametrize(
    ("steps", "rule"),
    [
        (lambda c: c.audio(QUIET), "bad_audio"),
        (lambda c: c.say("surprise"), "unknown_command"),
        (lambda c: c.socket.send("{"), "bad_message"),
        (lambda c: c.socket.send('{"message_type": "get_task", "data": {}, "x": 1}'), "bad_message"),
        (lambda c: c.socket.send(b'{"message_type": "get_task", "data": {}}'), "binary_frame"),
        (lambda c: c.say("pause_task"), "pause_without_task"),
        (lambda c: c.say("get_task", x=1), "bad_command"),
        (lambda c: c.say("flush_task", languages=[]), "bad_command"),
    ],
)
async def test_rules_before_a_task(steps: Steps, rule: str) -> None:
    async with emulated() as (emulator, client):
        await client.dial()
        await steps(client)
        await client.say("end_task", force=True)
        await client.until_closed()
    assert rules(emulator) == [rule]


@pytest.mark.parametrize(
    ("steps", "rule"),
    [
        (lambda c: c.audio(bytes(640)), "chunk_too_small"),
        (lambda c: c.audio(bytes(600_000)), "chunk_too_large"),
        (lambda c: c.audio(bytes(BEAT_BYTES - 1)), "cut_sample"),
        (lambda c: c.say("input_audio_data", data="not base64!"), "bad_audio"),
        (lambda c: c.say("input_audio_data", sound="AAAA"), "bad_audio"),
        (lambda c: c.say("pause_task", now=True), "bad_command"),
        (lambda c: c.say("end_task", eos_timeout=31), "bad_command"),
        (lambda c: c.say("end_task", now=True), "bad_command"),
    ],
)
async def test_rules_of_a_running_task(steps: Steps, rule: str) -> None:
    async with emulated() as (emulator, client):
        await client.dial()
        await client.run()
        await steps(client)
        await client.say("get_task")
        await asyncio.sleep(0.05)
        assert rule in rules(emulator)


async def test_commands_keep_their_distance() -> None:
    async with emulated(with_limits(task_gap_s=2.0, stop_gap_s=3.0, says_per_minute=1)) as (emulator, client):
        await client.dial()
        await twice(client, "get_task")
        await twice(client, "pause_task")
        await twice(client, "tts_task", text="x", language="de")
    assert rules(emulator).count("commands_too_close") == 2 + 1
    assert "RATE_LIMIT" in {each["code"] for each in client.of("error")}


async def test_what_cannot_be_said() -> None:
    async with emulated() as (_, client):
        await client.dial()
        await client.say("tts_task", text="x", language="de")
        assert (await client.one("error"))["data"]["code"] == "NOT_FOUND"
        await client.run()
        for data in (
            {"text": "x" * (MAX_SAY_CHARACTERS + 1), "language": "de"},
            {"text": "x", "language": "fr"},
            {"text": "x"},
        ):
            await client.say("tts_task", **data)
            assert (await client.one("error"))["data"]["code"] == "VALIDATION_ERROR"
        await client.say("end_task", force=True)


async def test_audio_has_its_time() -> None:
    async with emulated(with_limits(ready_s=0.5)) as (emulator, client):
        await client.dial()
        await client.say("set_task", **task())
        await client.audio(QUIET)
        await client.until_running()
        await client.audio(QUIET)
        await client.say("pause_task")
        await client.audio(QUIET)
        await client.run()
        await client.say("end_task", eos_timeout=1)
        await client.audio(QUIET)
        await client.say("get_task")
        await client.until_closed()
    assert rules(emulator) == ["audio_before_running", "audio_while_paused", "audio_after_end", "command_after_end"]


async def test_a_burst_is_too_fast() -> None:
    async with emulated() as (emulator, client):
        await client.dial()
        await client.run()
        for _ in range(4):
            await client.audio(QUIET)
        assert (await client.one("warning"))["data"]["code"] == "AUDIO_STREAM_TOO_FAST"
        await client.say("end_task", force=True)
    assert set(rules(emulator)) == {"too_fast"}


async def test_a_task_without_audio_is_closed() -> None:
    async with emulated(with_limits(inactivity_s=0.5)) as (emulator, client):
        await client.dial()
        await client.run()
        assert (await client.one("error"))["data"]["code"] == "SERVICE_TIMEOUT"
        await client.until_closed()
    assert client.close_code == 1008
    assert rules(emulator) == ["inactivity"]


def test_slowness_and_standstill_are_warned_of() -> None:
    rule = PaceRule(PalabraLimits(), Stalls())
    rule.begin(0.0)
    for number in range(10):
        assert rule.chunk(320.0, number * 0.6) is None
    assert rule.warning(6.0) == "AUDIO_STREAM_TOO_SLOW"
    assert rule.warning(7.0) is None
    assert rule.warning(12.0) == "AUDIO_STREAM_STALLED"


def test_slowness_is_no_excuse_for_a_burst() -> None:
    rule = PaceRule(PalabraLimits(), Stalls())
    rule.begin(0.0)
    assert rule.chunk(320.0, 0.0) is None
    assert rule.chunk(320.0, 10.0) is None
    assert rule.chunk(320.0, 10.0) is None
    assert rule.chunk(320.0, 10.0) == "960 ms within less time, at most 790 ms"


@pytest.mark.parametrize(
    ("steps", "rule"),
    [
        (lambda c: c.run(), "closed_without_end"),
        (lambda c: c.say("set_task", **task()), None),
    ],
)
async def test_who_leaves_without_a_word(steps: Steps, rule: str | None) -> None:
    async with emulated() as (emulator, client):
        socket = await client.dial()
        await steps(client)
        await socket.close()
        await asyncio.sleep(0.05)
    assert rules(emulator) == [rule] * (rule is not None)


async def test_who_leaves_before_the_tail() -> None:
    async with emulated() as (emulator, client):
        socket = await client.dial()
        await client.run()
        await client.audio(QUIET)
        await client.say("end_task", eos_timeout=5)
        await socket.close()
        await asyncio.sleep(0.05)
    assert rules(emulator) == ["closed_before_end"]


# ---- faults


async def test_faults_of_the_api() -> None:
    async with emulated() as (emulator, client):
        for fault, status in (
            (Fault("http", on="POST", status=503, retry_after_s=7), 503),
            (Fault("http", on="POST", body="text"), 503),
            (Fault("http", on="POST", body="none"), 503),
            (Fault("slow", on="POST", delay_s=0.01), 201),
        ):
            emulator.inject(fault)
            assert (await client.create()).status == status
        for fault in (Fault("reset", on="DELETE"), Fault("lose_answer", on="DELETE")):
            emulator.inject(fault)
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await client.delete()
        emulator.inject(Fault("lose_answer", on="POST"))
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await client.create()
    assert rules(emulator) == []


async def test_faults_of_the_stream() -> None:
    for fault, code in (
        (Fault("accept_close"), 1011),
        (Fault("cut", how="close", code=1012), 1012),
        (Fault("error", status=408), 1008),
        (Fault("error"), 1011),
        (Fault("cut"), 1006),
        (Fault("duration_limit", at_s=0.05), 1000),
    ):
        async with emulated() as (emulator, client):
            emulator.inject(fault)
            await client.dial()
            await client.until_closed()
            assert client.close_code == code, fault
            assert emulator.violations == []


async def test_faults_of_the_handshake() -> None:
    async with emulated() as (emulator, client):
        emulator.inject(Fault("handshake", status=429))
        assert await refused(client) == 429
        emulator.inject(Fault("slow", on="ws", delay_s=0.01))
        await client.dial()
        emulator.inject(Fault("reset", on="ws"))
        with pytest.raises((ConnectionError, InvalidHandshake)):
            await client.dial()


@pytest.mark.parametrize("what", ["not_json", "array", "unknown", "huge", "wrong_frame"])
async def test_garbage(what: str) -> None:
    async with emulated() as (emulator, client):
        emulator.inject(Fault("garbage", what=what))
        socket = await client.dial(max_size=2**24)
        frame = await socket.recv()
        assert (len(frame) > HUGE_BYTES) is (what == "huge")
        assert emulator.violations == []


async def test_a_stall_and_a_withheld_end() -> None:
    async with emulated() as (emulator, client):
        emulator.inject(Fault("stall", for_s=0.3))
        emulator.inject(Fault("no_end", code=1011))
        await client.dial()
        await client.converse(QUIET * 2)
    assert client.close_code == 1011
    assert "eos" not in [message.get("message_type") for message in client.received]


async def test_the_service_goes_away() -> None:
    async with emulated() as (emulator, client):
        await client.dial()
        await client.run()
        await emulator.disconnect()
        await client.until_closed()
    assert client.close_code == 1001
    assert emulator.violations == []


async def test_what_a_satellite_is_told() -> None:
    async with emulated() as (emulator, _):
        assert emulator.options["api_key"] == SETTINGS.api_key
        assert "transport" not in emulator.options
    async with emulated(with_variants(application=True, webrtc=True)) as (emulator, _):
        assert emulator.options["client_id"] == "emulated-client-id"
        assert emulator.options["transport"] == "webrtc"
