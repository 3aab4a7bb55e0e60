"""The emulated Vurbo service, tried by a raw client: tickets, the wire, and the rules of `start`."""

import asyncio
import contextlib
import dataclasses
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from satellite.emulator.faults import Fault
from satellite.emulator.vurbo.settings import VurboLimits, VurboSettings, VurboVariants
from tests.fakes.rawvurbo import (
    BROADCAST,
    CONVERSATION,
    SETTINGS,
    TRANSCRIBE,
    RawClient,
    emulated,
    rules,
)


def odd(**variants: bool) -> VurboSettings:
    return dataclasses.replace(SETTINGS, variants=dataclasses.replace(VurboVariants(), **variants))


def limited(**limits: float) -> VurboSettings:
    return dataclasses.replace(SETTINGS, limits=dataclasses.replace(VurboLimits(), **limits))


def faulty(*faults: Fault) -> VurboSettings:
    return dataclasses.replace(SETTINGS, faults=faults)


# --- tickets ------------------------------------------------------------------------------------------------------


async def test_a_ticket_opens_one_connection_and_is_echoed() -> None:
    async with emulated() as (emulator, client):
        answer = await client.ask_ticket()
        assert answer.json["expires_in"] == 60
        ticket = answer.json["ticket"]
        assert len(ticket) == 32
        socket = await client.dial(ticket)
        assert socket.subprotocol == f"ticket.{ticket}"
        with pytest.raises(InvalidStatus, match="401"):
            await RawClient(emulator).dial(ticket)
        await client.close()
    assert rules(emulator) == ["ticket_reused"]


async def test_a_bad_ticket_may_be_refused_inside() -> None:
    async with emulated(odd(bad_ticket_in_band=True, echo_subprotocol=False)) as (emulator, client):
        socket = await client.dial("nonsense")
        assert socket.subprotocol is None
        assert (await client.receive())["error_code"] == "ticket_invalid"
        assert await client.is_closed() == 1008
    assert rules(emulator) == ["unknown_ticket"]


@pytest.mark.parametrize(
    ("ticket", "query", "headers", "rule"),
    [
        ("nonsense", "", {}, "unknown_ticket"),
        ("", "", {}, "no_ticket"),
        (None, "?key=1", {}, "unexpected_query"),
        (None, "", {"X-API-Key": "vas_x"}, "key_on_socket"),
    ],
)
async def test_how_not_to_dial(ticket: str | None, query: str, headers: dict[str, str], rule: str) -> None:
    async with emulated() as (emulator, client):
        with contextlib.suppress(InvalidStatus):
            await client.dial(ticket, query, additional_headers=headers)
    assert rules(emulator) == [rule]


async def test_a_ticket_lasts_a_minute() -> None:
    async with emulated(limited(ticket_ttl_s=0.0)) as (emulator, client):
        with pytest.raises(InvalidStatus):
            await client.dial()
        with pytest.raises(InvalidStatus, match="404"):
            await client.dial((await client.ask_ticket()).json["ticket"], "/other")
    assert rules(emulator) == ["ticket_expired"]


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("", "auth_missing_api_key"),
        ("short", "auth_invalid_key_format"),
        ("vas_" + "x" * 32, "auth_invalid_api_key"),
    ],
)
async def test_keys_are_checked_and_not_tried_again(key: str, code: str) -> None:
    for settings in (SETTINGS, odd(flat_errors=True)):
        async with emulated(settings) as (emulator, client):
            answer = await client.ask_ticket(key)
            body = answer.json if settings.variants.flat_errors else answer.json["data"]
            assert (answer.status, body["error_code"], body["severity"]) == (401, code, "fatal")
            await client.ask_ticket(key)
        assert rules(emulator) == ["retry_after_401"]


async def test_other_requests() -> None:
    async with emulated() as (emulator, client):
        assert (await client.ask_ticket(path="/tasks")).status == 404
        assert (await client.ask_ticket(method="GET")).status == 405
        assert (await client.ask_ticket(path="/auth/ticket?api_key=x")).status == 200
        assert (await client.ask_ticket(path="/auth/ticket?x=1")).status == 200
    assert rules(emulator) == ["key_in_url", "unexpected_query"]


async def test_faults_of_the_ticket_desk() -> None:
    faults = [
        Fault("http", on="POST", status=503, body="text"),
        Fault("http", on="POST", status=500, body="none"),
        Fault("http", on="POST", status=429, retry_after_s=1),
        Fault("slow", on="POST", delay_s=0.1, skip=3),
    ]
    async with emulated(faulty(*faults)) as (emulator, client):
        assert (await client.ask_ticket()).body.startswith(b"<html>")
        assert (await client.ask_ticket()).body == b""
        answer = await client.ask_ticket()
        assert (answer.status, answer.headers["retry-after"]) == (429, "1")
        assert (await client.ask_ticket()).status == 200
        for kind in ("reset", "lose_answer"):
            emulator.inject(Fault(kind, on="POST"))
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await client.ask_ticket()
    assert set(rules(emulator)) == {"retry_after_ignored"}


async def test_a_storm_of_requests_is_noticed() -> None:
    async with emulated(faulty(Fault("http", on="POST", status=503, count=6))) as (emulator, client):
        for _ in range(6):
            await client.ask_ticket()
    assert rules(emulator) == ["retry_storm"]


# --- the wire -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "rule"),
    [
        (b"\x00", "binary_frame"),
        ("{not json", "not_json"),
        ({"action": "start"}, "bad_envelope"),
        ({"type": "weather", "data": {}}, "unknown_service"),
        ({"type": "voice-translation", "data": {"action": "audio", "payload": ""}}, "audio_before_start"),
        ({"type": "voice-translation", "data": {"action": "set_name", "name": "x"}}, "command_before_start"),
    ],
)
async def test_how_not_to_speak(message: object, rule: str) -> None:
    async with emulated() as (emulator, client):
        await client.dial()
        await client.put(message)
        await client.put({"type": "health", "data": {"action": "ping"}})
        await client.until("health")
        await client.close()
    assert rules(emulator) == [rule]


async def test_vocabulary_may_come_before_the_start() -> None:
    async with emulated() as (emulator, client):
        await client.dial()
        terms = {"terminology": {"en-GB": [{"term": "Zigbee"}]}}
        assert (await client.ask("config", **terms))["action"] == "config_updated"
        assert (await client.ask("config"))["error_code"] == "config_empty"
        await client.close()
    assert rules(emulator) == []


async def test_who_sends_no_heartbeat_is_noticed() -> None:
    async with emulated(limited(heartbeat_s=0.3)) as (emulator, client):
        await client.start()
        await client.put({"type": "health", "data": {"action": "ping"}})
        await asyncio.sleep(0.2)
        assert rules(emulator) == []
        await asyncio.sleep(0.4)
        assert "no_heartbeat" in rules(emulator)
        await client.finish()


async def test_a_pong_need_not_come() -> None:
    async with emulated(odd(no_pong=True)) as (_emulator, client):
        await client.dial()
        await client.put({"type": "health", "data": {"action": "ping"}})
        await client.send("config")
        assert (await client.receive())["error_code"] == "config_empty"
        await client.close()


@pytest.mark.parametrize(
    ("changes", "code", "rule"),
    [
        ({"type": "podcast"}, "invalid_recording_type", "invalid_recording_type"),
        ({"transcription_languages": []}, "missing_transcription_languages", "missing_transcription_languages"),
        ({"transcription_languages": "en-GB"}, "invalid_data", "scalar_for_array"),
        ({"transcription_languages": ["en"]}, "invalid_transcription_language", "invalid_language"),
        ({"transcription_languages": ["en-GB", "de-DE", "fr-FR"]}, "too_many_languages", "too_many_languages"),
        (
            {"transcription_languages": ["en-GB", "de-DE"], "recognition_mode": "multi_speaker"},
            "diarization_multilang_conflict",
            "diarization_multilang_conflict",
        ),
        ({"summary_template": "poem"}, "invalid_summary_template", None),
        ({"summary_template": None}, "invalid_summary_template", "missing_summary_template"),
        ({"summary_mode": "clever"}, "summary_invalid_mode", "summary_invalid_mode"),
        ({"summary_prompt": "x"}, "summary_mode_field_mismatch", "summary_fields"),
        ({"tts_language": "fr-FR"}, "tts_invalid_language", "tts_invalid_language"),
        ({"audio_format": "mp3"}, "audio_format_unsupported", "bad_value"),
        ({"tts_mode": "loud"}, "invalid_data", "bad_value"),
        ({"recognition_mode": "many"}, "invalid_data", "bad_value"),
        ({"tts_enabled": "yes"}, "invalid_data", "bad_value"),
        ({"name": "x" * 61}, "set_name_too_long", "bad_value"),
        ({"tts_config": {"de-DE": {"speaking_rate": 3}}}, "invalid_data", "bad_value"),
        ({"callback_url": "x"}, "invalid_data", "unknown_field"),
        (
            {
                "summary_mode": "custom",
                "summary_template": None,
                "summary_prompt": "x" * 2001,
                "summary_prompt_slug": "x",
            },
            "summary_prompt_too_long",
            "summary_prompt_too_long",
        ),
        (
            {
                "summary_mode": "custom",
                "summary_template": None,
                "summary_prompt": "x",
                "summary_prompt_slug": "x" * 65,
            },
            "summary_prompt_slug_too_long",
            "summary_prompt_slug_too_long",
        ),
        (
            {"summary_mode": "custom", "summary_template": None, "summary_prompt": "x", "summary_prompt_slug": "a\nb"},
            "summary_prompt_slug_invalid",
            "summary_prompt_slug_invalid",
        ),
    ],
)
async def test_the_rules_of_start(changes: dict[str, Any], code: str, rule: str | None) -> None:
    data = {name: value for name, value in {**TRANSCRIBE, **changes}.items() if value is not None}
    await _refused(data, code, rule)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"transcription_languages": ["en-GB"]}, "conversation_requires_two_languages"),
        ({"transcription_languages": ["en-GB", "en-GB"]}, "conversation_languages_identical"),
        ({"speakers": [{"id": 1, "language": "en-GB"}]}, "conversation_invalid_speaker"),
        (
            {"speakers": [{"id": 1, "language": "en-GB"}, {"id": 2, "language": "fr-FR"}]},
            "conversation_invalid_language",
        ),
        ({"speakers": None}, "invalid_data"),
        ({"active_language": "fr-FR"}, "conversation_invalid_language"),
        ({"conversation_mode": "loud"}, "conversation_invalid_mode"),
    ],
)
async def test_the_rules_of_a_conversation(changes: dict[str, Any], code: str) -> None:
    data = {name: value for name, value in {**CONVERSATION, **changes}.items() if value is not None}
    await _refused(data, code, "bad_conversation")


async def test_more_rules_of_a_conversation() -> None:
    await _refused({**CONVERSATION, "speakers": {"1": "en-GB"}}, "invalid_data", "scalar_for_array")
    conflict = {**CONVERSATION, "recognition_mode": "multi_speaker"}
    await _refused(conflict, "diarization_multilang_conflict", "diarization_multilang_conflict")


@pytest.mark.parametrize(
    ("changes", "code", "rule"),
    [
        ({"broadcast_token": None}, "broadcast_token_required", "broadcast_token_required"),
        ({"broadcast_token": "zzzz"}, "broadcast_token_invalid", None),
        ({"audio_format": None}, "invalid_data", "missing_audio_format"),
        ({"broadcast_phase": "soon"}, "invalid_data", "bad_value"),
    ],
)
async def test_the_rules_of_a_broadcast(changes: dict[str, Any], code: str, rule: str | None) -> None:
    data = {name: value for name, value in {**BROADCAST, **changes}.items() if value is not None}
    await _refused(data, code, rule)


async def _refused(data: dict[str, Any], code: str, rule: str | None) -> None:
    async with emulated() as (emulator, client):
        assert (await client.start(**data))["error_code"] == code
        await client.close()
    assert rules(emulator) == ([] if rule is None else [rule])
    assert emulator.sessions == []
